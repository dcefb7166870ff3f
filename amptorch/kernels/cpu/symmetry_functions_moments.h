// G5 with whole zeta by moments, linear in the neighbours: with unit vectors u and
// M_abc(X) = sum over j in X of w_j x^a y^b z^c, the binomial and the multinomial theorem say
//     sum_jk w_j w_k (1 + lambda u_j.u_k)^zeta
//         = sum_{a+b+c=n<=zeta} C(zeta, n) lambda^n n!/(a! b! c!) M_abc(A) M_abc(B),
// which is what j sees of the others as a polynomial in u_j: its coefficients hold M_abc(B).
// For A = B each pair counts twice, and each neighbour pairs with itself: (1 + lambda)^zeta.
// Included once per instruction set, inside its namespace.
//
// All sums are in double: the terms may cancel down to the rounding of the largest.

struct Binomials {
    double of[max_degree + 1][max_degree + 1];

    constexpr Binomials() : of{} {
        for (int n = 0; n <= max_degree; ++n) {
            of[n][0] = 1;
            for (int k = 1; k <= n; ++k) of[n][k] = of[n - 1][k - 1] + (k < n ? of[n - 1][k] : 0);
        }
    }
};
constexpr Binomials binomials;

// Number of x^a y^b z^c with a + b + c <= degree; in order of a, then b, then c.
constexpr int n_monomials(int degree) {
    return (degree + 1) * (degree + 2) * (degree + 3) / 6;
}

template <typename T>
AMPTORCH_INLINE Vec<double> load_double(const T* from) {
    if constexpr (sizeof(T) == sizeof(double)) {
        return load(from);
    } else {
        Vec<double> value{};
        for (int lane = 0; lane < width<double>; ++lane) value[lane] = from[lane];
        return value;
    }
}

// Unit vectors of the neighbours at the places from `place` on.
template <typename T>
struct Directions {
    Vec<double> x, y, z, inverse;

    AMPTORCH_INLINE Directions(const Center<T>& c, int place)
        : x(load_double(c.x + place)), y(load_double(c.y + place)), z(load_double(c.z + place)) {
        inverse = 1.0 / square_root<double>(x * x + y * y + z * z);
        x *= inverse;
        y *= inverse;
        z *= inverse;
    }
};

// The moments of one species, and the sum of its squared weights.
struct Moments {
    int degree;
    double squares;
    double values[n_monomials(max_degree)];
};

template <typename T>
void sum_moments(const Center<T>& c, const Group& group, int species, Moments& moments) {
    const int degree = moments.degree, n = n_monomials(degree);
    Vec<double> sums[n_monomials(max_degree)], squares{};
    for (int index = 0; index < n; ++index) sums[index] = Vec<double>{};
    const T* weights = c.weight(group.channel);
    for (int place = c.start[species]; place < c.start[species + 1]; place += width<double>) {
        const Directions<T> u(c, place);
        const Vec<double> weight = load_double(weights + place);
        squares += weight * weight;
        Vec<double> powers[max_degree + 1];
        powers[0] = broadcast<double>(1);
        for (int k = 1; k <= degree; ++k) powers[k] = powers[k - 1] * u.z;
        Vec<double>* row = sums;
        Vec<double> of_x = weight;
        for (int a = 0; a <= degree; ++a, of_x *= u.x) {
            Vec<double> of_xy = of_x;
            for (int rest = degree - a; rest >= 0; --rest, of_xy *= u.y) {
                for (int k = 0; k <= rest; ++k) row[k] += of_xy * powers[k];
                row += rest + 1;
            }
        }
    }
    for (int index = 0; index < n; ++index) moments.values[index] = sum<double>(sums[index]);
    moments.squares = sum<double>(squares);
}

// What a neighbour weighs by its direction: factor * sum over the others of w (1 + lambda c)^zeta.
struct Polynomial {
    int degree;
    double self;  // the part that a neighbour of weight 1 sees of itself
    double coefficients[n_monomials(max_degree)];

    explicit Polynomial(int degree) : degree(degree), self(0) {
        for (int index = 0; index < n_monomials(degree); ++index) coefficients[index] = 0;
    }

    void add(const AngularTerm& term, double factor, const Moments& others) {
        double by_order[max_degree + 1];
        for (int n = 0; n <= degree; ++n, factor *= term.lambda) {
            by_order[n] = factor * binomials.of[static_cast<int>(term.zeta)][n];
            self += by_order[n];
        }
        double* to = coefficients;
        const double* row = others.values;
        for (int a = 0; a <= others.degree; ++a) {
            for (int b = 0; b <= others.degree - a; ++b) {
                for (int n = a + b; n <= degree; ++n) {
                    *to++ += by_order[n] * binomials.of[n][a] * binomials.of[n - a][b] *
                             row[n - a - b];
                }
                row += others.degree - a - b + 1;
            }
        }
    }

    // Sum over neighbours whose moments are given; the pairs with themselves among them.
    double over(const Moments& moments) const {
        double total = 0;
        const double *from = coefficients, *row = moments.values;
        for (int a = 0; a <= degree; ++a) {
            for (int b = 0; b <= moments.degree - a; ++b) {
                for (int k = 0; k <= degree - a - b; ++k) total += *from++ * row[k];
                row += moments.degree - a - b + 1;
            }
        }
        return total;
    }
};

// Value and gradient of a polynomial, by Horner's scheme in z, then y, then x.
struct Slopes {
    Vec<double> value{}, x{}, y{}, z{};

    template <typename T>
    AMPTORCH_INLINE Slopes(const Polynomial& polynomial, const Directions<T>& u) {
        const double* at = polynomial.coefficients + n_monomials(polynomial.degree);
        for (int in_x = 0; in_x <= polynomial.degree; ++in_x) {
            Vec<double> plane{}, plane_y{}, plane_z{};
            for (int in_y = 0; in_y <= in_x; ++in_y) {
                Vec<double> line{}, line_z{};
                for (int in_z = 0; in_z <= in_y; ++in_z) {
                    line_z = line_z * u.z + line;
                    line = line * u.z + *--at;
                }
                plane_y = plane_y * u.y + plane;
                plane_z = plane_z * u.y + line_z;
                plane = plane * u.y + line;
            }
            x = x * u.x + value;
            y = y * u.x + plane_y;
            z = z * u.x + plane_z;
            value = value * u.x + plane;
        }
    }
};

// Adds the gradients of w P(u) of one species to its slot; for the jvp returns their sum along dR.
template <typename T, Operation op>
double sum_slopes(const Center<T>& c, const Group& group, int species, int slot,
                  const Polynomial& polynomial, bool same) {
    Vec<double> total{};
    for (int place = c.start[species]; place < c.start[species + 1]; place += width<double>) {
        const Directions<T> u(c, place);
        const Slopes p(polynomial, u);
        const Vec<double> w = load_double(c.weight(group.channel) + place);
        const Vec<double> seen = same ? p.value - w * polynomial.self : p.value;
        const Vec<double> turn = w * u.inverse;
        const Vec<double> radial = u.x * p.x + u.y * p.y + u.z * p.z;
        const Vec<double> along =
            load_double(c.slope(group.channel) + place) * seen - turn * u.inverse * radial;
        const Vec<double> x = turn * p.x, y = turn * p.y, z = turn * p.z;
        if constexpr (op == Operation::jvp) {
            total += along * load_double(c.dot + place) + x * load_double(c.dx + place) +
                     y * load_double(c.dy + place) + z * load_double(c.dz + place);
        } else {
            for (int lane = 0; lane < width<double>; ++lane) {
                c.sums(place + lane, slot) +=
                    Quad<T>{static_cast<T>(along[lane]), static_cast<T>(x[lane]),
                            static_cast<T>(y[lane]), static_cast<T>(z[lane])};
            }
        }
    }
    return sum<double>(total);
}

template <typename T, Operation op>
double sum_both_slopes(const Center<T>& c, const Group& group, const Polynomial& seen_by_j,
                       const Polynomial* seen_by_k, int term) {
    const int slot_j = group.slot_j + term, slot_k = group.slot_k + term;
    double total = sum_slopes<T, op>(c, group, group.species_j, slot_j, seen_by_j, !seen_by_k);
    if (seen_by_k) {
        total += sum_slopes<T, op>(c, group, group.species_k, slot_k, *seen_by_k, false);
    }
    return total;
}

// The terms from begin to end as one sum.
template <typename T, Operation op>
void sum_terms(const Center<T>& c, const Group& group, const Moments& j, const Moments& k,
               int begin, int end) {
    const bool same = &j == &k;
    const AngularTerm& term = group.terms[begin];
    const int degree = end - begin > 1 ? j.degree : static_cast<int>(term.zeta);
    const bool both = needs_slope(op) && !same;
    Polynomial seen_by_j(degree), seen_by_k(both ? degree : 0);
    for (int n = begin; n < end; ++n) {
        const AngularTerm& each = group.terms[n];
        const double factor =
            each.scale * (op == Operation::vjp ? c.gradient()[each.feature] : T(1));
        seen_by_j.add(each, factor, k);
        if (both) seen_by_k.add(each, factor, j);
    }
    double slope = 0;
    if constexpr (needs_slope(op)) {
        slope = sum_both_slopes<T, op>(c, group, seen_by_j, same ? nullptr : &seen_by_k, begin);
    }
    if constexpr (op == Operation::vjp) return;
    double value = slope;
    if constexpr (op != Operation::jvp) {
        value = seen_by_j.over(j);
        if (same) value = (value - seen_by_j.self * j.squares) / 2;
    }
    c.features()[term.feature] += static_cast<T>(value);
}

template <typename T, Operation op>
void sum_by_moments(const Center<T>& c, const Group& group) {
    const bool same = group.species_j == group.species_k;
    Moments j, k;
    j.degree = k.degree = group.degree;
    sum_moments(c, group, group.species_j, j);
    if (!same) sum_moments(c, group, group.species_k, k);
    const int step = op == Operation::vjp ? group.n_terms : 1;
    for (int n = 0; n < group.n_terms; n += step) {
        sum_terms<T, op>(c, group, j, same ? j : k, n, n + step);
    }
}

// Cost of one vector of pairs; as all costs relative to a monomial of one vector of neighbours,
// and fitted to times of 20 to 350 neighbours.
constexpr double pair_cost(Operation op, int n_terms) {
    switch (op) {
        case Operation::forward: return 14 + 2 * n_terms;
        case Operation::jacobian: return 27 + 13 * n_terms;
        case Operation::vjp: return 40 + n_terms;
        case Operation::jvp: return 28 + 2 * n_terms;
    }
    return 0;
}

// Whether moments cost less than pairs.
template <typename T, Operation op>
bool prefers_moments(const Center<T>& c, const Group& group) {
    if (group.degree < 0) return false;
    const bool same = group.species_j == group.species_k;
    const double n_j = c.start[group.species_j + 1] - c.start[group.species_j];
    const double n_k = c.start[group.species_k + 1] - c.start[group.species_k];
    const double pairs = n_j * n_k / width<T> / (same ? 2 : 1);
    const double vectors = (same ? n_j : n_j + n_k) / width<double>;

    const double monomials = n_monomials(group.degree);
    double built = 0;  // coefficients of all polynomials
    for (int n = 0; n < group.n_terms; ++n) {
        const int zeta = static_cast<int>(group.terms[n].zeta);
        built += op == Operation::vjp ? monomials : n_monomials(zeta);
    }
    const double evaluated = op == Operation::vjp ? monomials : needs_slope(op) ? built : 0;
    const double prepared = 2 * monomials + built * (needs_slope(op) ? 2 : 1);
    return vectors * (monomials + 1.5 * evaluated) + 3 * prepared <
           pairs * pair_cost(op, group.n_terms);
}
