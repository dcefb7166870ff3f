// Pairs of an atom with neighbours of one element within a cutoff, as many as a vector has lanes.
// Included once per instruction set, inside its namespace.

template <typename T>
struct Pairs {
    alignas(64) T unit[3][width<T>], distance[width<T>], inverse[width<T>];
    Index pair[width<T>];
    int number = 0;

    AMPTORCH_INLINE void add(Index which, const T* vector, T square) {
        for (int a = 0; a < 3; ++a) unit[a][number] = vector[a];
        distance[number] = square;
        pair[number++] = which;
    }

    // Unit vectors and distances; lanes without a pair lie on the cutoff.
    AMPTORCH_INLINE void finish(T cutoff) {
        for (int lane = number; lane < width<T>; ++lane) {
            unit[0][lane] = unit[1][lane] = 0;
            unit[2][lane] = cutoff;
            distance[lane] = cutoff * cutoff;
        }
        const Vec<T> r = square_root<T>(load(distance)), each = T(1) / r;
        store(distance, r);
        store(inverse, each);
        for (int a = 0; a < 3; ++a) store(unit[a], load(unit[a]) * each);
    }

    // Numbers [n_pairs, 3] of the pairs.
    AMPTORCH_INLINE void read(const T* from, Vec<T> (&values)[3]) const {
        for (int a = 0; a < 3; ++a) values[a] = Vec<T>{};
        for (int lane = 0; lane < number; ++lane) {
            for (int a = 0; a < 3; ++a) values[a][lane] = from[3 * pair[lane] + a];
        }
    }

    AMPTORCH_INLINE void add_to(T* to, const Vec<T> (&values)[3]) const {
        for (int lane = 0; lane < number; ++lane) {
            for (int a = 0; a < 3; ++a) to[3 * pair[lane] + a] += values[a][lane];
        }
    }
};

// Calls each(pairs) for those of begin to end that are nearer than the cutoff; without `whole` they
// have no vectors.
template <typename T, bool whole = true, typename Each>
AMPTORCH_INLINE void for_near(const T* vectors, Index begin, Index end, T cutoff, const Each& each) {
    const T square_of_cutoff = cutoff * cutoff;
    Pairs<T> pairs;
    for (Index pair = begin; pair < end; ++pair) {
        const T* v = vectors + 3 * pair;
        const T square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
        if (square >= square_of_cutoff) continue;
        pairs.add(pair, v, square);
        if (pairs.number == width<T>) {
            if constexpr (whole) pairs.finish(cutoff);
            each(pairs);
            pairs.number = 0;
        }
    }
    if (pairs.number) {
        if constexpr (whole) pairs.finish(cutoff);
        each(pairs);
    }
}

// What gradients of some pairs are made of, wherever it lies.
template <typename T>
struct View {
    const Vec<T> *values, *slopes;               // [number]
    const Vec<T> *legendre, *cosine, *sine, *unit;  // as in Harmonics, and [3]
    Vec<T> inverse;
};

// What of an expansion belongs to some pairs.
template <typename T>
struct Factors {
    Functions<T> functions;
    Harmonics<T> harmonics;
    Vec<T> unit[3], inverse;

    View<T> view() const {
        return {functions.values, functions.slopes, harmonics.legendre,
                harmonics.cosine, harmonics.sine,   unit,
                inverse};
    }

    AMPTORCH_INLINE void make(const Part& part, const Radial<T>& radial, const Pairs<T>& pairs) {
        for (int a = 0; a < 3; ++a) unit[a] = load(pairs.unit[a]);
        inverse = load(pairs.inverse);
        make_functions<T>(radial, load(pairs.distance), functions);
        make_harmonics<T>(part.highest, unit, harmonics);
    }
};

// dE/dR of pairs from weights [n_harmonics, number]: dE/dA times the norm of the harmonic.
template <typename T>
AMPTORCH_INLINE void pull(int lowest, int highest, int number, const T* weights,
                          const View<T>& y, Vec<T> (&pulled)[3]) {
    const auto weigh = [&](int l, int m, Vec<T>& value, Vec<T>& slope) {
        const T* weight = weights + (l * l - lowest * lowest + l + m) * number;
        value = slope = Vec<T>{};
        for (int k = 0; k < number; ++k) {
            value += weight[k] * y.values[k];
            slope += weight[k] * y.slopes[k];
        }
    };
    // Along R, and along the axes as if Y were polynomials of free x, y, z.
    Vec<T> along{}, turn[3] = {};
    for (int m = 0; m <= highest; ++m) {
        Vec<T> value_c{}, value_s{}, slope_c{}, slope_s{}, rise_c{}, rise_s{}, v, s;
        for (int l = m > lowest ? m : lowest; l <= highest; ++l) {
            const Vec<T> p = y.legendre[place_of(l, m)];
            const Vec<T> dp = m < l ? y.legendre[place_of(l, m + 1)] : Vec<T>{};
            weigh(l, m, v, s);
            value_c += p * v;
            slope_c += p * s;
            rise_c += dp * v;
            if (m == 0) continue;
            weigh(l, -m, v, s);
            value_s += p * v;
            slope_s += p * s;
            rise_s += dp * v;
        }
        along += slope_c * y.cosine[m] + slope_s * y.sine[m];
        turn[2] += rise_c * y.cosine[m] + rise_s * y.sine[m];
        if (m == 0) continue;
        turn[0] += T(m) * (value_c * y.cosine[m - 1] + value_s * y.sine[m - 1]);
        turn[1] += T(m) * (value_s * y.cosine[m - 1] - value_c * y.sine[m - 1]);
    }
    const Vec<T>* u = y.unit;
    const Vec<T> inner = u[0] * turn[0] + u[1] * turn[1] + u[2] * turn[2];
    for (int a = 0; a < 3; ++a) {
        pulled[a] = along * u[a] + y.inverse * (turn[a] - inner * u[a]);
    }
}
