// What is shared between the binding, the plan and the kernels of every instruction set (equations:
// kernels/bispectrum.py). Plain data only: the kernels are compiled several times, so nothing inline
// may live here.
//
// A kernel takes a block of as many atoms as a vector has lanes. Sums over neighbours have a
// neighbour a lane, products of densities an atom a lane.
#pragma once

#include <cstdint>

#include "instruction_sets.h"

namespace amptorch::bispectrum {

using Index = std::int64_t;

enum class Operation { forward, jacobian, vjp, jvp };

constexpr int highest = 14;  // the largest 2J
constexpr int alignment = 64;

// An element of U^j with k = j - a - b, l = a - b and K = |k|, L = |l| is
//
//     U^j[b, a] = (alpha*)^K (-beta*)^L p_n(X)  or  (alpha*)^K beta^L p_n(X),    k >= 0, l >= 0 or < 0,
//
// with X = |alpha|^2 - |beta|^2, n = (j - K - L)/2 and p_n a Jacobi polynomial P_n^(L, K) that is
// normalized: Wigner's d (D. A. Varshalovich et al., section 4.3.4). Elements of k < 0 mirror them.
// p_n = (a X + b) p_(n-1) - c p_(n-2), starting from p_(-1) = 1, p_(-2) = 0. Polynomials come by
// ascending L, descending K, ascending n.
template <typename T>
struct Recurrence {
    T a, b, c;
};

// Where an element of l >= 0 or l < 0 and its mirror, sign times the conjugate, stand among all
// elements, and where it stands among those of one half; -1 where there is none.
struct Place {
    int full, mirror, half;
    int sign;
};

// The elements of U^j. Those of one half come by rows b = 0..j, a from 0 to j - b, less one for
// 2b > j: these count twice, except the one that is its own mirror.
struct Level {
    int full, half, n_half;
    int center;  // of the half, from its beginning; -1 for odd j
};

// A neighbour of some element seen from an atom of some element.
template <typename T>
struct PairKind {
    T cutoff, inverse_span;  // 1/(rc - rmin0)
    T inner, inverse_width;  // S and 1/D
    T weight;
};

// A feature that a product is part of: B gains factor times Re sum Z V*, with V the density, or its
// change; Y of the density gains factor dE/dB Z.
template <typename T>
struct Term {
    int density, feature;
    T factor;
};

// Z^j of two densities.
template <typename T>
struct Product {
    int j;
    const T* couplings;  // by a, then a1
    const int* rows;     // [j + 2]: where those of each a start
    int place;           // of Z among the elements of one half of all products
    int first_value, n_values;  // terms that make features, by density
    int first_slope, n_slopes;  // terms that make their changes and Y, by density
};

// The two densities j1 >= j2 whose products for all j, descending, follow each other.
struct Couple {
    int j1, density1, j2, density2;
    int first_product, n_products;
    int n_values;  // of them, those of j >= j1
};

// A feature's gradient in a density's level j: factor times Z of a product.
template <typename T>
struct Slope {
    int column;  // in the block of a pair
    int place;
    T factor;
};

template <typename T>
struct Tables {
    const Recurrence<T>* recurrences;  // [n_polynomials]
    const Place* places;               // [n_polynomials, 2]
    const Level* levels;               // [twojmax + 1]
    const PairKind<T>* kinds;          // [n_species, n_species]
    const Couple* couples;
    const Product<T>* products;
    const Term<T>* values;
    const Term<T>* slopes;
    const Slope<T>* gradients;   // jacobian: by density and level
    const Index* first_gradient; // [n_densities * (twojmax + 1) + 1]
    const T* lonely;             // [n_components], what is subtracted
    int twojmax, n_densities, n_components, n_polynomials, n_full, n_half, n_couples;
    int n_held;  // elements of one half of all products
    int most_products;
};

// One call: a batch of environments, the plan and the arrays; unused ones are null.
template <typename T>
struct Task {
    Tables<T> tables;
    T rfac0, rmin0;
    bool outer, inner, self_all;
    int n_species, n_features, n_touched;
    Index n_atoms;
    const T* vectors;        // [n_pairs, 3]
    const Index* first;      // [n_atoms + 1]
    const Index* neighbors;  // [n_pairs]
    const Index* species;    // [n_atoms]
    const T* gradient;       // [n_atoms, n_features]      vjp, in
    const T* changes;        // [n_pairs, 3]               jvp, in
    T* features;             // [n_atoms, n_features]      forward, jacobian, jvp, out
    T* blocks;               // [n_pairs, n_touched, 3]    jacobian, out
    T* pulled;               // [n_pairs, 3]               vjp, out
};

// Memory that one thread reuses for all its blocks of atoms.
template <typename T>
struct Scratch {
    T* numbers;  // aligned
    int* places;
    Index max_neighbors;
};

struct Sizes {
    Index numbers, places;
};

// The code of one instruction set; `width` atoms make a block.
template <typename T>
struct Kernel {
    void (*block)(const Task<T>&, Operation, Index block, const Scratch<T>&);
    Sizes (*sizes)(const Task<T>&, Operation, Index max_neighbors);
    int width;
};

#define AMPTORCH_KERNELS(isa)                          \
    namespace isa {                                    \
    extern const Kernel<double> double_kernel;         \
    extern const Kernel<float> float_kernel;           \
    }
AMPTORCH_KERNELS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_KERNELS(avx2)
#endif
#ifdef AMPTORCH_HAS_AVX512
AMPTORCH_KERNELS(avx512)
#endif
#undef AMPTORCH_KERNELS

}  // namespace amptorch::bispectrum
