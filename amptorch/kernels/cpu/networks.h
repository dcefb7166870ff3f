// What the kernel of the networks works on, and its versions for instruction sets.
#pragma once

#include <cstdint>

#include "instruction_sets.h"

namespace amptorch::networks {

using Index = std::int64_t;

// Perceptrons of one shape: linear layers, each but the last followed by the activation, the last of
// width 1. A network's parameters lie one after the other: of each layer the weights [out, in], the
// biases.
template <typename T>
struct Networks {
    const T* parameters;    // [n_networks, n_parameters]
    const T* constants;     // of the activation
    const Index* widths;    // [n_layers + 1], that of the fingerprints first
    Index n_networks, n_parameters;
    int n_layers;           // linear ones, at least 2
    Index n_hidden;         // sum of the widths of the hidden layers
    Index tape_rows;        // a network: n_hidden times what Kernel says
};

// Atoms are worked on in tiles. Within a tile a row is one quantity of all its atoms.
constexpr Index tile_atoms = 32;

// One tile; its arrays are those of all atoms.
template <typename T>
struct Tile {
    Index n_atoms;            // at most tile_atoms
    const Index* atoms;       // [n_atoms], where they stand in the arrays
    Index begin, end;         // the networks that have a share in these atoms
    bool slopes;              // dE/dG is asked for, and depends on the parameters
    const T* fingerprints;    // [.., n_features]
    const T* shares;          // [.., n_networks]
    T* outputs;               // [.., n_networks]
    T* tape;                  // of this tile, [end - begin, tape_rows, tile_atoms]
};

// Sizes, in numbers, of what one thread needs beside this.
template <typename T>
Index scratch_size(const Networks<T>& nets) {
    const Index rows = 2 * nets.widths[0] + 3 * nets.n_hidden + 8;
    return 2 * rows * tile_atoms;
}

// The kernel for an activation.
template <typename T>
struct Kernel {
    const char* activation;
    int kept;  // rows of the tape for a node beside its h and, with slopes, the slope dN/dh

    // E_a = sum_n shares_an N_n(G_a) into energies [..], dE_a/dG_a into slopes [.., n_features].
    void (*forward)(const Networks<T>&, const Tile<T>&, T* energies, T* slopes, T* scratch);
    // From dL/dE and dL/d(dE/dG): dL/dshares (or null), and dL/dparameters added to changes.
    void (*backward)(const Networks<T>&, const Tile<T>&, const T* energies, const T* slopes,
                     T* shares, T* changes, T* scratch);
};

// Names and structs of networks_activations.h; first those that are compiled for AVX-512 too.
#define AMPTORCH_WIDE_ACTIVATIONS(one)      \
    one("tanh", Tanh)                       \
    one("softplus", Softplus)               \
    one("sigmoid", Sigmoid)                 \
    one("silu", Silu)
#define AMPTORCH_ACTIVATIONS(one)           \
    AMPTORCH_WIDE_ACTIVATIONS(one)          \
    one("gelu", Gelu)                       \
    one("gelu_tanh", GeluTanh)              \
    one("relu", Relu)                       \
    one("gaussian", Gaussian)               \
    one("cosine", Cosine)                   \
    one("reversed_sigmoid", ReversedSigmoid) \
    one("exponential", Exponential)         \
    one("square", Square)                   \
    one("identity", Identity)

template <typename T>
struct Kernels {
    const Kernel<T> *first = nullptr, *last = nullptr;
    const Kernel<T>* begin() const { return first; }
    const Kernel<T>* end() const { return last; }
};

#define AMPTORCH_NETWORKS(isa)              \
    namespace isa {                         \
    extern const Kernels<double> of_double; \
    extern const Kernels<float> of_float;   \
    }
AMPTORCH_NETWORKS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_NETWORKS(avx2)
#endif
#ifdef AMPTORCH_HAS_AVX512
AMPTORCH_NETWORKS(avx512)
#endif
#undef AMPTORCH_NETWORKS

}  // namespace amptorch::networks
