// The networks on one tile of atoms, for one instruction set. See networks.h and, for the equations,
// kernels/networks.py.

namespace amptorch::networks::AMPTORCH_ISA {

#include "simd.h"
#include "networks_products.h"
#include "networks_activations.h"
#include "networks_mixed.h"

// Calls visit(where it begins) for all vectors of a row.
template <typename T, typename Visit>
AMPTORCH_INLINE void for_each_vector(Index columns, Visit visit) {
    for (Index a = 0; a < columns; a += width<T>) visit(a);
}

// Values [.., n] of a tile's atoms to rows [n, columns], 0 where there is no atom.
template <typename T>
void to_rows(const T* values, const Tile<T>& tile, Index n, Rows<T> rows) {
    for (Index k = 0; k < n; ++k) {
        for (Index a = 0; a < tile.n_atoms; ++a) rows[k][a] = values[tile.atoms[a] * n + k];
        for (Index a = tile.n_atoms; a < columns_of<T>(tile.n_atoms); ++a) rows[k][a] = 0;
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

template <typename T>
Rows<const T> constant(Rows<T> rows) {
    return {rows.at, rows.stride};
}

template <typename T>
Rows<T> skip(Rows<T> rows, Index n) {
    return {rows[n], rows.stride};
}

// What forward leaves of a network's hidden nodes: h, what the activation keeps, and dN/dh.
template <typename T, typename A>
struct Tape {
    Rows<T> h, kept, above;
    Index columns;

    Tape(const Networks<T>& nets, const Tile<T>& tile, Index network)
        : h{tile.tape + (network - tile.begin) * nets.tape_rows * tile_atoms, tile_atoms},
          kept(skip(h, nets.n_hidden)), above(skip(kept, A::kept * nets.n_hidden)),
          columns(columns_of<T>(tile.n_atoms)) {}

    // Sets h' and h'' at vector ``a`` of node ``r``.
    AMPTORCH_INLINE void derivatives(const A& activation, Index r, Index a, Vec<T>& slope,
                                     Vec<T>* curvature) const {
        Vec<T> keep[A::kept + 1];
        for (int k = 0; k < A::kept; ++k) keep[k] = load(kept[r * A::kept + k] + a);
        const Vec<T> value = load(h[r] + a);
        slope = activation.slope(value, keep);
        if (curvature) *curvature = activation.curvature(value, keep);
    }
};

// h = h(W h + b) of all hidden layers onto the tape, the output into ``output``.
template <typename T, typename A>
void activate(const Networks<T>& nets, Index network, Rows<const T> in, const Tape<T, A>& tape,
              T* output) {
    Index begin = 0;
    for (int k = 0; k < nets.n_layers - 1; ++k) {
        const A activation(nets.constants + k * constants_of_layer<A>);
        const Layer<T> l = layer(nets, network, k);
        const Rows<T> h = skip(tape.h, begin);
        product<T>(l.forwards(), l.out, l.in, tape.columns, in, l.biases, h);
        for (Index r = 0; r < l.out; ++r) {
            for_each_vector<T>(tape.columns, [&](Index a) {
                Vec<T> keep[A::kept + 1];
                store(h[r] + a, activation.value(load(h[r] + a), keep));
                for (int q = 0; q < A::kept; ++q) {
                    store(tape.kept[(begin + r) * A::kept + q] + a, keep[q]);
                }
            });
        }
        in = constant(h);
        begin += l.out;
    }
    const Layer<T> last = layer(nets, network, nets.n_layers - 1);
    product<T>(last.forwards(), 1, last.in, tape.columns, in, last.biases, {output, tile_atoms});
}

// dN/dh = W^T dN/dz of all hidden layers onto the tape, dN/dz = h' dN/dh into ``deltas``, a row a
// node; dN/dG into ``slope``.
template <typename T, typename A>
void differentiate(const Networks<T>& nets, Index network, const Tape<T, A>& tape, T* one,
                   Rows<T> deltas, Rows<T> slope) {
    const A activation(nets.constants);
    for_each_vector<T>(tape.columns, [&](Index a) { store(one + a, broadcast<T>(1)); });
    Rows<const T> above{one, tile_atoms};
    Index end = nets.n_hidden;
    for (int k = nets.n_layers - 1; k > 0; --k) {
        const Layer<T> l = layer(nets, network, k);
        end -= l.in;
        product<T>(l.backwards(), l.in, l.out, tape.columns, above, nullptr, skip(tape.above, end));
        for (Index r = end; r < end + l.in; ++r) {
            for_each_vector<T>(tape.columns, [&](Index a) {
                Vec<T> rise;
                tape.derivatives(activation, r, a, rise, nullptr);
                store(deltas[r] + a, load(tape.above[r] + a) * rise);
            });
        }
        above = constant(skip(deltas, end));
    }
    const Layer<T> first = layer(nets, network, 0);
    product<T>(first.backwards(), first.in, first.out, tape.columns, above, nullptr, slope);
}

template <typename T, typename A>
void forward(const Networks<T>& nets, const Tile<T>& tile, T* energies, T* slopes, T* scratch) {
    const Index n = nets.widths[0];
    const Rows<T> in{scratch, tile_atoms}, total = skip(in, n), slope = skip(total, n);
    T *output = slope[n], *one = slope[n + 1], *share = slope[n + 2];
    const Rows<T> deltas{slope[n + 3], tile_atoms};
    to_rows(tile.fingerprints, tile, n, in);
    for (Index q = 0; q < n * tile_atoms; ++q) total.at[q] = 0;
    for (Index a = 0; a < tile.n_atoms; ++a) energies[tile.atoms[a]] = 0;
    for (Index network = tile.begin; network < tile.end; ++network) {
        const Tape<T, A> tape(nets, tile, network);
        activate(nets, network, constant(in), tape, output);
        for (Index a = 0; a < tile_atoms; ++a) share[a] = 0;
        for (Index a = 0; a < tile.n_atoms; ++a) {
            const Index at = tile.atoms[a] * nets.n_networks + network;
            share[a] = tile.shares[at];
            tile.outputs[at] = output[a];
            energies[tile.atoms[a]] += share[a] * output[a];
        }
        if (!tile.slopes) continue;
        differentiate(nets, network, tape, one, deltas, slope);
        for (Index r = 0; r < n; ++r) {
            for_each_vector<T>(tape.columns, [&](Index a) {
                const Vec<T> own = load(share + a) * load(slope[r] + a);
                store(total[r] + a, load(total[r] + a) + own);
            });
        }
    }
    for (Index k = 0; tile.slopes && k < n; ++k) {
        for (Index a = 0; a < tile.n_atoms; ++a) slopes[tile.atoms[a] * n + k] = total[k][a];
    }
}

// Rows of two halves, each as long as there are columns: on the right side of a weight's gradient [dh | h], on its left side
// [dL/d(dz) | dL/dz], where d is the change along dL/d(dE/dG).
constexpr Index both = 2 * tile_atoms;

// Changes dh = h' W dh along ``right``'s first rows, and what dL/dz has from the second derivative of
// the activation, h'' dz dL/d(dh). Returns the rows of the last hidden layer.
template <typename T, typename A>
Rows<T> push_changes(const Networks<T>& nets, Index network, bool slopes, const Tape<T, A>& tape,
                     const T* share, Rows<T> right, Rows<T> left) {
    const A activation(nets.constants);
    Index begin = 0;
    for (int k = 0; k < nets.n_layers - 1; ++k) {
        const Layer<T> l = layer(nets, network, k);
        const Rows<T> next = skip(right, l.in);
        if (slopes) {
            product<T>(l.forwards(), l.out, l.in, tape.columns, constant(right), nullptr, next);
        }
        for (Index r = 0; r < l.out; ++r) {
            T *changed = next[r], *to = left[begin + r];
            for_each_vector<T>(tape.columns, [&](Index a) {
                store(changed + tape.columns + a, load(tape.h[begin + r] + a));
                store(to + tape.columns + a, Vec<T>{});
                if (!slopes) return;
                Vec<T> slope, curvature;
                tape.derivatives(activation, begin + r, a, slope, &curvature);
                const Vec<T> change = load(changed + a);
                const Vec<T> own = load(share + a) * load(tape.above[begin + r] + a);
                store(to + a, own * slope);
                store(to + tape.columns + a, own * curvature * change);
                store(changed + a, slope * change);
            });
        }
        right = next;
        begin += l.out;
    }
    return right;
}

// dL/dz += h' W^T dL/dz from the output down; ``top`` is the left row of the output.
template <typename T, typename A>
void pull_changes(const Networks<T>& nets, Index network, const Tape<T, A>& tape, Rows<T> left,
                  Rows<const T> top, Rows<T> pulled) {
    const A activation(nets.constants);
    Index end = nets.n_hidden;
    for (int k = nets.n_layers - 1; k > 0; --k) {
        const Layer<T> l = layer(nets, network, k);
        const Rows<const T> above{top.at + tape.columns, top.stride};
        product<T>(l.backwards(), l.in, l.out, tape.columns, above, nullptr, pulled);
        end -= l.in;
        for (Index r = 0; r < l.in; ++r) {
            T* to = left[end + r] + tape.columns;
            for_each_vector<T>(tape.columns, [&](Index a) {
                Vec<T> slope;
                tape.derivatives(activation, end + r, a, slope, nullptr);
                store(to + a, load(to + a) + slope * load(pulled[r] + a));
            });
        }
        top = constant(skip(left, end));
    }
}

// dL/dW = left right^T and dL/db = the sum of left's second halves, for all layers.
template <typename T>
void add_changes(const Networks<T>& nets, Index network, Index columns, bool slopes,
                 Rows<const T> right, Rows<const T> left, T* changes) {
    const Index from = slopes ? 0 : columns;
    for (int k = 0; k < nets.n_layers; ++k) {
        const Layer<T> l = layer(nets, network, k);
        T* to = changes + network * nets.n_parameters + l.at;
        outer<T>({left.at + from, both}, l.out, {right.at + from, both}, l.in, 2 * columns - from, to);
        for (Index r = 0; r < l.out; ++r) {
            Vec<T> total{};
            for_each_vector<T>(columns, [&](Index a) { total += load(left[r] + columns + a); });
            to[l.in * l.out + r] += sum<T>(total);
        }
        right = skip(right, l.in);
        left = skip(left, l.out);
    }
}

template <typename T, typename A>
void backward(const Networks<T>& nets, const Tile<T>& tile, const T* energies, const T* slopes,
              T* shares, T* changes, T* scratch) {
    const Index n = nets.widths[0], n_networks = nets.n_networks;
    const Rows<T> right{scratch, both}, left = skip(right, n + nets.n_hidden);
    T *top = left[nets.n_hidden], *share = left[nets.n_hidden + 1], *change = share + tile_atoms;
    const Rows<T> pulled{left[nets.n_hidden + 2], tile_atoms};
    const Index columns = columns_of<T>(tile.n_atoms);
    to_rows<T>(tile.fingerprints, tile, n, {right.at + columns, both});
    if (tile.slopes) to_rows<T>(slopes, tile, n, right);
    for (Index network = tile.begin; network < tile.end; ++network) {
        const Tape<T, A> tape(nets, tile, network);
        for (Index a = 0; a < columns; ++a) {
            const bool there = a < tile.n_atoms;
            const Index atom = there ? tile.atoms[a] : 0;
            share[a] = top[a] = there ? tile.shares[atom * n_networks + network] : T(0);
            top[columns + a] = there ? share[a] * energies[atom] : T(0);
        }
        const Rows<T> last = push_changes(nets, network, tile.slopes, tape, share, right, left);
        const Layer<T> out = layer(nets, network, nets.n_layers - 1);
        for (Index a = 0; a < tile_atoms; ++a) change[a] = 0;
        if (tile.slopes) {
            product<T>(out.forwards(), 1, out.in, columns, constant(last), nullptr, {change, tile_atoms});
        }
        for (Index a = 0; shares && a < tile.n_atoms; ++a) {
            const Index at = tile.atoms[a] * n_networks + network;
            shares[at] = energies[tile.atoms[a]] * tile.outputs[at] + change[a];
        }
        pull_changes(nets, network, tape, left, {top, both}, pulled);
        add_changes(nets, network, columns, tile.slopes, constant(right), constant(left), changes);
    }
}

#define AMPTORCH_KERNEL(name, Activation) \
    {name, Activation<T>::kept, forward<T, Activation<T>>, backward<T, Activation<T>>},
template <typename T>
constexpr Kernel<T> kernels[] = {
#if AMPTORCH_SIMD_BYTES == 64
    AMPTORCH_WIDE_ACTIVATIONS(AMPTORCH_KERNEL)
#else
    AMPTORCH_ACTIVATIONS(AMPTORCH_KERNEL) AMPTORCH_KERNEL("mixed", Mixed)
#endif
};
#undef AMPTORCH_KERNEL

template <typename T>
constexpr Kernels<T> all{kernels<T>, kernels<T> + sizeof(kernels<T>) / sizeof(Kernel<T>)};

const Kernels<double> of_double = all<double>;
#ifndef AMPTORCH_FLOAT64_ONLY
const Kernels<float> of_float = all<float>;
#endif

}  // namespace amptorch::networks::AMPTORCH_ISA
