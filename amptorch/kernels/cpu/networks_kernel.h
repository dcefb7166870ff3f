// The networks on one tile of atoms, for one instruction set. See networks.h and, for the equations,
// kernels/networks.py.

namespace amptorch::networks::AMPTORCH_ISA {

#include "simd.h"
#include "networks_products.h"

// Calls visit(numbers from, Vec) for all vectors of a row.
template <typename T, typename Visit>
AMPTORCH_INLINE void for_each_vector(Visit visit) {
    for (Index a = 0; a < tile_atoms; a += width<T>) visit(a);
}

// [n_atoms, n] to rows [n, tile_atoms], 0 where there is no atom.
template <typename T>
void to_rows(const T* values, Index n_atoms, Index n, Rows<T> rows) {
    for (Index k = 0; k < n; ++k) {
        for (Index a = 0; a < n_atoms; ++a) rows[k][a] = values[a * n + k];
        for (Index a = n_atoms; a < tile_atoms; ++a) rows[k][a] = 0;
    }
}

template <typename T>
struct Layer {
    Index in, out;
    const T *weights, *biases;
    Index at;  // of the weights among the parameters

    Matrix<T> forwards() const { return {weights, in, 1}; }
    Matrix<T> backwards() const { return {weights, 1, in}; }
};

// Layer ``k`` of a network.
template <typename T>
Layer<T> layer(const Networks<T>& nets, Index network, int k) {
    Index at = 0;
    for (int q = 0; q < k; ++q) at += (nets.widths[q] + 1) * nets.widths[q + 1];
    const Index in = nets.widths[k], out = nets.widths[k + 1];
    const T* weights = nets.parameters + network * nets.n_parameters + at;
    return {in, out, weights, weights + in * out, at};
}

// The rows of a tape: first those of all activations, then those of their slopes dN/dz.
template <typename T>
Rows<T> tape_rows(const Networks<T>& nets, const Tile<T>& tile, Index network) {
    return {tile.tape + network * nets.tape_rows * tile_atoms, tile_atoms};
}

template <typename T>
Rows<const T> constant(Rows<T> rows) {
    return {rows.at, rows.stride};
}

template <typename T>
Rows<T> skip(Rows<T> rows, Index n) {
    return {rows[n], rows.stride};
}

// Activations h = tanh(W h + b) of all hidden layers onto the tape, the output into ``output``.
template <typename T>
void activate(const Networks<T>& nets, Index network, Rows<const T> in, Rows<T> h, T* output) {
    for (int k = 0; k < nets.n_layers - 1; ++k) {
        const Layer<T> l = layer(nets, network, k);
        product<T>(l.forwards(), l.out, l.in, in, l.biases, h);
        for (Index r = 0; r < l.out; ++r) {
            for_each_vector<T>([&](Index a) {
                store(h[r] + a, tangent_hyperbolic<T>(load(h[r] + a)));
            });
        }
        in = constant(h);
        h = skip(h, l.out);
    }
    const Layer<T> last = layer(nets, network, nets.n_layers - 1);
    product<T>(last.forwards(), 1, last.in, in, last.biases, {output, tile_atoms});
}

// Slopes dN/dz = (1 - h^2) W^T dN/dz of all hidden layers onto the tape; dN/dG into ``slope``.
template <typename T>
void differentiate(const Networks<T>& nets, Index network, Rows<T> tape, T* one, Rows<T> slope) {
    for_each_vector<T>([&](Index a) { store(one + a, broadcast<T>(1)); });
    Rows<const T> above{one, tile_atoms};
    Index end = nets.n_hidden;
    for (int k = nets.n_layers - 1; k > 0; --k) {
        const Layer<T> l = layer(nets, network, k);
        const Rows<T> h = skip(tape, end - l.in), delta = skip(tape, nets.n_hidden + end - l.in);
        product<T>(l.backwards(), l.in, l.out, above, nullptr, delta);
        for (Index r = 0; r < l.in; ++r) {
            for_each_vector<T>([&](Index a) {
                const Vec<T> y = load(h[r] + a);
                store(delta[r] + a, load(delta[r] + a) * (T(1) - y * y));
            });
        }
        above = constant(delta);
        end -= l.in;
    }
    const Layer<T> first = layer(nets, network, 0);
    product<T>(first.backwards(), first.in, first.out, above, nullptr, slope);
}

template <typename T>
void forward(const Networks<T>& nets, const Tile<T>& tile, T* energies, T* slopes, T* scratch) {
    const Index n = nets.widths[0];
    const Rows<T> in{scratch, tile_atoms}, total = skip(in, n), slope = skip(total, n);
    T *output = slope[n], *one = slope[n + 1], *share = slope[n + 2];
    to_rows(tile.fingerprints, tile.n_atoms, n, in);
    for (Index q = 0; q < n * tile_atoms; ++q) total.at[q] = 0;
    for (Index a = 0; a < tile.n_atoms; ++a) energies[a] = 0;
    for (Index network = 0; network < nets.n_networks; ++network) {
        const Rows<T> tape = tape_rows(nets, tile, network);
        activate(nets, network, constant(in), tape, output);
        for (Index a = 0; a < tile_atoms; ++a) share[a] = 0;
        for (Index a = 0; a < tile.n_atoms; ++a) {
            share[a] = tile.shares[a * nets.n_networks + network];
            tile.outputs[a * nets.n_networks + network] = output[a];
            energies[a] += share[a] * output[a];
        }
        if (!tile.slopes) continue;
        differentiate(nets, network, tape, one, slope);
        for (Index r = 0; r < n; ++r) {
            for_each_vector<T>([&](Index a) {
                const Vec<T> own = load(share + a) * load(slope[r] + a);
                store(total[r] + a, load(total[r] + a) + own);
            });
        }
    }
    for (Index k = 0; tile.slopes && k < n; ++k) {
        for (Index a = 0; a < tile.n_atoms; ++a) slopes[a * n + k] = total[k][a];
    }
}

// Rows of two halves: on the right side of a weight's gradient [dh | h], on its left side
// [dL/d(dz) | dL/dz], where d is the change along dL/d(dE/dG).
constexpr Index both = 2 * tile_atoms;

// Changes dh = (1 - h^2) W dh along ``right``'s first rows, and what dL/dz has from the second
// derivative of tanh, -2 h dz dL/d(dz). Returns the rows of the last hidden layer.
template <typename T>
Rows<T> push_changes(const Networks<T>& nets, Index network, bool slopes, Rows<const T> tape,
                     const T* share, Rows<T> right, Rows<T> left) {
    Index begin = 0;
    for (int k = 0; k < nets.n_layers - 1; ++k) {
        const Layer<T> l = layer(nets, network, k);
        const Rows<T> next = skip(right, l.in);
        if (slopes) product<T>(l.forwards(), l.out, l.in, constant(right), nullptr, next);
        for (Index r = 0; r < l.out; ++r) {
            const T *h = tape[begin + r], *delta = tape[nets.n_hidden + begin + r];
            T *changed = next[r], *to = left[begin + r];
            for_each_vector<T>([&](Index a) {
                const Vec<T> y = load(h + a);
                store(changed + tile_atoms + a, y);
                store(to + tile_atoms + a, Vec<T>{});
                if (!slopes) return;
                const Vec<T> change = load(changed + a);
                const Vec<T> own = load(share + a) * load(delta + a);
                store(to + a, own);
                store(to + tile_atoms + a, T(-2) * y * change * own);
                store(changed + a, (T(1) - y * y) * change);
            });
        }
        right = next;
        begin += l.out;
    }
    return right;
}

// dL/dz += (1 - h^2) W^T dL/dz from the output down; ``top`` is the left row of the output.
template <typename T>
void pull_changes(const Networks<T>& nets, Index network, Rows<const T> tape, Rows<T> left,
                  Rows<const T> top, Rows<T> pulled) {
    Index end = nets.n_hidden;
    for (int k = nets.n_layers - 1; k > 0; --k) {
        const Layer<T> l = layer(nets, network, k);
        const Rows<const T> above{top.at + tile_atoms, top.stride};
        product<T>(l.backwards(), l.in, l.out, above, nullptr, pulled);
        end -= l.in;
        for (Index r = 0; r < l.in; ++r) {
            const T* h = tape[end + r];
            T* to = left[end + r] + tile_atoms;
            for_each_vector<T>([&](Index a) {
                const Vec<T> y = load(h + a);
                store(to + a, load(to + a) + (T(1) - y * y) * load(pulled[r] + a));
            });
        }
        top = constant(skip(left, end));
    }
}

// dL/dW = left right^T and dL/db = the sum of left's second halves, for all layers.
template <typename T>
void add_changes(const Networks<T>& nets, Index network, bool slopes, Rows<const T> right,
                 Rows<const T> left, T* changes) {
    const Index from = slopes ? 0 : tile_atoms;
    for (int k = 0; k < nets.n_layers; ++k) {
        const Layer<T> l = layer(nets, network, k);
        T* to = changes + network * nets.n_parameters + l.at;
        outer<T>({left.at + from, both}, l.out, {right.at + from, both}, l.in, both - from, to);
        for (Index r = 0; r < l.out; ++r) {
            Vec<T> total{};
            for_each_vector<T>([&](Index a) { total += load(left[r] + tile_atoms + a); });
            to[l.in * l.out + r] += sum<T>(total);
        }
        right = skip(right, l.in);
        left = skip(left, l.out);
    }
}

template <typename T>
void backward(const Networks<T>& nets, const Tile<T>& tile, const T* energies, const T* slopes,
              T* shares, T* changes, T* scratch) {
    const Index n = nets.widths[0], n_networks = nets.n_networks;
    const Rows<T> right{scratch, both}, left = skip(right, n + nets.n_hidden);
    T *top = left[nets.n_hidden], *share = left[nets.n_hidden + 1], *change = share + tile_atoms;
    const Rows<T> pulled{left[nets.n_hidden + 2], tile_atoms};
    to_rows<T>(tile.fingerprints, tile.n_atoms, n, {right.at + tile_atoms, both});
    if (tile.slopes) to_rows<T>(slopes, tile.n_atoms, n, right);
    for (Index network = 0; network < n_networks; ++network) {
        const Rows<const T> tape = constant(tape_rows(nets, tile, network));
        for (Index a = 0; a < tile_atoms; ++a) share[a] = 0;
        for (Index a = 0; a < tile.n_atoms; ++a) share[a] = tile.shares[a * n_networks + network];
        for (Index a = 0; a < tile_atoms; ++a) {
            top[a] = share[a];
            top[tile_atoms + a] = a < tile.n_atoms ? share[a] * energies[a] : T(0);
        }
        const Rows<T> last = push_changes(nets, network, tile.slopes, tape, share, right, left);
        const Layer<T> out = layer(nets, network, nets.n_layers - 1);
        for (Index a = 0; a < tile_atoms; ++a) change[a] = 0;
        if (tile.slopes) {
            product<T>(out.forwards(), 1, out.in, constant(last), nullptr, {change, tile_atoms});
        }
        for (Index a = 0; a < tile.n_atoms; ++a) {
            const Index at = a * n_networks + network;
            shares[at] = energies[a] * tile.outputs[at] + change[a];
        }
        pull_changes(nets, network, tape, left, {top, both}, pulled);
        add_changes(nets, network, tile.slopes, constant(right), constant(left), changes);
    }
}

const Kernel<double> of_double{forward<double>, backward<double>};
const Kernel<float> of_float{forward<float>, backward<float>};

}  // namespace amptorch::networks::AMPTORCH_ISA
