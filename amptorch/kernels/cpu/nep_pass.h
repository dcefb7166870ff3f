// What is shared between the model and the kernels of every instruction set (equations:
// potentials/nep/model.py). Plain data only: the kernels are compiled several times, so nothing inline
// may live here.
#pragma once

#include "spherical_expansion.h"

namespace amptorch::spherical::nep {

constexpr int most_descriptors = 160;
constexpr int most_neurons = 160;
constexpr int most_layers = 2;
constexpr int most_radial = 1 << 10;   // numbers of the sums of an atom
constexpr int most_angular = 1 << 14;  // likewise, with harmonics in whole rows
constexpr int row = 16;  // rows of weights are so many numbers, or a multiple

// factor A_i A_j A_k
template <typename T>
struct Term {
    int i, j, k;
    T factor;
};

// Terms of an invariant from `begin` to `end`; none: 7/15 q_1^2.
struct Invariant {
    int begin, end;
};

// A layer: weights [n_out, stride], biases [n_out].
template <typename T>
struct Layer {
    int n_in, n_out, stride;
    const T *weights, *biases;
};

template <typename T>
struct Network {
    Layer<T> layers[most_layers];
    int n_layers;
    const T* last;
    T constant;
};

template <typename T>
struct Model {
    const Radial<T>* radials;  // [2, n_species, n_species], radial and angular
    int n_species, l_max, n_harmonics;
    int n_functions[2], n_descriptors[2];  // k, n
    const T* coefficients[2];              // [n_species, n_species, n, k]
    const Invariant* invariants;
    int n_invariants;
    const Term<T>* terms;
    const Network<T>* networks;  // [n_species], scales of descriptors in their weights
};

// One call: a batch of environments and the arrays.
template <typename T>
struct Task {
    const T* vectors;        // [n_pairs, 3]
    const Index* first;      // [n_atoms + 1]
    const Index* neighbors;  // [n_pairs]
    const Index* species;    // [n_atoms]
    T* descriptors;          // [n_atoms, n_descriptors], unscaled, or null
    T* energies;             // [n_atoms]
    T* pulled;               // [n_pairs, 3], or null
};

// Gradients in the numbers of one network, as nep.txt has them, but of weights of unscaled descriptors.
template <typename T>
struct Gradient {
    T* weights[most_layers];  // [n_out, n_in]
    T* biases[most_layers];   // [n_out]
    T* last;
    T* constant;              // null without
};

template <typename T>
struct Kernel {
    void (*run)(const Model<T>&, const Task<T>&, Index atom, T* kept);
    Index (*kept)(const Model<T>&, Index most_neighbors);  // numbers of memory, aligned to 64 bytes
    // Of the sums over neighbours of an atom of element `own`, which are the features: the energy and,
    // unless null, its slopes.
    void (*energy)(const Model<T>&, Index own, const T* features, T* energy, T* slopes);
    // Adds the gradient of weight E + <changes, dE/d features> in all parameters.
    void (*gradient)(const Model<T>&, Index own, const T* features, T weight, const T* changes,
                     const Gradient<T>&, T* radial, T* angular);
};

#define AMPTORCH_NEP_KERNELS(isa)                      \
    namespace isa {                                    \
    extern const Kernel<double> double_kernel;         \
    extern const Kernel<float> float_kernel;           \
    }
AMPTORCH_NEP_KERNELS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_NEP_KERNELS(avx2)
#endif
#undef AMPTORCH_NEP_KERNELS

}  // namespace amptorch::spherical::nep
