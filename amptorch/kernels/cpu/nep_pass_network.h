// A perceptron of one atom and its gradient.
// Included once per instruction set, inside its namespace.

template <typename T>
AMPTORCH_INLINE Vec<T> hyperbolic_tangent(Vec<T> x) {
    const Vec<T> size = x < Vec<T>{} ? -x : x, e = exponential<T>(T(-2) * size);
    const Vec<T> value = (T(1) - e) / (T(1) + e);
    return x < Vec<T>{} ? -value : value;
}

// outputs = weights inputs; both are zero up to whole rows.
template <typename T>
void multiply(const Layer<T>& layer, const T* inputs, T* outputs) {
    for (int h = 0; h < layer.n_out; ++h) {
        const T* weights = layer.weights + h * layer.stride;
        Vec<T> low{}, high{};
        for (int d = 0; d < layer.stride; d += 2 * width<T>) {
            low += load(weights + d) * load(inputs + d);
            high += load(weights + d + width<T>) * load(inputs + d + width<T>);
        }
        outputs[h] = sum<T>(low + high);
    }
    for (int h = layer.n_out; h % row; ++h) outputs[h] = 0;
}

// outputs = tanh(weights inputs - biases).
template <typename T>
void forward(const Layer<T>& layer, const T* inputs, T* outputs) {
    multiply(layer, inputs, outputs);
    for (int h = 0; h < layer.n_out; h += width<T>) {
        store(outputs + h, hyperbolic_tangent<T>(load(outputs + h) - load(layer.biases + h)));
    }
}

// From dU/d outputs to dU/d inputs.
template <typename T>
void backward(const Layer<T>& layer, const T* outputs, const T* slopes, T* inputs) {
    for (int d = 0; d < layer.stride; d += width<T>) store(inputs + d, Vec<T>{});
    for (int h = 0; h < layer.n_out; ++h) {
        const T factor = slopes[h] * (T(1) - outputs[h] * outputs[h]);
        const T* weights = layer.weights + h * layer.stride;
        for (int d = 0; d < layer.stride; d += width<T>) {
            store(inputs + d, load(inputs + d) + factor * load(weights + d));
        }
    }
}

// The energy of scaled descriptors; dU/dq to `slopes`.
template <typename T>
T evaluate(const Network<T>& network, const T* descriptors, bool with_slopes, T* slopes) {
    alignas(64) T outputs[most_layers][most_neurons], up[most_neurons];
    const T* inputs = descriptors;
    for (int l = 0; l < network.n_layers; ++l) {
        forward(network.layers[l], inputs, outputs[l]);
        inputs = outputs[l];
    }
    const int n_last = network.layers[network.n_layers - 1].n_out;
    T energy = -network.constant;
    for (int h = 0; h < n_last; ++h) energy += network.last[h] * inputs[h];
    if (!with_slopes) return energy;
    const T* above = network.last;
    for (int l = network.n_layers - 1; l >= 0; --l) {
        T* below = l ? up : slopes;
        backward(network.layers[l], outputs[l], above, below);
        above = below;
    }
    return energy;
}
