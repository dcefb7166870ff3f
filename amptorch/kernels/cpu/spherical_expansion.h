// What is shared between the binding and the kernels of every instruction set (equations:
// kernels/spherical_expansion.py). Plain data only: the kernels are compiled several times, so nothing
// inline may live here.
#pragma once

#include <cstdint>

#include "instruction_sets.h"

namespace amptorch::spherical {

using Index = std::int64_t;

enum class Operation { forward, vjp, jvp };

constexpr int highest_l = 8;
constexpr int most_harmonics = (highest_l + 1) * (highest_l + 1);
constexpr int most_functions = 64;

// Radial functions, in the order of KINDS.
enum class Kind { nep, sbessel, cheb_exp_cos, cheb_pow, cheb_linear };

template <typename T>
struct Radial {
    Kind kind;
    int number;
    T cutoff, inverse, lambda, width;
    T size;            // sbessel, cutoff^(-3/2)
    const T* factors;  // sbessel, [number, 3]: of b_n/size, of the one before, and of their sum
    T inner, inner_width;  // r_in and d_in; both 0 without an inner cutoff
};

// K radial functions times harmonics of l_min to l_max.
struct Part {
    int number, lowest, highest, n_harmonics;
    int offset;  // among the features of one element of neighbours
};

// One call: a batch of environments, the set and the arrays; unused ones are null.
template <typename T>
struct Task {
    const Part* parts;
    const Radial<T>* radials;  // [n_parts, n_species, n_species]
    int n_parts, n_species, n_features;
    Index stride;  // from the features of an atom to those of the next, n_features or more
    Index n_atoms;
    const T* vectors;        // [n_pairs, 3]
    const Index* first;      // [n_atoms + 1]
    const Index* neighbors;  // [n_pairs]
    const Index* species;    // [n_atoms]
    const T* gradient;       // [n_atoms, stride]      vjp, in
    const T* changes;        // [n_pairs, 3]           jvp, in
    T* features;             // [n_atoms, stride]      forward, jvp, out
    T* pulled;               // [n_pairs, 3]           vjp, out
};

// All that an operation does for one atom.
template <typename T>
using Kernel = void (*)(const Task<T>&, Operation, Index atom);

#define AMPTORCH_SPHERICAL_KERNELS(isa)                        \
    namespace isa {                                            \
    void run(const Task<double>&, Operation, Index atom);      \
    void run(const Task<float>&, Operation, Index atom);       \
    }
AMPTORCH_SPHERICAL_KERNELS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_SPHERICAL_KERNELS(avx2)
#endif
#undef AMPTORCH_SPHERICAL_KERNELS

}  // namespace amptorch::spherical
