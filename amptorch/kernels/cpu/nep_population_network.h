// The perceptrons of some members side by side: a "vector" is one number of each. Included once per
// instruction set, inside its namespace, after nep_population_basis.h.

template <typename T>
AMPTORCH_INLINE Vec<T>& at(T* values, Index place) {
    return *reinterpret_cast<Vec<T>*>(values + place * width<T>);
}
template <typename T>
AMPTORCH_INLINE const Vec<T>& at(const T* values, Index place) {
    return *reinterpret_cast<const Vec<T>*>(values + place * width<T>);
}

template <typename T>
struct Layer {
    const T *weights, *biases;  // [out, in], [out], vectors
    Index in, out;
};

template <typename T, int rows>
AMPTORCH_INLINE void forward_rows(const Layer<T>& layer, Index row, const T* x, T* h) {
    Vec<T> sums[rows];
    for (int q = 0; q < rows; ++q) sums[q] = -at(layer.biases, row + q);
    const T* weights = layer.weights + row * layer.in * width<T>;
    for (Index d = 0; d < layer.in; ++d) {
        const Vec<T> value = at(x, d);
#pragma GCC unroll 4
        for (int q = 0; q < rows; ++q) sums[q] += at(weights, q * layer.in + d) * value;
    }
    for (int q = 0; q < rows; ++q) at(h, row + q) = tangent_hyperbolic<T>(sums[q]);
}

// h = tanh(W x - b).
template <typename T>
void forward(const Layer<T>& layer, const T* x, T* h) {
    Index row = 0;
    for (; row + 4 <= layer.out; row += 4) forward_rows<T, 4>(layer, row, x, h);
    for (; row < layer.out; ++row) forward_rows<T, 1>(layer, row, x, h);
}

template <typename T, int columns>
AMPTORCH_INLINE void backward_columns(const Layer<T>& layer, Index column, const T* slopes, T* x) {
    Vec<T> sums[columns] = {};
    for (Index h = 0; h < layer.out; ++h) {
        const Vec<T> slope = at(slopes, h);
        const T* weights = layer.weights + (h * layer.in + column) * width<T>;
#pragma GCC unroll 4
        for (int q = 0; q < columns; ++q) sums[q] += at(weights, q) * slope;
    }
    for (int q = 0; q < columns; ++q) at(x, column + q) = sums[q];
}

// dU/dx = W^T (dU/dh (1 - h^2)); ``slopes``, dU/dh, is changed.
template <typename T>
void backward(const Layer<T>& layer, const T* h, T* slopes, T* x) {
    for (Index q = 0; q < layer.out; ++q) at(slopes, q) *= T(1) - at(h, q) * at(h, q);
    Index column = 0;
    for (; column + 4 <= layer.in; column += 4) backward_columns<T, 4>(layer, column, slopes, x);
    for (; column < layer.in; ++column) backward_columns<T, 1>(layer, column, slopes, x);
}

// Vectors of one network: hidden values and slopes.
inline Index network_scratch(const Shape& shape) { return 2 * (shape.hidden + shape.hidden_2); }

// U of an atom; dU/dx [dim] in place of x. ``net``: of the species; ``bias``: that of all.
template <typename T>
Vec<T> network(const Shape& shape, const T* net, const T* bias, T* x, T* scratch) {
    const Index dim = shape.dim(), n = shape.hidden, n_2 = shape.hidden_2;
    const Layer<T> first{net, net + n * dim * width<T>, dim, n};
    const T* next = first.biases + n * width<T>;
    const Layer<T> second{next, next + n_2 * n * width<T>, n, n_2};
    T *h = scratch, *slopes = h + n * width<T>;
    T *h_2 = slopes + n * width<T>, *slopes_2 = h_2 + n_2 * width<T>;
    forward(first, x, h);
    if (n_2) forward(second, h, h_2);
    const T* last = n_2 ? second.biases + n_2 * width<T> : next;
    const T* top = n_2 ? h_2 : h;
    Vec<T> energy = -at(bias, 0);
    for (Index q = 0; q < shape.last_width(); ++q) {
        energy += at(last, q) * at(top, q);
        at(n_2 ? slopes_2 : slopes, q) = at(last, q);
    }
    if (shape.species_bias) energy -= at(last, shape.last_width());
    if (n_2) backward(second, h_2, slopes_2, slopes);
    backward(first, h, slopes, x);
    return energy;
}
