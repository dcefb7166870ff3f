// Densities of an atom from its neighbours and gradients of neighbours from those of densities, by
// polynomials (bispectrum.h), a neighbour a lane.
// Included once per instruction set, inside its namespace.

template <typename T>
struct Complex {
    Vec<T> re, im;
};

template <typename T>
AMPTORCH_INLINE Complex<T> operator*(Complex<T> x, Complex<T> y) {
    return {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}

template <typename T>
AMPTORCH_INLINE Complex<T> operator+(Complex<T> x, Complex<T> y) {
    return {x.re + y.re, x.im + y.im};
}

template <typename T>
AMPTORCH_INLINE Complex<T> scaled(Complex<T> x, Vec<T> by) {
    return {x.re * by, x.im * by};
}

template <typename T>
AMPTORCH_INLINE Complex<T> conjugate(Complex<T> x) {
    return {x.re, -x.im};
}

// A vector of neighbours: unit vectors, and alpha*, omega = -(-beta*) = beta*, X = |alpha|^2 - |beta|^2.
template <typename T>
struct Point {
    Vec<T> x, y, z, cosine, sine, turn, inverse, weight, slope;
    Complex<T> alpha, omega;
    Vec<T> variable;

    Point(const Neighbors<T>& n, int place)
        : x(n.get(x_row, place)),
          y(n.get(y_row, place)),
          z(n.get(z_row, place)),
          cosine(n.get(cosine_row, place)),
          sine(n.get(sine_row, place)),
          turn(n.get(turn_row, place)),
          inverse(n.get(inverse_row, place)),
          weight(n.get(weight_row, place)),
          slope(n.get(slope_row, place)),
          alpha{cosine, sine * z},
          omega{sine * y, sine * x},
          variable(cosine * cosine + sine * sine * (z * z - x * x - y * y)) {}
};

// The change of a point and its weight with a change of the vector.
template <typename T>
struct Motion {
    Complex<T> alpha, omega;
    Vec<T> variable, weight;

    Motion() = default;
    Motion(const Point<T>& p, Vec<T> dx, Vec<T> dy, Vec<T> dz) {
        const Vec<T> along = p.x * dx + p.y * dy + p.z * dz;
        const Vec<T> across = p.sine * p.inverse;
        const Vec<T> radial = (p.cosine * p.turn - across) * along;
        alpha = {-p.sine * p.turn * along, radial * p.z + across * dz};
        omega = {radial * p.y + across * dy, radial * p.x + across * dx};
        variable = T(2) * (p.alpha.re * alpha.re + p.alpha.im * alpha.im -
                           p.omega.re * omega.re - p.omega.im * omega.im);
        weight = p.slope * along;
    }
};

template <typename T>
struct Powers {
    Complex<T> of[highest + 1];

    Powers(Complex<T> base, int most) {
        of[0] = {broadcast<T>(1), Vec<T>{}};
        for (int n = 1; n <= most; ++n) of[n] = of[n - 1] * base;
    }
    Complex<T> slope(int n) const {
        return n == 0 ? Complex<T>{} : scaled(of[n - 1], broadcast<T>(static_cast<T>(n)));
    }
};

// p_n and, if wanted, its slope.
template <typename T, bool with_slope>
struct Climb {
    Vec<T> value, below, slope, slope_below;

    // Not left to the compiler, which would make it for the instruction set of the whole file.
    AMPTORCH_INLINE Climb() : value(broadcast<T>(1)), below{}, slope{}, slope_below{} {}

    AMPTORCH_INLINE void step(const Recurrence<T>& r, Vec<T> variable) {
        const Vec<T> factor = r.a * variable + r.b;
        if constexpr (with_slope) {
            const Vec<T> next = factor * slope + r.a * value - r.c * slope_below;
            slope_below = slope;
            slope = next;
        }
        const Vec<T> next = factor * value - r.c * below;
        below = value;
        value = next;
    }
};

// An element of either sign of l without its polynomial.
template <typename T>
struct Both {
    Complex<T> of[2];

    Both() = default;
    // left * right^L, with right^L = power: (-omega)^L or (omega*)^L.
    AMPTORCH_INLINE Both(Complex<T> left, Complex<T> power, int L) {
        const Complex<T> turned = left * power;
        of[0] = L % 2 ? Complex<T>{-turned.re, -turned.im} : turned;
        of[1] = left * conjugate(power);
    }
};

template <typename T>
AMPTORCH_INLINE Both<T> operator+(const Both<T>& x, const Both<T>& y) {
    Both<T> sum;
    for (int sign = 0; sign < 2; ++sign) sum.of[sign] = x.of[sign] + y.of[sign];
    return sum;
}

// Calls sink(polynomial, climb, elements, changes) for every polynomial, with the weights of the
// neighbours and their changes for every one of n motions.
template <typename T, int n, typename Sink>
AMPTORCH_INLINE void walk(const Tables<T>& tables, const Point<T>& point, const Motion<T>* motions,
                          Sink&& sink) {
    const int top = tables.twojmax;
    const Powers<T> alpha(point.alpha, top), omega(point.omega, top);
    int polynomial = 0;
    for (int L = 0; L <= top; ++L) {
        for (int K = top - L; K >= 0; --K) {
            const Complex<T> left = scaled(alpha.of[K], point.weight);
            const Both<T> elements(left, omega.of[L], L);
            Both<T> changes[n + 1];
            for (int m = 0; m < n; ++m) {
                const Motion<T>& by = motions[m];
                const Complex<T> moved = scaled(alpha.of[K], by.weight) +
                                         scaled(alpha.slope(K) * by.alpha, point.weight);
                changes[m] = Both<T>(moved, omega.of[L], L) +
                             Both<T>(left, omega.slope(L) * by.omega, L);
            }
            Climb<T, (n > 0)> climb;
            for (int j = K + L; j <= top; j += 2, ++polynomial) {
                climb.step(tables.recurrences[polynomial], point.variable);
                sink(polynomial, climb, elements, changes);
            }
        }
    }
}

template <typename T>
AMPTORCH_INLINE void add(T* to, Vec<T> value) {
    store<T>(to, load(to) + value);
}

// Sums of elements over neighbours, by lane: [n_polynomials, 2, re and im, width].
template <typename T>
struct Sums {
    T *values, *changes;

    static constexpr int step = 4 * width<T>;
};

template <typename T>
void add_densities(const Neighbors<T>& n, int place, const Sums<T>& sums) {
    const Point<T> point(n, place);
    walk<T, 0>(n.task.tables, point, nullptr, [&](int at, const auto& climb, const auto& of, auto&) {
        T* to = sums.values + at * sums.step;
        for (int sign = 0; sign < 2; ++sign) {
            add<T>(to + 2 * sign * width<T>, climb.value * of.of[sign].re);
            add<T>(to + (2 * sign + 1) * width<T>, climb.value * of.of[sign].im);
        }
    });
}

template <typename T>
void add_changes(const Neighbors<T>& n, int place, const Sums<T>& sums) {
    const Point<T> point(n, place);
    const Motion<T> by(point, n.get(dx_row, place), n.get(dy_row, place), n.get(dz_row, place));
    walk<T, 1>(n.task.tables, point, &by, [&](int at, const auto& climb, const auto& of, auto& d) {
        T *value = sums.values + at * sums.step, *change = sums.changes + at * sums.step;
        const Vec<T> bent = climb.slope * by.variable;
        for (int sign = 0; sign < 2; ++sign) {
            const Complex<T> e = of.of[sign], moved = d[0].of[sign];
            const int re = 2 * sign * width<T>, im = re + width<T>;
            add<T>(value + re, climb.value * e.re);
            add<T>(value + im, climb.value * e.im);
            add<T>(change + re, climb.value * moved.re + bent * e.re);
            add<T>(change + im, climb.value * moved.im + bent * e.im);
        }
    });
}

// Writes the sums of an atom, with their mirrors, into its lane of [n_full, re and im, width].
template <typename T>
void spread_sums(const Tables<T>& tables, const T* sums, T* density, int lane) {
    for (int at = 0; at < 2 * tables.n_polynomials; ++at) {
        const Place& place = tables.places[at];
        if (place.full < 0) continue;
        const T re = sum<T>(load(sums + 2 * at * width<T>));
        const T im = sum<T>(load(sums + (2 * at + 1) * width<T>));
        T* const to = density + 2 * place.full * width<T> + lane;
        T* const mirror = density + 2 * place.mirror * width<T> + lane;
        mirror[0] = place.sign * re;
        mirror[width<T>] = -place.sign * im;
        to[0] = re;
        to[width<T>] = im;
    }
}

// Gradients of the elements of one half with respect to the vectors of neighbours: [n_half, re and
// im, 3, width].
template <typename T>
void write_gradients(const Neighbors<T>& n, int place, T* gradients) {
    const Point<T> point(n, place);
    const Vec<T> zero{}, one = broadcast<T>(1);
    const Motion<T> by[3] = {{point, one, zero, zero}, {point, zero, one, zero},
                             {point, zero, zero, one}};
    const Tables<T>& tables = n.task.tables;
    walk<T, 3>(tables, point, by, [&](int at, const auto& climb, const auto& of, auto& d) {
        for (int sign = 0; sign < 2; ++sign) {
            const int half = tables.places[2 * at + sign].half;
            if (half < 0) continue;
            T* to = gradients + half * 6 * width<T>;
            for (int axis = 0; axis < 3; ++axis) {
                const Vec<T> bent = climb.slope * by[axis].variable;
                const Complex<T> e = of.of[sign], moved = d[axis].of[sign];
                store<T>(to + axis * width<T>, climb.value * moved.re + bent * e.re);
                store<T>(to + (axis + 3) * width<T>, climb.value * moved.im + bent * e.im);
            }
        }
    });
}

// Y* of an atom's lane by polynomials, [n_polynomials, 2, re and im], each element times how often
// it counts.
template <typename T>
void pack_slopes(const Tables<T>& tables, const T* slopes, int lane, T* packed) {
    for (int at = 0; at < 2 * tables.n_polynomials; ++at) {
        const Place& place = tables.places[at];
        packed[2 * at] = packed[2 * at + 1] = 0;
        if (place.half < 0) continue;
        const T* from = slopes + 2 * place.half * width<T> + lane;
        const int count = place.full == place.mirror ? 1 : 2;
        packed[2 * at] = count * from[0];
        packed[2 * at + 1] = -count * from[width<T>];
    }
}

// sum_K q_K alpha^K, its derivative by alpha, and the same sum of the slopes of q, by Horner.
template <typename T>
struct Horner {
    Complex<T> value, slope, bent;

    AMPTORCH_INLINE Horner() : value{}, slope{}, bent{} {}

    AMPTORCH_INLINE void step(Complex<T> alpha, Complex<T> q, Complex<T> dq) {
        slope = slope * alpha + value;
        value = value * alpha + q;
        bent = bent * alpha + dq;
    }
};

// Derivatives of Re sum Y* U: by alpha* (its own conjugate's), omega, X, and the sum itself.
template <typename T>
struct Pull {
    Complex<T> alpha, omega;
    Vec<T> variable, value;

    AMPTORCH_INLINE Pull() : alpha{}, omega{}, variable{}, value{} {}

    // The terms of omega^L, for l >= 0 and l < 0; `power` and `below` are omega^L and omega^(L-1).
    AMPTORCH_INLINE void take(const Horner<T> (&sums)[2], Complex<T> power, Complex<T> below, int L) {
        const T turned = L % 2 ? T(-1) : T(1), order = static_cast<T>(L);
        const Complex<T> right[2] = {scaled(power, broadcast<T>(turned)), conjugate(power)};
        const Complex<T> slope[2] = {scaled(below, broadcast<T>(turned * order)),
                                     scaled(conjugate(below), broadcast<T>(order))};
        for (int sign = 0; sign < 2; ++sign) {
            const Horner<T>& s = sums[sign];
            value += right[sign].re * s.value.re - right[sign].im * s.value.im;
            variable += right[sign].re * s.bent.re - right[sign].im * s.bent.im;
            alpha = alpha + right[sign] * s.slope;
            const Complex<T> along = slope[sign] * s.value;
            omega.re += along.re;
            omega.im += sign == 0 ? -along.im : along.im;
        }
    }
};

template <typename T>
AMPTORCH_INLINE Pull<T> pull_back(const Tables<T>& tables, const Point<T>& point, const T* packed) {
    Pull<T> pulled;
    const Recurrence<T>* recurrence = tables.recurrences;
    Complex<T> power{broadcast<T>(1), Vec<T>{}}, below{};
    for (int L = 0; L <= tables.twojmax; ++L) {
        Horner<T> sums[2];
        for (int K = tables.twojmax - L; K >= 0; --K) {
            Climb<T, true> climb;
            Complex<T> q[2]{}, dq[2]{};
            for (int j = K + L; j <= tables.twojmax; j += 2, ++recurrence, packed += 4) {
                climb.step(*recurrence, point.variable);
                for (int sign = 0; sign < 2; ++sign) {
                    q[sign].re += packed[2 * sign] * climb.value;
                    q[sign].im += packed[2 * sign + 1] * climb.value;
                    dq[sign].re += packed[2 * sign] * climb.slope;
                    dq[sign].im += packed[2 * sign + 1] * climb.slope;
                }
            }
            for (int sign = 0; sign < 2; ++sign) sums[sign].step(point.alpha, q[sign], dq[sign]);
        }
        pulled.take(sums, power, below, L);
        below = power;
        power = power * point.omega;
    }
    return pulled;
}

// dE/dR of a vector of neighbours: along x, y, z.
template <typename T>
void write_pulled(const Neighbors<T>& n, int place, const T* packed) {
    const Point<T> p(n, place);
    const Pull<T> by = pull_back(n.task.tables, p, packed);
    const Vec<T> twice = T(2) * by.variable;
    const Vec<T> g0 = by.alpha.re + twice * p.alpha.re;
    const Vec<T> gz = twice * p.alpha.im - by.alpha.im;
    const Vec<T> gy = by.omega.re - twice * p.omega.re, gx = by.omega.im - twice * p.omega.im;
    const Vec<T> across = p.sine * p.inverse;
    const Vec<T> along = gx * p.x + gy * p.y + gz * p.z;
    const Vec<T> radial = p.slope * by.value + p.weight * ((p.cosine * p.turn - across) * along -
                                                             p.sine * p.turn * g0);
    const Vec<T> flat = p.weight * across;
    const Vec<T> x = radial * p.x + flat * gx, y = radial * p.y + flat * gy;
    const Vec<T> z = radial * p.z + flat * gz;
    for (int lane = 0; lane < width<T>; ++lane) {
        const int neighbor = n.neighbor[place + lane];
        if (neighbor < 0) continue;
        T* to = n.task.pulled + 3 * (n.begin + neighbor);
        to[0] = x[lane];
        to[1] = y[lane];
        to[2] = z[lane];
    }
}
