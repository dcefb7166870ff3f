// Products of small matrices with rows of a tile. Included once per instruction set, inside its
// namespace, after simd.h.

// A matrix in memory: entry (r, c) lies at r * row + c * column.
template <typename T>
struct Matrix {
    const T* at;
    Index row, column;
};

// Rows that lie ``stride`` numbers apart.
template <typename T>
struct Rows {
    T* at;
    Index stride;
    T* operator[](Index r) const { return at + r * stride; }
};

constexpr int vectors_at_a_time = 2;  // with four rows, sums enough to keep both multipliers busy

// Columns of a tile that are worked on: its atoms, in whole steps of the products.
template <typename T>
Index columns_of(Index n_atoms) {
    constexpr Index step = vectors_at_a_time * width<T>;
    static_assert(tile_atoms % step == 0);
    return (n_atoms + step - 1) / step * step;
}

// R rows of out = start + w in, where start is a bias a row, or 0.
template <typename T, int R>
AMPTORCH_INLINE void product_block(Matrix<T> w, Index n, Index columns, Rows<const T> in,
                                   const T* bias, Rows<T> out) {
    constexpr int V = vectors_at_a_time;
    for (Index a = 0; a < columns; a += V * width<T>) {
        Vec<T> sums[R][V];
        for (int r = 0; r < R; ++r) {
            for (int v = 0; v < V; ++v) sums[r][v] = broadcast<T>(bias ? bias[r] : T(0));
        }
        for (Index c = 0; c < n; ++c) {
            const Vec<T> x[V] = {load(in[c] + a), load(in[c] + a + width<T>)};
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) {
                const Vec<T> weight = broadcast<T>(w.at[r * w.row + c * w.column]);
                for (int v = 0; v < V; ++v) sums[r][v] += weight * x[v];
            }
        }
        for (int r = 0; r < R; ++r) {
            for (int v = 0; v < V; ++v) store(out[r] + a + v * width<T>, sums[r][v]);
        }
    }
}

// out = w in + bias for ``rows`` rows of ``columns`` numbers; w is [rows, n].
template <typename T>
void product(Matrix<T> w, Index rows, Index n, Index columns, Rows<const T> in, const T* bias,
             Rows<T> out) {
    Index r = 0;
    const auto from = [&] { return Matrix<T>{w.at + r * w.row, w.row, w.column}; };
    const auto start = [&] { return bias ? bias + r : nullptr; };
    const auto to = [&] { return Rows<T>{out[r], out.stride}; };
    for (; r + 4 <= rows; r += 4) product_block<T, 4>(from(), n, columns, in, start(), to());
    for (; r < rows; ++r) product_block<T, 1>(from(), n, columns, in, start(), to());
}

// out[r, c] += sum over ``n`` numbers of left_r right_c.
template <typename T, int R, int C>
AMPTORCH_INLINE void outer_block(Rows<const T> left, Rows<const T> right, Index n, T* out,
                                 Index row) {
    Vec<T> sums[R][C] = {};
    for (Index a = 0; a < n; a += width<T>) {
        Vec<T> x[R], y[C];
        for (int r = 0; r < R; ++r) x[r] = load(left[r] + a);
        for (int c = 0; c < C; ++c) y[c] = load(right[c] + a);
        for (int r = 0; r < R; ++r) {
            for (int c = 0; c < C; ++c) sums[r][c] += x[r] * y[c];
        }
    }
    for (int r = 0; r < R; ++r) {
        if constexpr (C == 4) add_sums<T>(sums[r], out + r * row);
        else for (int c = 0; c < C; ++c) out[r * row + c] += sum<T>(sums[r][c]);
    }
}

template <typename T, int R>
void outer_rows(Rows<const T> left, Rows<const T> right, Index columns, Index n, T* out) {
    Index c = 0;
    const auto from = [&] { return Rows<const T>{right[c], right.stride}; };
    for (; c + 4 <= columns; c += 4) outer_block<T, R, 4>(left, from(), n, out + c, columns);
    for (; c < columns; ++c) outer_block<T, R, 1>(left, from(), n, out + c, columns);
}

// out [rows, columns] += left right^T, both rows of ``n`` numbers.
template <typename T>
void outer(Rows<const T> left, Index rows, Rows<const T> right, Index columns, Index n, T* out) {
    Index r = 0;
    const auto from = [&] { return Rows<const T>{left[r], left.stride}; };
    for (; r + 2 <= rows; r += 2) outer_rows<T, 2>(from(), right, columns, n, out + r * columns);
    for (; r < rows; ++r) outer_rows<T, 1>(from(), right, columns, n, out + r * columns);
}
