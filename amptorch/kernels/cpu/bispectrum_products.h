// Products Z of two densities of a block's atoms and what they make, an atom a lane.
// Included once per instruction set, inside its namespace.
//
// Z^j[b, a] = sum C[b1, b2, b] sum C[a1, a2, a] V1[b1, a1] V2[b2, a2]: for each b1 and b2 products of
// two rows, by a1 + a2 (antidiagonals), are shared by all j. Of Z one half of the elements is made.

// Elements of one half in the rows before b, see Level.
inline int before_row(int j, int b) {
    const int short_rows = b > j / 2 + 1 ? b - j / 2 - 1 : 0;
    return b * (j + 1) - b * (b - 1) / 2 - short_rows;
}

inline int row_length(int j, int b) { return j - b + (2 * b <= j ? 1 : 0); }

inline int least(int x, int y) { return x < y ? x : y; }
inline int most(int x, int y) { return x > y ? x : y; }

// The products of two rows [re and im, width] by a1 + a2 from `begin` up to before `end`.
template <typename T>
struct Antidiagonals {
    T* values;
    int start[2 * highest + 2];

    void fill(const T* row1, const T* row2, int j1, int j2, int begin, int end) {
        T* to = values;
        for (int total = begin; total < end; ++total) {
            start[total] = static_cast<int>(to - values);
            for (int a1 = most(0, total - j2); a1 <= least(j1, total); ++a1) {
                const T *x = row1 + 2 * a1 * width<T>, *y = row2 + 2 * (total - a1) * width<T>;
                const Complex<T> product =
                    Complex<T>{load(x), load(x + width<T>)} * Complex<T>{load(y), load(y + width<T>)};
                store<T>(to, product.re);
                store<T>(to + width<T>, product.im);
                to += 2 * width<T>;
            }
        }
    }
};

// One row of one or more Z, and the couplings that it takes.
template <typename T>
struct RowOf {
    T* z;                // [a, re and im, width]
    const T* couplings;
    const int* rows;     // where those of each a start
    T outer;             // C[b1, b2, b]
    int shift;           // a = a1 + a2 - shift
};

template <typename T, int n>
AMPTORCH_INLINE void contract(const T* diagonal, int count, int total, const RowOf<T>* rows) {
    Complex<T> sums[n]{};
    const T* couplings[n];
    for (int m = 0; m < n; ++m) {
        couplings[m] = rows[m].couplings + rows[m].rows[total - rows[m].shift];
    }
    for (int i = 0; i < count; ++i) {
        const Vec<T> re = load(diagonal + 2 * i * width<T>);
        const Vec<T> im = load(diagonal + (2 * i + 1) * width<T>);
        for (int m = 0; m < n; ++m) {
            sums[m].re += couplings[m][i] * re;
            sums[m].im += couplings[m][i] * im;
        }
    }
    for (int m = 0; m < n; ++m) {
        T* to = rows[m].z + 2 * (total - rows[m].shift) * width<T>;
        add<T>(to, rows[m].outer * sums[m].re);
        add<T>(to + width<T>, rows[m].outer * sums[m].im);
    }
}

template <typename T>
AMPTORCH_INLINE void contract_all(const T* diagonal, int count, int total, const RowOf<T>* rows,
                                  int n) {
    for (; n >= 3; n -= 3, rows += 3) contract<T, 3>(diagonal, count, total, rows);
    if (n == 2) contract<T, 2>(diagonal, count, total, rows);
    if (n == 1) contract<T, 1>(diagonal, count, total, rows);
}

// Z of the first n products of a couple, whose j descend in steps of 2 from the highest.
template <typename T>
class CoupleProducts {
public:
    CoupleProducts(const Tables<T>& tables, const Couple& couple, int n, T* antidiagonals)
        : tables_(tables),
          couple_(couple),
          products_(tables.products + couple.first_product),
          n_(n),
          shift_((couple.j1 + couple.j2 - products_[0].j) / 2),
          diagonals_{antidiagonals, {}} {}

    // v1, v2: densities [n_full, re and im, width]; z: of all products, as Product::place counts.
    void run(const T* v1, const T* v2, T* z) {
        const int j1 = couple_.j1, j2 = couple_.j2;
        v1 += 2 * tables_.levels[j1].full * width<T>;
        v2 += 2 * tables_.levels[j2].full * width<T>;
        clear(z);
        for (int b1 = 0; b1 <= j1; ++b1) {
            for (int b2 = 0; b2 <= j2; ++b2) {
                add_rows(b1, b2, v1 + 2 * b1 * (j1 + 1) * width<T>,
                         v2 + 2 * b2 * (j2 + 1) * width<T>, z);
            }
        }
    }

private:
    void clear(T* z) const {
        for (int m = 0; m < n_; ++m) {
            T* to = z + 2 * products_[m].place * width<T>;
            const int count = 2 * tables_.levels[products_[m].j].n_half;
            for (int i = 0; i < count; ++i) store<T>(to + i * width<T>, Vec<T>{});
        }
    }

    // How many of the products hold C with a1 + a2 = total: the first ones.
    int n_holding(int total) const {
        return least(n_, 1 + least(total - shift_, couple_.j1 + couple_.j2 - shift_ - total));
    }

    void add_rows(int b1, int b2, const T* row1, const T* row2, T* z) {
        const int j1 = couple_.j1, j2 = couple_.j2, n_rows = n_holding(b1 + b2);
        const int end = j1 + j2 - b1 - b2 + (2 * (b1 + b2) <= j1 + j2 ? 1 : 0);
        if (n_rows <= 0 || end <= shift_) return;
        for (int m = 0; m < n_rows; ++m) prepare(m, b1, b2, z);
        diagonals_.fill(row1, row2, j1, j2, shift_, end);
        for (int total = shift_; total < end; ++total) {
            const int count = least(j1, total) - most(0, total - j2) + 1;
            contract_all(diagonals_.values + diagonals_.start[total], count, total, rows_,
                         least(n_rows, n_holding(total)));
        }
    }

    void prepare(int m, int b1, int b2, T* z) {
        const Product<T>& product = products_[m];
        const int shift = shift_ + m, b = b1 + b2 - shift;
        const int at = product.rows[b] + b1 - most(0, b1 + b2 - couple_.j2);
        T* row = z + 2 * (product.place + before_row(product.j, b)) * width<T>;
        rows_[m] = {row, product.couplings, product.rows, product.couplings[at], shift};
    }

    const Tables<T>& tables_;
    const Couple& couple_;
    const Product<T>* products_;
    int n_, shift_;
    Antidiagonals<T> diagonals_;
    RowOf<T> rows_[highest + 1];
};

// Re sum Z V* over all elements.
template <typename T>
Vec<T> overlap(const Level& level, int j, const T* z, const T* density) {
    Vec<T> total{};
    const T* v = density + 2 * level.full * width<T>;
    for (int b = 0; b <= j; ++b, v += 2 * (j + 1) * width<T>) {
        const int count = 2 * row_length(j, b);
        for (int i = 0; i < count; ++i) total += load(z + i * width<T>) * load(v + i * width<T>);
        z += count * width<T>;
    }
    if (level.center < 0) return T(2) * total;
    const T* middle = density + 2 * (level.full + j / 2 * (j + 2)) * width<T>;
    const T* own = z - 2 * (level.n_half - level.center) * width<T>;
    return T(2) * total - load(own) * load(middle);
}

// Adds what the terms of a product make of Z and densities to features [n_features, width].
template <typename T>
void add_features(const Tables<T>& tables, const Product<T>& product, const Term<T>* terms, int n,
                  const T* z, const T* densities, T* features) {
    Vec<T> value{};
    for (int at = 0; at < n; ++at) {
        const Term<T>& term = terms[at];
        if (at == 0 || term.density != terms[at - 1].density) {
            value = overlap(tables.levels[product.j], product.j, z + 2 * product.place * width<T>,
                            densities + 2 * Index(term.density) * tables.n_full * width<T>);
        }
        add<T>(features + Index(term.feature) * width<T>, term.factor * value);
    }
}

// Adds Z times what the gradient [n_features, width] makes of its terms to Y of their densities,
// [n_densities, n_half, re and im, width].
template <typename T>
void add_slopes(const Tables<T>& tables, const Product<T>& product, const T* z, const T* gradient,
                T* slopes) {
    const Level& level = tables.levels[product.j];
    const Term<T>* terms = tables.slopes + product.first_slope;
    z += 2 * product.place * width<T>;
    Vec<T> factor{};
    for (int at = 0; at < product.n_slopes; ++at) {
        factor += terms[at].factor * load(gradient + Index(terms[at].feature) * width<T>);
        const bool last = at + 1 == product.n_slopes || terms[at + 1].density != terms[at].density;
        if (!last) continue;
        T* to = slopes + 2 * (Index(terms[at].density) * tables.n_half + level.half) * width<T>;
        for (int i = 0; i < 2 * level.n_half; ++i) {
            add<T>(to + i * width<T>, factor * load(z + i * width<T>));
        }
        factor = Vec<T>{};
    }
}
