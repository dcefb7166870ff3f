// The sums over two neighbours j < k of a centre: G4 and G5.
// Included once per instruction set, inside its namespace.
//
// With c = cos theta_jk, W = w_j w_k h (h the factor of the third side, 1 for G5) and primes for
// f'(r)/r, a term v(c) W has the gradients
//     dR_j:  (v' P_j + v Q_j) R_j + B R_k        P_j = -W c / r_j^2,  Q_j = w_j' w_k h + w_j w_k h'
//     dR_k:  (v' P_k + v Q_k) R_k + B R_j        B = v' W / (r_j r_k) - v w_j w_k h'
// where everything but v and v' is shared by all terms of a group.

template <typename T>
struct Triple {
    Vec<T> cosine, w, along_j, along_k, turn_j, turn_k, across, side;
};

// v and v' of the terms of a group one after the other, for the vectors `visit` asks for.
template <typename T, typename Visit>
AMPTORCH_INLINE void for_each_term(const Group& group, Vec<T> cosine, Visit visit) {
    Vec<T> base{}, power{};
    for (int n = 0; n < group.n_terms; ++n) {
        const AngularTerm& term = group.terms[n];
        if (term.restart) {
            base = T(1) + static_cast<T>(term.lambda) * cosine;
            power = broadcast<T>(1);
        }
        power = term.step < 0 ? real_power<T>(base, term.zeta - 1)
                              : power * whole_power<T>(base, term.step);
        visit(n, power * base, power);
    }
}

// Factors of v = value * base * power and v' = slope * power, weighted for the vjp.
template <typename T>
struct Factors {
    T value[max_terms], slope[max_terms];

    Factors(const Group& group, const T* gradient) {
        for (int n = 0; n < group.n_terms; ++n) {
            const AngularTerm& term = group.terms[n];
            const T weight = gradient ? gradient[term.feature] : T(1);
            value[n] = static_cast<T>(term.scale) * weight;
            slope[n] = static_cast<T>(term.scale * term.zeta * term.lambda) * weight;
        }
    }
};

// Sums that belong to neighbour j while k runs.
template <typename T>
struct Sums {
    Vec<T> feature[max_terms] = {};
    Vec<T> gradient[max_terms][rows_per_slot] = {};
};

// One neighbour j, and what is to be done with its triples.
template <typename T, Operation op, bool closed>
struct Wedge {
    const Center<T>& c;
    const Group& group;
    const Cutoff<T>& cutoff;
    const Factors<T>& factors;
    Sums<T>& sums;
    int j;
    T eta, x, y, z, r_inverse, w, slope;

    Wedge(const Center<T>& c, const Group& group, const Cutoff<T>& cutoff,
          const Factors<T>& factors, Sums<T>& sums, int j)
        : c(c), group(group), cutoff(cutoff), factors(factors), sums(sums), j(j),
          eta(static_cast<T>(c.plan.channels[group.channel].eta)),
          x(c.x[j]), y(c.y[j]), z(c.z[j]), r_inverse(c.inverse[j]),
          w(c.weight(group.channel)[j]), slope(needs_slope(op) ? c.slope(group.channel)[j] : T(0)) {}

    // Adds the triples with the neighbours k > j of one vector of places.
    AMPTORCH_INLINE void add_triples(int k) {
        const Vec<T> xk = load(c.x + k), yk = load(c.y + k), zk = load(c.z + k);
        Vec<T> square{};
        if constexpr (closed) {
            const Vec<T> dx = xk - x, dy = yk - y, dz = zk - z;
            square = dx * dx + dy * dy + dz * dz;
            if (!any<T>(cutoff.inside(square) > Vec<T>{})) return;
        }
        const Vec<T> inverse = load(c.inverse + k) * r_inverse;
        const Vec<T> cosine = (x * xk + y * yk + z * zk) * inverse;
        accumulate(k, triple(k, square, inverse, cosine));
    }

private:
    AMPTORCH_INLINE Vec<T> later(Vec<T> value, int k) const {
        return k <= j ? (iota<T>() > static_cast<T>(j - k) ? value : Vec<T>{}) : value;
    }

    AMPTORCH_INLINE Triple<T> triple(int k, Vec<T> square, Vec<T> inverse, Vec<T> cosine) const {
        Radial<T> h{broadcast<T>(1), {}};
        if constexpr (closed) h = weight<T, needs_slope(op)>(cutoff, eta, square);
        const Vec<T> wk = later(load(c.weight(group.channel) + k), k);
        Triple<T> t{};
        t.cosine = cosine;
        t.w = wk * w * h.value;
        if constexpr (needs_slope(op)) {
            const Vec<T> slope_k = later(load(c.slope(group.channel) + k), k);
            const Vec<T> inverse_k = load(c.inverse + k);
            t.across = t.w * inverse;
            t.side = w * wk * h.slope;
            t.turn_j = -t.w * cosine * (r_inverse * r_inverse);
            t.turn_k = -t.w * cosine * (inverse_k * inverse_k);
            t.along_j = slope * wk * h.value + t.side;
            t.along_k = w * slope_k * h.value + t.side;
        }
        return t;
    }

    AMPTORCH_INLINE void accumulate(int k, const Triple<T>& t) {
        if constexpr (op == Operation::forward) {
            for_each_term<T>(group, t.cosine, [&](int n, Vec<T> value, Vec<T>) {
                sums.feature[n] += value * t.w;
            });
        } else if constexpr (op == Operation::jacobian) {
            for_each_term<T>(group, t.cosine, [&](int n, Vec<T> value, Vec<T> slope) {
                sums.feature[n] += value * t.w;
                add_gradients(n, k, group.terms[n].slot_k, t, value * factors.value[n],
                              slope * factors.slope[n]);
            });
        } else if constexpr (op == Operation::vjp) {
            Vec<T> v{}, dv{};
            for_each_term<T>(group, t.cosine, [&](int n, Vec<T> value, Vec<T> slope) {
                v += value * factors.value[n];
                dv += slope * factors.slope[n];
            });
            add_gradients(0, k, 0, t, v, dv);
        } else {
            add_changes(k, t);
        }
    }

    AMPTORCH_INLINE void add_gradients(int n, int k, int slot, const Triple<T>& t, Vec<T> v,
                                       Vec<T> dv) {
        const Vec<T> cross = dv * t.across - v * t.side;
        Vec<T>* own = sums.gradient[n];
        own[0] += dv * t.turn_j + v * t.along_j;
        own[1] += cross * load(c.x + k);
        own[2] += cross * load(c.y + k);
        own[3] += cross * load(c.z + k);
        T* other = c.slot(slot) + k;
        add<T>(other, dv * t.turn_k + v * t.along_k);
        add<T>(other + c.stride, cross * x);
        add<T>(other + 2 * c.stride, cross * y);
        add<T>(other + 3 * c.stride, cross * z);
    }

    AMPTORCH_INLINE void add_changes(int k, const Triple<T>& t) {
        const Vec<T> dot_k = load(c.dot + k);
        const Vec<T> mixed = load(c.x + k) * c.dx[j] + load(c.y + k) * c.dy[j] +
                             load(c.z + k) * c.dz[j] + load(c.dx + k) * x + load(c.dy + k) * y +
                             load(c.dz + k) * z;
        const Vec<T> along = t.along_j * c.dot[j] + t.along_k * dot_k - t.side * mixed;
        const Vec<T> turn = t.turn_j * c.dot[j] + t.turn_k * dot_k + t.across * mixed;
        for_each_term<T>(group, t.cosine, [&](int n, Vec<T> value, Vec<T> slope) {
            sums.feature[n] += value * factors.value[n] * along + slope * factors.slope[n] * turn;
        });
    }
};

// Adds the sums over k to the rows of neighbour j.
template <typename T, Operation op>
void close_gradients(const Center<T>& c, const Group& group, Sums<T>& sums, int j) {
    const int n_sums = op == Operation::jacobian ? group.n_terms : 1;
    for (int n = 0; n < n_sums; ++n) {
        T* rows = c.slot(op == Operation::jacobian ? group.terms[n].slot_j : 0) + j;
        for (int row = 0; row < rows_per_slot; ++row) {
            rows[row * c.stride] += sum<T>(sums.gradient[n][row]);
            sums.gradient[n][row] = Vec<T>{};
        }
    }
}

template <typename T, Operation op, bool closed>
void sum_angular(Center<T>& c, const Group& group) {
    const Channel& channel = c.plan.channels[group.channel];
    const Cutoff<T> cutoff(channel.cutoff, c.task.gamma);
    const Factors<T> factors(group, op == Operation::vjp ? c.gradient() : nullptr);
    Sums<T> sums;
    const bool same = group.species_j == group.species_k;
    const int end = c.start[group.species_k + 1];
    for (int j = c.start[group.species_j]; j < c.start[group.species_j + 1]; ++j) {
        Wedge<T, op, closed> wedge(c, group, cutoff, factors, sums, j);
        if (wedge.w == 0 && wedge.slope == 0) continue;
        int k = same ? j / width<T> * width<T> : c.start[group.species_k];
        for (; k < end; k += width<T>) wedge.add_triples(k);
        if constexpr (op == Operation::jacobian || op == Operation::vjp) {
            close_gradients<T, op>(c, group, sums, j);
        }
    }
    if constexpr (op != Operation::vjp) {
        for (int n = 0; n < group.n_terms; ++n) {
            const T factor = op == Operation::jvp ? T(1) : factors.value[n];
            c.features()[group.terms[n].feature] += factor * sum<T>(sums.feature[n]);
        }
    }
}
