// Sums over pairs of products of functions and harmonics.
// Included once per instruction set, inside its namespace.

// Harmonics of some pairs, a pair a row.
template <typename T>
struct Rows {
    static constexpr int stride = (most_harmonics + width<T> - 1) / width<T> * width<T>;
    alignas(64) T values[width<T> * stride];

    AMPTORCH_INLINE void put(int column, Vec<T> value) {
        for (int lane = 0; lane < width<T>; ++lane) values[lane * stride + column] = value[lane];
    }
};

template <typename T>
AMPTORCH_INLINE void fill(int lowest, int highest, const Harmonics<T>& y, Rows<T>& rows) {
    const Norms<T>& norm = norms<T>();
    for (int l = lowest; l <= highest; ++l) {
        const int center = l * l - lowest * lowest + l;
        for (int m = 0; m <= l; ++m) {
            const Vec<T> p = norm.values[place_of(l, m)] * y.legendre[place_of(l, m)];
            rows.put(center + m, p * y.cosine[m]);
            if (m) rows.put(center - m, p * y.sine[m]);
        }
    }
}

// What the harmonics change by with changes of the unit vectors.
template <typename T>
AMPTORCH_INLINE void fill_changes(int lowest, int highest, const Harmonics<T>& y,
                                  const Vec<T> (&turn)[3], Rows<T>& rows) {
    const Norms<T>& norm = norms<T>();
    for (int l = lowest; l <= highest; ++l) {
        const int center = l * l - lowest * lowest + l;
        for (int m = 0; m <= l; ++m) {
            const T n = norm.values[place_of(l, m)];
            const Vec<T> p = n * y.legendre[place_of(l, m)], dp = n * turn[2] * y.slope(l, m);
            Vec<T> dc{}, ds{};
            if (m) {
                dc = T(m) * (y.cosine[m - 1] * turn[0] - y.sine[m - 1] * turn[1]);
                ds = T(m) * (y.sine[m - 1] * turn[0] + y.cosine[m - 1] * turn[1]);
            }
            rows.put(center + m, dp * y.cosine[m] + p * dc);
            if (m) rows.put(center - m, dp * y.sine[m] + p * ds);
        }
    }
}

// [number, n_columns] += functions times rows, four functions and a vector of columns at a time.
template <typename T>
struct Sums {
    static constexpr int most_rows = (most_functions + 3) / 4 * 4;
    int n_rows, n_columns;
    alignas(64) T values[most_rows * Rows<T>::stride];

    AMPTORCH_INLINE void start(int number, int columns) {
        n_rows = (number + 3) / 4 * 4;
        n_columns = (columns + width<T> - 1) / width<T> * width<T>;
        for (int i = 0; i < n_rows * n_columns; i += width<T>) store(values + i, Vec<T>{});
    }

    // Of functions [number], with room for three more.
    AMPTORCH_INLINE void add(int number, Vec<T>* functions, const Rows<T>& rows) {
        for (int k = number; k < n_rows; ++k) functions[k] = Vec<T>{};
        const T* factors = reinterpret_cast<const T*>(functions);
        for (int k = 0; k < n_rows; k += 4) {
            for (int i = 0; i < n_columns; i += width<T>) {
                T* to = values + k * n_columns + i;
                Vec<T> sums[4];
                for (int a = 0; a < 4; ++a) sums[a] = load(to + a * n_columns);
                for (int lane = 0; lane < width<T>; ++lane) {
                    const Vec<T> row = load(rows.values + lane * Rows<T>::stride + i);
                    for (int a = 0; a < 4; ++a) sums[a] += factors[(k + a) * width<T> + lane] * row;
                }
                for (int a = 0; a < 4; ++a) store(to + a * n_columns, sums[a]);
            }
        }
    }
};
