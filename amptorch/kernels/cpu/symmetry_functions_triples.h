// The sums over two neighbours j < k of a centre: G4 and G5.
// Included once per instruction set, inside its namespace.
//
// With c = cos theta_jk, W = w_j w_k h (h the factor of the third side, 1 for G5) and primes for
// f'(r)/r, a term v(c) W has the gradients
//     dR_j:  (v' T_j + v A_j) R_j + B R_k        T_j = -W c / r_j^2,  A_j = w_j' w_k h + w_j w_k h'
//     dR_k:  (v' T_k + v A_k) R_k + B R_j        B = v' W / (r_j r_k) - v w_j w_k h'
// where everything but v and v' is shared by all terms of a group.
//
// The triples within the cutoff (about half) are packed one after the other, those of one j after
// those of another, so that vectors are full however few neighbours there are. Whenever
// Center::packed is full, all functions are worked out, and their gradients handed to j and k.

// Rows of Center::packed, each of packed_stride numbers; the gradients of each term follow.
enum PackedRow {
    place_row, square_row, cosine_row, weight_row, along_j_row, along_k_row, inverse_j_row,
    inverse_k_row, dot_j_row, dot_k_row, mixed_row
};
enum GradientRow { own_row, other_row, cross_row };

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
    int n_terms = 0;
    bool whole = true;  // all zetas are

    // Of a group; weighted with dE/dG where it is given.
    void set(const Group& group, const T* gradient) {
        n_terms = group.n_terms;
        whole = true;
        for (int n = 0; n < n_terms; ++n) {
            const AngularTerm& term = group.terms[n];
            const T value = static_cast<T>(term.scale) * (gradient ? gradient[term.feature] : T(1));
            terms[n] = {value, value * static_cast<T>(term.zeta * term.lambda),
                        static_cast<T>(term.lambda), term.zeta, term.step, term.restart};
            if (term.step < 0) whole = false;
        }
    }

    // Calls visit(n, base * power, power) for all terms.
    template <typename Visit>
    AMPTORCH_INLINE void for_each(Vec<T> cosine, Visit visit) const {
        const Vec<T> only[] = {cosine};
        for_each(only, [&](int n, const Vec<T>* v, const Vec<T>* dv) { visit(n, *v, *dv); });
    }

    // The same for N vectors at once; of `count` terms whose zetas are whole, where count is not 0.
    template <int count = 0, int N, typename Visit>
    AMPTORCH_INLINE void for_each(const Vec<T> (&cosine)[N], Visit visit) const {
        Vec<T> base[N] = {}, power[N] = {}, value[N];
        const auto of = [&](int n) {
            const Term& term = terms[n];
            for (int i = 0; i < N; ++i) {
                if (term.restart) base[i] = T(1) + term.lambda * cosine[i];
                if (term.restart) power[i] = broadcast<T>(1);
            }
            if (term.step > 0) multiply_powers(power, base, term.step);
            for (int i = 0; i < N; ++i) {
                if (!count && term.step < 0) power[i] = real_power<T>(base[i], term.zeta - 1);
                value[i] = base[i] * power[i];
            }
            visit(n, value, power);
        };
        if constexpr (count > 0) {
#pragma GCC unroll 4
            for (int n = 0; n < count; ++n) of(n);
        } else {
            for (int n = 0; n < n_terms; ++n) of(n);
        }
    }

private:
    // power *= base^n for n >= 1.
    template <int N>
    AMPTORCH_INLINE static void multiply_powers(Vec<T> (&power)[N], const Vec<T> (&base)[N], int n) {
        Vec<T> square[N];
        for (int i = 0; i < N; ++i) square[i] = base[i];
        for (;; n >>= 1) {
            if (n & 1) {
                for (int i = 0; i < N; ++i) power[i] *= square[i];
            }
            if (n == 1) return;
            for (int i = 0; i < N; ++i) square[i] *= square[i];
        }
    }
};

// What the triples of one neighbour j share.
template <typename T, Operation op>
struct Neighbor {
    int place;
    T x, y, z, inverse, weight, slope, dx, dy, dz, dot;

    AMPTORCH_INLINE Neighbor(const Center<T>& c, int channel, int place)
        : place(place), x(c.x[place]), y(c.y[place]), z(c.z[place]), inverse(c.inverse[place]),
          weight(c.weight(channel)[place]), slope(0), dx(0), dy(0), dz(0), dot(0) {
        if constexpr (needs_slope(op)) slope = c.slope(channel)[place];
        if constexpr (op == Operation::jvp) {
            dx = c.dx[place];
            dy = c.dy[place];
            dz = c.dz[place];
            dot = c.dot[place];
        }
    }
};

// All triples of one group.
template <typename T, Operation op, bool closed>
class Angular {
public:
    AMPTORCH_INLINE Angular(const Center<T>& c, const Group& group)
        : c_(c), group_(group), channel_(c.plan.channels[group.channel]),
          cutoff_(channel_.cutoff, c.task.cutoff_function), shape_(channel_) {
        terms_.set(group, op == Operation::vjp ? c.gradient() : nullptr);
    }

    AMPTORCH_INLINE void add() {
        int j = c_.start[group_.species_j], k = first_k(j);
        for (bool more = true; more;) {
            more = fill(j, k);
            work_out(more ? n_ / width<T> * width<T> : n_);
            if (more) keep_rest();
        }
        if constexpr (op == Operation::vjp) return;
        for (int n = 0; n < group_.n_terms; ++n) {
            const T factor = op == Operation::jvp ? T(1) : terms_.terms[n].value;
            c_.features()[group_.terms[n].feature] += factor * sum<T>(sums_[n]);
        }
    }

private:
    AMPTORCH_INLINE T* row(int index) const { return c_.packed + index * packed_stride; }

    AMPTORCH_INLINE T* row(int term, GradientRow which) const {
        return row(packed_rows + term * gradient_rows + which);
    }

    // The row of places holds integers of the size of T.
    AMPTORCH_INLINE Index place(int at) const {
        typename Lanes<T>::Bits bits;
        __builtin_memcpy(&bits, row(place_row) + at, sizeof(bits));
        return bits;
    }

    AMPTORCH_INLINE bool same() const { return group_.species_j == group_.species_k; }

    // Where the neighbours k > j of the second species begin, down to a whole vector.
    AMPTORCH_INLINE int first_k(int j) const {
        return same() ? j / width<T> * width<T> : c_.start[group_.species_k];
    }

    // Packs triples from (j, k) on until there is no room; whether there are more.
    AMPTORCH_INLINE bool fill(int& j, int& k) {
        const int end_j = c_.start[group_.species_j + 1], end_k = c_.start[group_.species_k + 1];
        int n = n_;
        for (; j < end_j; ++j, k = first_k(j)) {
            const Neighbor<T, op> own(c_, group_.channel, j);
            if (own.weight != 0 || own.slope != 0) {
                for (; k < end_k && n <= packed_length - width<T>; k += width<T>) {
                    n = pack(own, k, n);
                }
            } else {
                k = end_k;
            }
            if constexpr (needs_gradient(op)) end_run(j, n);
            if (k < end_k) break;
        }
        n_ = n;
        return j < end_j;
    }

    // Packs those of a vector of k after n triples; returns how many there are then.
    AMPTORCH_INLINE int pack(const Neighbor<T, op>& j, int k, int n) const {
        const Vec<T> x = load(c_.x + k), y = load(c_.y + k), z = load(c_.z + k);
        const Vec<T> dx = x - j.x, dy = y - j.y, dz = z - j.z;
        const Vec<T> square = dx * dx + dy * dy + dz * dz;
        const Vec<T> weight = load(c_.weight(group_.channel) + k);
        Mask<T> chosen = same() ? count<T>() > j.place - k : Vec<T>{} == Vec<T>{};
        if constexpr (closed) chosen &= cutoff_.inside(square) > Vec<T>{};
        const Vec<T> inverse = load(c_.inverse + k);
        const Lanewise<T> lanes(chosen);
        if constexpr (closed) lanes.pack(row(square_row) + n, square);
        const Vec<T> dot = j.x * x + j.y * y + j.z * z;
        lanes.pack(row(cosine_row) + n, dot * inverse * j.inverse);
        lanes.pack(row(weight_row) + n, j.weight * weight);
        if constexpr (needs_slope(op)) {
            lanes.pack(row(along_j_row) + n, j.slope * weight);
            lanes.pack(row(along_k_row) + n, j.weight * load(c_.slope(group_.channel) + k));
            store_unaligned<T>(row(inverse_j_row) + n, broadcast<T>(j.inverse));
            lanes.pack(row(inverse_k_row) + n, inverse);
        }
        if constexpr (needs_gradient(op)) {
            lanes.pack(row(place_row) + n, reinterpret_cast<Vec<T>>(count<T>() + k));
        }
        if constexpr (op == Operation::jvp) {
            store_unaligned<T>(row(dot_j_row) + n, broadcast<T>(j.dot));
            lanes.pack(row(dot_k_row) + n, load(c_.dot + k));
            lanes.pack(row(mixed_row) + n, x * j.dx + y * j.dy + z * j.dz + load(c_.dx + k) * j.x +
                                               load(c_.dy + k) * j.y + load(c_.dz + k) * j.z);
        }
        return n + lanes.count();
    }

    // The packed triples up to `end` are those of j.
    AMPTORCH_INLINE void end_run(int j, int end) {
        const int begin = n_runs_ ? c_.runs[n_runs_ - 1].end : 0;
        if (end > begin) c_.runs[n_runs_++] = {j, end};
    }

    // What did not fill a vector goes first in what follows.
    AMPTORCH_INLINE void keep_rest() {
        const int done = n_ / width<T> * width<T>;
        for (int index = 0; index < packed_rows; ++index) {
            store<T>(row(index), load(row(index) + done));
        }
        n_ -= done;
        if constexpr (!needs_gradient(op)) return;
        int kept = 0;
        for (int run = 0; run < n_runs_; ++run) {
            const Run old = c_.runs[run];
            if (old.end > done) c_.runs[kept++] = {old.place, old.end - done};
        }
        n_runs_ = kept;
    }

    AMPTORCH_INLINE Triples<T> triples(int at) const {
        Radial<T> h{broadcast<T>(1), {}};
        if constexpr (closed) {
            h = weight<T, needs_slope(op)>(cutoff_, shape_, load(row(square_row) + at));
        }
        const Vec<T> both = load(row(weight_row) + at);
        Triples<T> t{};
        t.cosine = load(row(cosine_row) + at);
        t.w = both * h.value;
        if constexpr (needs_slope(op)) {
            const Vec<T> inverse_j = load(row(inverse_j_row) + at);
            const Vec<T> inverse_k = load(row(inverse_k_row) + at);
            const Vec<T> turn = -t.w * t.cosine;
            t.across = t.w * (inverse_k * inverse_j);
            t.side = both * h.slope;
            t.turn_j = turn * (inverse_j * inverse_j);
            t.turn_k = turn * (inverse_k * inverse_k);
            t.along_j = load(row(along_j_row) + at) * h.value + t.side;
            t.along_k = load(row(along_k_row) + at) * h.value + t.side;
        }
        return t;
    }

    // All functions of the first n triples; the last vector is filled up with ones of no weight.
    AMPTORCH_INLINE void work_out(int n) {
        if (n % width<T>) {
            for (int index = square_row; index < packed_rows; ++index) {
                store_unaligned<T>(row(index) + n, Vec<T>{});
            }
        }
        for (int at = 0; at < n; at += width<T>) accumulate(at);
        if constexpr (op == Operation::jacobian) {
            int first = 0;
            for (; first + 4 <= group_.n_terms; first += 4) hand_out<4>(first, n);
            for (; first < group_.n_terms; ++first) hand_out<1>(first, n);
        }
        if constexpr (op == Operation::vjp) hand_out<1>(0, n);
    }

    AMPTORCH_INLINE void accumulate(int at) {
        const Triples<T> t = triples(at);
        if constexpr (op == Operation::forward) {
            terms_.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T>) { sums_[n] += v * t.w; });
        } else if constexpr (op == Operation::jacobian) {
            terms_.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T> dv) {
                sums_[n] += v * t.w;
                keep_gradients(n, at, t, v * terms_.terms[n].value, dv * terms_.terms[n].slope);
            });
        } else if constexpr (op == Operation::vjp) {
            Vec<T> total{}, slope{};
            terms_.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T> dv) {
                total += v * terms_.terms[n].value;
                slope += dv * terms_.terms[n].slope;
            });
            keep_gradients(0, at, t, total, slope);
        } else {
            add_changes(at, t);
        }
    }

    AMPTORCH_INLINE void keep_gradients(int n, int at, const Triples<T>& t, Vec<T> v, Vec<T> dv) {
        store<T>(row(n, own_row) + at, dv * t.turn_j + v * t.along_j);
        store<T>(row(n, other_row) + at, dv * t.turn_k + v * t.along_k);
        store<T>(row(n, cross_row) + at, dv * t.across - v * t.side);
    }

    // Adds the gradients of n terms from the first on to the sums of their j and k.
    template <int n>
    AMPTORCH_INLINE void hand_out(int first, int n_triples) const {
        const T* own = row(first, own_row);
        const T* other = row(first, other_row);
        const T* cross = row(first, cross_row);
        constexpr int term_stride = gradient_rows * packed_stride;
        const int slot_j = group_.slot_j + first, slot_k = group_.slot_k + first;
        int at = 0;
        for (int run = 0; run < n_runs_; ++run) {
            const int j = c_.runs[run].place;
            const int whole = c_.runs[run].end, end = whole < n_triples ? whole : n_triples;
            const Quad<T> r_j = quad(c_.vectors, j);
            Quad<T> sum_j[n];
            for (int t = 0; t < n; ++t) sum_j[t] = (&c_.sums(j, slot_j))[t];
            for (; at < end; ++at) {
                const Index k = place(at);
                const Quad<T> r_k = quad(c_.vectors, k);
                Quad<T>* sum_k = &c_.sums(k, slot_k);
                for (int t = 0; t < n; ++t) {
                    const Index i = t * term_stride + at;
                    sum_j[t] += pair_quad<T>(own + i, cross[i]) * r_k;
                    sum_k[t] += pair_quad<T>(other + i, cross[i]) * r_j;
                }
            }
            for (int t = 0; t < n; ++t) (&c_.sums(j, slot_j))[t] = sum_j[t];
        }
    }

    AMPTORCH_INLINE void add_changes(int at, const Triples<T>& t) {
        const Vec<T> dot_j = load(row(dot_j_row) + at), dot_k = load(row(dot_k_row) + at);
        const Vec<T> mixed = load(row(mixed_row) + at);
        const Vec<T> along = t.along_j * dot_j + t.along_k * dot_k - t.side * mixed;
        const Vec<T> turn = t.turn_j * dot_j + t.turn_k * dot_k + t.across * mixed;
        terms_.for_each(t.cosine, [&](int n, Vec<T> v, Vec<T> dv) {
            sums_[n] += v * terms_.terms[n].value * along + dv * terms_.terms[n].slope * turn;
        });
    }

    const Center<T>& c_;
    const Group& group_;
    const Channel channel_;
    const Cutoff<T> cutoff_;
    const Shape<T> shape_;
    Terms<T> terms_;
    Vec<T> sums_[max_terms] = {};  // of features
    int n_ = 0;                    // triples packed
    int n_runs_ = 0;               // runs of triples with the same j
};

// Centre and group come by value: as locals they stay in registers, whatever is stored meanwhile.
template <typename T, Operation op, bool closed>
void sum_angular(const Center<T> c, const Group group) {
    Angular<T, op, closed>(c, group).add();
}
