// What the binding hands to the kernels. Plain data only: the kernels are compiled once per
// instruction set, so nothing inline may live here.
#pragma once

#include "gmp_plan.h"
#include "instruction_sets.h"

namespace amptorch::gmp {

enum class Operation { forward, jacobian, vjp, jvp };

// Neighbours of one species that are worked on together, as rows of `tile_lanes` numbers.
constexpr int tile_lanes = 64;
constexpr int alignment = 64;
constexpr int widest = 16;  // lanes of the widest vector of any instruction set
constexpr int abreast = 2;  // vectors whose weights are worked out together

struct Tile {
    Index first_pair;
    int n_pairs, species;
};

// Step and Slope of a basis, with factors in the precision of the lanes.
template <typename T>
struct Recurrence {
    int target;
    int variable[2], source[2];
    T factor[2];
};

template <typename T>
struct Derivative {
    int function, axis, n;
    int source[2];
    T factor[2];
};

// What the inner loops read of a plan.
template <typename T>
struct Tables {
    const Recurrence<T>* recurrences;
    const Derivative<T>* derivatives;
    const Degree* degrees;
    const Slot* slots;
    const Feature* features;
    const int *slots_of, *counts;
    const T *exponents, *heights;  // as in Plan
    const T* slopes;               // heights times 2 C2: V' in dV/dR = V' R
    int n_recurrences, n_derivatives, n_degrees, n_slots, n_features;
    int n_gaussians, n_probes, n_functions, n_places;
};

// Where things lie in Center::lanes, in rows of tile_lanes numbers.
struct Layout {
    Index tile;                    // rows of a tile: x, y, z, r^2, V, V'
    Index functions, gradients;    // Y [n_functions], dY [3, n_functions]
    Index results;                 // 4: gradient along x, y, z, and along R
    Index exponentials;            // exp(C2 r^2) of some vectors
    Index accumulators;            // lanes of Q, and of dQ
    Index slopes;                  // dG/dQ, of each feature where they stay apart
    Index total;
};

// One call: a batch of environments, the plan and the arrays; unused ones are null.
template <typename T>
struct Task {
    const Plan* plan;
    Tables<T> tables;
    Layout layout;
    const T* vectors;      // [n_pairs, 3]
    const Index* species;  // [n_atoms]
    const T* gradient;     // [n_atoms, n_features]     vjp, in
    const T* changes;      // [n_pairs, 3]              jvp, in
    T* features;           // [n_atoms, n_features]     forward, jacobian, jvp, out
    T* blocks;             // [n_pairs, n_features, 3]  jacobian, out
    T* pulled;             // [n_pairs, 3]              vjp, out
};

// The neighbours of one atom, and memory that one thread reuses for all its atoms.
template <typename T>
struct Center {
    Index atom;
    const Tile* tiles;
    int n_tiles;
    T* lanes;      // Layout::total rows, aligned
    double* sums;  // Q, then dQ or dG/dQ: [2, n_places]
};

#define AMPTORCH_GMP_KERNELS(isa)                                           \
    namespace isa {                                                         \
    void run(const Task<double>&, Operation, const Center<double>&);        \
    void run(const Task<float>&, Operation, const Center<float>&);          \
    }
AMPTORCH_GMP_KERNELS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_GMP_KERNELS(avx2)
#endif
#undef AMPTORCH_GMP_KERNELS

}  // namespace amptorch::gmp
