// The sums over two neighbours j < k of a centre: G4 and G5.
// Included once per instruction set, inside its namespace.
//
// With c = cos theta_jk, W = w_j w_k h (h the factor of the third side, 1 for G5) and primes for
// f'(r)/r, a term v(c) W has the gradients
//     dR_j:  (v' T_j + v A_j) R_j + B R_k        T_j = -W c / r_j^2,  A_j = w_j' w_k h + w_j w_k h'
//     dR_k:  (v' T_k + v A_k) R_k + B R_j        B = v' W / (r_j r_k) - v w_j w_k h'
// where everything but v and v' is shared by all terms of a group.
//
// For each j, the k within the cutoff of j (about half) are first packed one after the other.

// Rows of Center::packed.
enum PackedRow {
    place_row, square_row, cosine_row, weight_row, slope_row, inverse_row, mixed_row, dot_row
};

template <typename T>
struct Triples {
    Vec<T> cosine, w, along_j, along_k, turn_j, turn_k, across, side;
};

// The terms of a group, with v = value * base * power and v' = slope * power.
template <typename T>
struct Terms {
    struct Term {
        T value, slope, lambda;
        double zeta;
        int step;
        bool restart;
    };
    Term terms[max_terms];
    int n_terms;

    // For the vjp the terms are weighted with dE/dG.
    Terms(const Group& group, const T* gradient) : n_terms(group.n_terms) {
        for (int n = 0; n < n_terms; ++n) {
            const AngularTerm& term = group.terms[n];
            const T value = static_cast<T>(term.scale) * (gradient ? gradient[term.feature] : T(1));
            terms[n] = {value, value * static_cast<T>(term.zeta * term.lambda),
                        static_cast<T>(term.lambda), term.zeta, term.step, term.restart};
        }
    }

    // Calls visit(n, base * power, power) for all terms.
    template <typename Visit>
    AMPTORCH_INLINE void for_each(Vec<T> cosine, Visit visit) const {
        Vec<T> base{}, power{};
        for (int n = 0; n < n_terms; ++n) {
            const Term& term = terms[n];
            if (term.restart) {
                base = T(1) + term.lambda * cosine;
                power = broadcast<T>(1);
            }
            if (term.step > 0) power *= whole_power<T>(base, term.step);
            if (term.step < 0) power = real_power<T>(base, term.zeta - 1);
            visit(n, base * power, power);
        }
    }
};

// One neighbour j with all its k.
template <typename T, Operation op, bool closed>
struct Wedge {
    const Center<T>& c;
    const Group& group;
    const Cutoff<T>& cutoff;
    const Terms<T>& terms;
    Vec<T>* sums;  // [n_terms], of features
    int j;
    T eta, x, y, z, inverse, weight_j, slope_j;

    AMPTORCH_INLINE Wedge(const Center<T>& c, const Group& group, const Cutoff<T>& cutoff,
                          const Terms<T>& terms, Vec<T>* sums, int j)
        : c(c), group(group), cutoff(cutoff), terms(terms), sums(sums), j(j),
          eta(static_cast<T>(c.plan.channels[group.channel].eta)),
          x(c.x[j]), y(c.y[j]), z(c.z[j]), inverse(c.inverse[j]),
          weight_j(c.weight(group.channel)[j]),
          slope_j(needs_slope(op) ? c.slope(group.channel)[j] : T(0)) {}

    AMPTORCH_INLINE void add() {
        if (weight_j == 0 && slope_j == 0) return;
        const int n = pack_all();
        for (int at = 0; at < n; at += width<T>) accumulate(at);
    }

private:
    AMPTORCH_INLINE T* row(PackedRow index) const { return c.packed + index * c.stride; }

    // The row of places holds integers of the size of T.
    AMPTORCH_INLINE Index place(int at) const {
        typename Lanes<T>::Bits bits;
        __builtin_memcpy(&bits, row(place_row) + at, sizeof(bits));
        return bits;
    }

    AMPTORCH_INLINE void set_place(int at, int place) const {
        const typename Lanes<T>::Bits bits = place;
        __builtin_memcpy(row(place_row) + at, &bits, sizeof(bits));
    }

    // Packs all k > j of the second species; the last vector is filled up with triples of no weight.
    AMPTORCH_INLINE int pack_all() const {
        const bool same = group.species_j == group.species_k;
        int k = same ? j / width<T> * width<T> : c.start[group.species_k];
        const int end = c.start[group.species_k + 1];
        int n = 0;
        if (same) {
            n = pack(n, k, count<T>() > j - k);
            k += width<T>;
        }
        for (; k < end; k += width<T>) n = pack(n, k, Vec<T>{} == Vec<T>{});
        for (int lane = 0; lane < width<T>; ++lane) {
            set_place(n + lane, c.places());
            for (int index = square_row; index < packed_rows; ++index) {
                c.packed[index * c.stride + n + lane] = 0;
            }
        }
        return n;
    }

    AMPTORCH_INLINE int pack(int n, int k, Mask<T> chosen) const {
        const Vec<T> xk = load(c.x + k), yk = load(c.y + k), zk = load(c.z + k);
        const Vec<T> dx = xk - x, dy = yk - y, dz = zk - z;
        const Vec<T> square = dx * dx + dy * dy + dz * dz;
        const Vec<T> weight = load(c.weight(group.channel) + k);
        if constexpr (closed) chosen &= cutoff.inside(square) > Vec<T>{};
        const Vec<T> inverse_k = load(c.inverse + k);
        const Lanewise<T> lanes(chosen);
        lanes.pack(row(square_row) + n, square);
        lanes.pack(row(cosine_row) + n, (x * xk + y * yk + z * zk) * inverse_k * inverse);
        lanes.pack(row(weight_row) + n, weight);
        if constexpr (needs_slope(op)) {
            lanes.pack(row(slope_row) + n, load(c.slope(group.channel) + k));
            lanes.pack(row(inverse_row) + n, inverse_k);
        }
        if constexpr (needs_gradient(op)) {
            lanes.pack(row(place_row) + n, reinterpret_cast<Vec<T>>(count<T>() + k));
        }
        if constexpr (op == Operation::jvp) {
            lanes.pack(row(dot_row) + n, load(c.dot + k));
            lanes.pack(row(mixed_row) + n,
                       xk * c.dx[j] + yk * c.dy[j] + zk * c.dz[j] + load(c.dx + k) * x +
                           load(c.dy + k) * y + load(c.dz + k) * z);
        }
        return n + lanes.count();
    }

    AMPTORCH_INLINE Triples<T> triples(int at) const {
        Radial<T> h{broadcast<T>(1), {}};
        if constexpr (closed) h = weight<T, needs_slope(op)>(cutoff, eta, load(row(square_row) + at));
        const Vec<T> weight_k = load(row(weight_row) + at), both = weight_j * weight_k;
        Triples<T> t{};
        t.cosine = load(row(cosine_row) + at);
        t.w = both * h.value;
        if constexpr (needs_slope(op)) {
            const Vec<T> inverse_k = load(row(inverse_row) + at);
            const Vec<T> turn = -t.w * t.cosine;
            t.across = t.w * (inverse_k * inverse);
            t.side = both * h.slope;
            t.turn_j = turn * (inverse * inverse);
            t.turn_k = turn * (inverse_k * inverse_k);
            t.along_j = slope_j * weight_k * h.value + t.side;
            t.along_k = weight_j * load(row(slope_row) + at) * h.value + t.side;
        }
        return t;
    }

    AMPTORCH_INLINE void accumulate(int at) {
        const Triples<T> t = triples(at);
        if constexpr (op == Operation::forward) {
            terms.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T>) { sums[n] += v * t.w; });
        } else if constexpr (op == Operation::jacobian) {
            terms.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T> dv) {
                const AngularTerm& term = group.terms[n];
                sums[n] += v * t.w;
                add_gradients(at, c.slot(term.slot_j), c.slot(term.slot_k), t,
                              v * terms.terms[n].value, dv * terms.terms[n].slope);
            });
        } else if constexpr (op == Operation::vjp) {
            Vec<T> total{}, slope{};
            terms.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T> dv) {
                total += v * terms.terms[n].value;
                slope += dv * terms.terms[n].slope;
            });
            add_gradients(at, c.slot(0), c.slot(0), t, total, slope);
        } else {
            add_changes(at, t);
        }
    }

    AMPTORCH_INLINE void add_gradients(int at, T* slot_j, T* slot_k, const Triples<T>& t, Vec<T> v,
                                       Vec<T> dv) {
        const Vec<T> cross = dv * t.across - v * t.side;
        const Vec<T> own = dv * t.turn_j + v * t.along_j, other = dv * t.turn_k + v * t.along_k;
        alignas(alignment) T owns[width<T>], others[width<T>], crosses[width<T>];
        store<T>(owns, own);
        store<T>(others, other);
        store<T>(crosses, cross);
        const Quad<T> r_j = quad(c.vectors, j);
        Quad<T> sum_j = quad(slot_j, j);
        for (int lane = 0; lane < width<T>; ++lane) {
            const Index k = place(at + lane);
            sum_j += pair_quad<T>(owns[lane], crosses[lane]) * quad(c.vectors, k);
            quad(slot_k, k) += pair_quad<T>(others[lane], crosses[lane]) * r_j;
        }
        quad(slot_j, j) = sum_j;
    }

    AMPTORCH_INLINE void add_changes(int at, const Triples<T>& t) {
        const Vec<T> dot_k = load(row(dot_row) + at), mixed = load(row(mixed_row) + at);
        const T dot_j = c.dot[j];
        const Vec<T> along = t.along_j * dot_j + t.along_k * dot_k - t.side * mixed;
        const Vec<T> turn = t.turn_j * dot_j + t.turn_k * dot_k + t.across * mixed;
        terms.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T> dv) {
            sums[n] += v * terms.terms[n].value * along + dv * terms.terms[n].slope * turn;
        });
    }
};

// Centre and group come by value: as locals they stay in registers, whatever is stored meanwhile.
template <typename T, Operation op, bool closed>
void sum_angular(const Center<T> c, const Group group) {
    const Channel& channel = c.plan.channels[group.channel];
    const Cutoff<T> cutoff(channel.cutoff, c.task.gamma);
    const Terms<T> terms(group, op == Operation::vjp ? c.gradient() : nullptr);
    Vec<T> sums[max_terms] = {};
    for (int j = c.start[group.species_j]; j < c.start[group.species_j + 1]; ++j) {
        Wedge<T, op, closed>(c, group, cutoff, terms, sums, j).add();
    }
    if constexpr (op == Operation::vjp) return;
    for (int n = 0; n < group.n_terms; ++n) {
        const T factor = op == Operation::jvp ? T(1) : terms.terms[n].value;
        c.features()[group.terms[n].feature] += factor * sum<T>(sums[n]);
    }
}
