// The sums over two neighbours j < k of a centre in two steps: features, and later what an energy
// makes of them, with all that the first step worked out kept for the second.
// Included once per instruction set, inside its namespace.
//
// With c = cos theta_jk and W = w_j w_k h of a group (h the factor of the third side, 1 for G5), a
// term v(c) W of G has, with l = f'(r)/(r f) for f of one distance, the gradients
//     dR_j:  v W (l_j + l_jk) R_j + v' W (R_k / (r_j r_k) - c R_j / r_j^2) - v W l_jk R_k
// and the same for k. For w = exp(-eta r^2) fc(r), l = l_fc - 2 eta. So of all terms t and groups q
// of one cutoff (with an rs, of a group alone), with the gradients g of the energy, three or four sums over them are enough,
//     P = sum g v W,  Q = sum g v' W,  E = sum 2 (eta_q - eta_0) g v W,
//     S = P l_jk - E,  A = S - E      (l_j, l_k, l_jk those of eta_0; for G5 S = 0, A = -E)
//     dR_j:  (P l_j + A - Q c / r_j^2) R_j + (Q / (r_j r_k) - S) R_k
//
// The triples within the cutoff (about half) are packed one after the other, so that vectors are full
// where functions are evaluated. Gradients are summed in vectors of neighbours k.

constexpr int max_groups = 8;  // in a set
constexpr int n_abreast = 2;   // vectors of triples that are worked on together

// Groups over the same triples, which follow each other in the plan; k is the species of which there
// are more neighbours.
struct Set {
    const Group* groups;
    int n;
    int j, k;

    bool same() const { return j == k; }
};

// The set that begins with the group at `begin`; without those that `apart` takes.
template <typename T, typename Apart>
Set next_set(const Center<T>& c, int begin, Apart apart) {
    const CenterPlan& plan = c.plan;
    const Group& first = plan.groups[begin];
    const double cutoff = plan.channels[first.channel].cutoff;
    int end = begin + 1;
    for (; end < plan.n_groups && end - begin < max_groups; ++end) {
        const Group& group = plan.groups[end];
        if (group.species_j != first.species_j || group.species_k != first.species_k ||
            group.closed != first.closed || plan.channels[group.channel].cutoff != cutoff ||
            plan.channels[group.channel].rs != 0 || plan.channels[first.channel].rs != 0 ||
            apart(group)) {
            break;
        }
    }
    const int j = first.species_j, k = first.species_k;
    const bool more = c.start[k + 1] - c.start[k] >= c.start[j + 1] - c.start[j];
    return {&first, end - begin, more ? j : k, more ? k : j};
}

// What is kept of a set: a row each of cosines, of l_jk and, for every group, of W.
template <typename T>
struct Triangles {
    T* numbers;
    Index stride;
    LaneBits* lanes;
    int* n_packed;

    T* cosine() const { return numbers; }
    T* side() const { return numbers + stride; }
    T* weight(int q) const { return numbers + (2 + q) * stride; }
    // Sums over groups take the places of what they are made of.
    T* p() const { return weight(0); }
    T* q() const { return cosine(); }
    T* s() const { return side(); }
    T* a() const { return weight(1); }
};

// A number that is known when the code is compiled.
template <int n>
struct Count {
    static constexpr int value = n;
};

// All triples of one set, of one group or of several.
template <typename T, bool closed, bool many>
class TriangleSums {
public:
    AMPTORCH_INLINE TriangleSums(const Center<T>& c, const Set& set, const Triangles<T>& kept)
        : c_(c), set_(set), kept_(kept), channel_(c.plan.channels[set.groups->channel]),
          cutoff_(channel_.cutoff, c.task.cutoff_function), shape_(channel_), eta_(shape_.eta) {}

    // Adds the functions to the features, and keeps what their gradients need.
    AMPTORCH_INLINE void add_features() const {
        const int n = *kept_.n_packed = pack();
        for (int row = 0; row < 2 + n_groups(); ++row) {
            T* end = kept_.numbers + row * kept_.stride + n;
            for (int i = 0; i < n_abreast; ++i) store_unaligned<T>(end + i * width<T>, Vec<T>{});
        }
        if constexpr (closed) weigh(n);
        for (int q = 0; q < n_groups(); ++q) {
            Terms<T> terms;
            terms.set(set_.groups[q], nullptr);
            of_terms(1, &terms, [&](auto count) { sum_terms<count.value>(q, terms, n); });
        }
    }

    // Adds the gradients along dE/dG to the sums of the neighbours.
    AMPTORCH_INLINE void add_gradients() const {
        sum_groups();
        const LaneBits* lanes = kept_.lanes;
        int n = 0;
        for (int j = begin_j(); j < end_j(); ++j) {
            if (inside(j)) n = hand_out(j, n, lanes);
        }
    }

private:
    int n_groups() const { return many ? set_.n : 1; }
    T eta(int q) const {
        return many ? static_cast<T>(c_.plan.channels[set_.groups[q].channel].eta) : eta_;
    }
    int begin_j() const { return c_.start[set_.j]; }
    int end_j() const { return c_.start[set_.j + 1]; }
    int end_k() const { return c_.start[set_.k + 1]; }
    bool inside(int j) const { return c_.r[j] * c_.r[j] * cutoff_.inverse_square < T(1); }

    // Where the neighbours k > j of the second species begin, down to a whole vector.
    int first_k(int j) const {
        return set_.same() ? j / width<T> * width<T> : c_.start[set_.k];
    }

    AMPTORCH_INLINE int pack() const {
        LaneBits* lanes = kept_.lanes;
        int n = 0;
        for (int j = begin_j(); j < end_j(); ++j) {
            if (inside(j)) n = pack(j, n, lanes);
        }
        return n;
    }

    // Packs the triples of j after n others; returns how many there are then.
    AMPTORCH_INLINE int pack(int j, int n, LaneBits*& lanes) const {
        const Vec<T> r_x = broadcast(c_.x[j]), r_y = broadcast(c_.y[j]), r_z = broadcast(c_.z[j]);
        const Vec<T> inverse = broadcast(c_.inverse[j]), first_weight = broadcast(c_.weight(set_.groups->channel)[j]);
        const T* weights = c_.weight(set_.groups->channel);
        const bool same = set_.same();
        const int last = end_k();
        T *cosine = kept_.cosine() + n, *side = kept_.side() + n;
        LaneBits* lane = lanes;
        for (int k = first_k(j); k < last; k += width<T>) {
            const Vec<T> x = load(c_.x + k), y = load(c_.y + k), z = load(c_.z + k);
            Mask<T> chosen = same ? count<T>() > j - k : Vec<T>{} == Vec<T>{};
            Vec<T> square;
            if constexpr (closed) {
                const Vec<T> dx = x - r_x, dy = y - r_y, dz = z - r_z;
                square = dx * dx + dy * dy + dz * dz;
            } else {
                square = load(c_.r + k) * load(c_.r + k);
            }
            chosen &= cutoff_.inside(square) > Vec<T>{};
            const Lanewise<T> packed(chosen);
            const Vec<T> dot = r_x * x + r_y * y + r_z * z;
            if constexpr (closed) packed.pack(side, square);
            packed.pack(cosine, dot * (load(c_.inverse + k) * inverse));
            packed.pack(cosine + 2 * kept_.stride, first_weight * load(weights + k));
            for (int q = 1; q < n_groups(); ++q) {
                const T* other = c_.weight(set_.groups[q].channel);
                packed.pack(cosine + (2 + q) * kept_.stride, other[j] * load(other + k));
            }
            *lane++ = packed.bits();
            cosine += packed.count();
            side += packed.count();
        }
        lanes = lane;
        return static_cast<int>(cosine - kept_.cosine());
    }

    // Makes W and l_jk of what n triples have packed.
    AMPTORCH_INLINE void weigh(int n) const {
        for (int at = 0; at < n; at += width<T>) {
            T* side = kept_.side() + at;
            const Vec<T> square = load(side);
            const Radial<T> f = many ? cutoff_.template operator()<true>(square)
                                     : weight<T, true>(cutoff_, shape_, square);
            store<T>(side, many ? quotient<T>(f) - 2 * eta_ : quotient<T>(f));
            for (int q = 0; q < n_groups(); ++q) {
                T* w = kept_.weight(q) + at;
                store<T>(w, load(w) * (many ? f.value * exponential<T>(-eta(q) * square) : f.value));
            }
        }
    }

    // Calls visit with the number of terms that all groups have, if loops for so many are unrolled, or
    // with 0: then zetas need not be whole.
    template <typename Visit>
    AMPTORCH_INLINE static void of_terms(int n, const Terms<T>* terms, Visit visit) {
        int common = terms->n_terms;
        for (int q = 0; q < n; ++q) {
            if (terms[q].n_terms != common || !terms[q].whole) common = 0;
        }
        switch (common) {
            case 1: return visit(Count<1>());
            case 2: return visit(Count<2>());
            case 4: return visit(Count<4>());
            default: return visit(Count<0>());
        }
    }

    // Adds the functions of a group over n triples to the features.
    template <int count>
    AMPTORCH_INLINE void sum_terms(int q, const Terms<T>& terms, int n) const {
        Vec<T> cosine[n_abreast], w[n_abreast], sums[count ? count : max_terms] = {};
        for (int at = 0; at < n; at += n_abreast * width<T>) {
            for (int i = 0; i < n_abreast; ++i) {
                cosine[i] = load(kept_.cosine() + at + i * width<T>);
                w[i] = load(kept_.weight(q) + at + i * width<T>);
            }
            terms.template for_each<count>(cosine, [&](int t, const Vec<T>* v, const Vec<T>*) {
                for (int i = 0; i < n_abreast; ++i) sums[t] += v[i] * w[i];
            });
        }
        for (int t = 0; t < terms.n_terms; ++t) {
            T& feature = c_.features()[set_.groups[q].terms[t].feature];
            feature += terms.terms[t].value * sum<T>(sums[t]);
        }
    }

    // The sums P, Q, S and, of several groups, A of each triple.
    AMPTORCH_INLINE void sum_groups() const {
        Terms<T> terms[many ? max_groups : 1];
        for (int q = 0; q < n_groups(); ++q) terms[q].set(set_.groups[q], c_.gradient());
        of_terms(n_groups(), terms, [&](auto count) {
            for (int at = 0; at < *kept_.n_packed; at += n_abreast * width<T>) {
                sum_groups<count.value>(at, terms);
            }
        });
    }

    template <int count>
    AMPTORCH_INLINE void sum_groups(int at, const Terms<T>* terms) const {
        Vec<T> cosine[n_abreast], p[n_abreast] = {}, turn[n_abreast] = {}, wider[n_abreast] = {};
        for (int i = 0; i < n_abreast; ++i) cosine[i] = load(kept_.cosine() + at + i * width<T>);
        for (int q = 0; q < n_groups(); ++q) {
            Vec<T> value[n_abreast] = {}, slope[n_abreast] = {};
            terms[q].template for_each<count>(cosine, [&](int t, const Vec<T>* v, const Vec<T>* dv) {
                for (int i = 0; i < n_abreast; ++i) {
                    value[i] += v[i] * terms[q].terms[t].value;
                    slope[i] += dv[i] * terms[q].terms[t].slope;
                }
            });
            for (int i = 0; i < n_abreast; ++i) {
                const Vec<T> w = load(kept_.weight(q) + at + i * width<T>);
                p[i] += value[i] * w;
                turn[i] += slope[i] * w;
                if constexpr (many) wider[i] += 2 * (eta(q) - eta_) * (value[i] * w);
            }
        }
        for (int i = 0; i < n_abreast; ++i) {
            const int to = at + i * width<T>;
            const Vec<T> s = closed ? p[i] * load(kept_.side() + to) - wider[i] : Vec<T>{};
            store<T>(kept_.p() + to, p[i]);
            store<T>(kept_.q() + to, turn[i]);
            if constexpr (closed) store<T>(kept_.s() + to, s);
            if constexpr (many) store<T>(kept_.a() + to, s - wider[i]);
        }
    }

    // Adds the gradients of the triples of j, which begin at n, to the sums of j and all k; returns
    // where they end.
    AMPTORCH_INLINE int hand_out(int j, int n, const LaneBits*& lanes) const {
        const T* ratio = c_.ratio(set_.groups->channel);
        const T r_x = c_.x[j], r_y = c_.y[j], r_z = c_.z[j], inverse_j = c_.inverse[j];
        const int last = end_k();
        Vec<T> along_j{}, x_j{}, y_j{}, z_j{};
        for (int k = first_k(j); k < last; k += width<T>) {
            const Unpacked<T> unpacked(*lanes++);
            const Vec<T> x = load(c_.x + k), y = load(c_.y + k), z = load(c_.z + k);
            const Vec<T> p = unpacked(kept_.p() + n), turn = unpacked(kept_.q() + n);
            const Vec<T> s = closed ? unpacked(kept_.s() + n) : Vec<T>{};
            const Vec<T> a = many ? unpacked(kept_.a() + n) : s;
            const Vec<T> inverse_k = load(c_.inverse + k), across = turn * (inverse_k * inverse_j);
            const Vec<T> cosine = (r_x * x + r_y * y + r_z * z) * (inverse_k * inverse_j);
            const Vec<T> off = turn * cosine;
            along_j += a + p * ratio[j] - off * (inverse_j * inverse_j);
            const Vec<T> cross = across - s;
            x_j += cross * x;
            y_j += cross * y;
            z_j += cross * z;
            add(c_.dot + k, a + p * load(ratio + k) - off * (inverse_k * inverse_k));
            add(c_.dx + k, cross * r_x);
            add(c_.dy + k, cross * r_y);
            add(c_.dz + k, cross * r_z);
            n += unpacked.count();
        }
        // Apart from the rows of k: a vector read just after a number of it was written waits for
        // that number to reach the cache.
        c_.sums(j, 0) += sum_each<T>(along_j, x_j, y_j, z_j);
        return n;
    }

    AMPTORCH_INLINE static void add(T* to, Vec<T> value) { store<T>(to, load(to) + value); }

    const Center<T>& c_;
    const Set& set_;
    const Triangles<T>& kept_;
    const Channel channel_;
    const Cutoff<T> cutoff_;
    const Shape<T> shape_;  // of the first group
    const T eta_;
};

// Centre and set come by value: as locals they stay in registers, whatever is stored meanwhile.
template <typename T, bool closed, bool many>
void add_triangle_features(const Center<T> c, const Set set, const Triangles<T> kept) {
    TriangleSums<T, closed, many>(c, set, kept).add_features();
}

template <typename T, bool closed, bool many>
void add_triangle_gradients(const Center<T> c, const Set set, const Triangles<T> kept) {
    TriangleSums<T, closed, many>(c, set, kept).add_gradients();
}

template <typename T>
void add_features(const Center<T>& c, const Set& set, const Triangles<T>& kept) {
    const bool closed = set.groups->closed, many = set.n > 1;
    if (closed && many) add_triangle_features<T, true, true>(c, set, kept);
    else if (closed) add_triangle_features<T, true, false>(c, set, kept);
    else if (many) add_triangle_features<T, false, true>(c, set, kept);
    else add_triangle_features<T, false, false>(c, set, kept);
}

template <typename T>
void add_gradients(const Center<T>& c, const Set& set, const Triangles<T>& kept) {
    const bool closed = set.groups->closed, many = set.n > 1;
    if (closed && many) add_triangle_gradients<T, true, true>(c, set, kept);
    else if (closed) add_triangle_gradients<T, true, false>(c, set, kept);
    else if (many) add_triangle_gradients<T, false, true>(c, set, kept);
    else add_triangle_gradients<T, false, false>(c, set, kept);
}
