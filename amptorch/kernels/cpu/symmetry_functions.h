// What is shared between the binding, the plan and the kernels of every instruction set.
// Plain data only: the kernels are compiled several times, so nothing inline may live here.
#pragma once

#include <cstdint>

#include "instruction_sets.h"

namespace amptorch::symmetry {

using Index = std::int64_t;

enum class Operation { forward, jacobian, vjp, jvp };

// Terms of one group that are summed in one pass over its triples; larger groups are split.
constexpr int max_terms = 8;

// The highest zeta that is summed by moments instead of pairs.
constexpr int max_degree = 8;

// weight exp(-eta (r - rs)^2) fc(r) over the neighbours of one species.
struct RadialTerm {
    double cutoff, eta, rs, weight;
    int species, feature, slot;
};

// weight(r) = exp(-eta (r - rs)^2) fc(r), which each neighbour brings into the angular functions.
struct Channel {
    double cutoff, eta, rs;
};

// fc: the polynomial where gamma is not 0, else that of a number; see kernels/symmetry_functions.py.
struct CutoffFunction {
    double gamma;
    int type;
    double alpha;
};

// scale (1 + lambda c)^zeta, with the weight in scale. The power zeta - 1 is that of the term
// before times (1 + lambda c)^step, starting anew where lambda changes; step < 0: zeta is not
// whole.
struct AngularTerm {
    double zeta, lambda, scale;
    int step, feature;
    bool restart;
};

// Angular terms over the same triples with the same radial part.
struct Group {
    int species_j, species_k, channel, n_terms;
    int slot_j, slot_k;  // of the first term
    bool closed;  // G4: the third side of the triangle counts
    int degree;   // the largest zeta where moments can take the place of pairs, or -1
    AngularTerm terms[max_terms];
};

// Everything to be summed around a centre of one species. Gradients with respect to a neighbour are
// summed in slots, one for each feature that its species touches; those of a group follow each
// other.
struct CenterPlan {
    const RadialTerm* radial;
    const Channel* channels;
    const Group* groups;
    const int* slots;    // [n_species, n_touched]: the slots in the order of the blocks
    const int* n_slots;  // [n_species]
    int n_radial, n_channels, n_groups;
};

// One call: a batch of environments, its plan and its arrays; unused ones are null.
template <typename T>
struct Task {
    const CenterPlan* plans;  // [n_species]
    CutoffFunction cutoff_function;
    int n_species, n_features, n_touched, max_channels;
    Index n_atoms;
    const T* vectors;        // [n_pairs, 3]
    const Index* first;      // [n_atoms + 1]
    const Index* neighbors;  // [n_pairs]
    const Index* species;    // [n_atoms]
    const T* gradient;       // [n_atoms, n_features]          vjp, in
    const T* changes;        // [n_pairs, 3]                   jvp, in
    T* features;             // [n_atoms, n_features]          forward, jacobian, jvp, out
    T* blocks;               // [n_pairs, n_touched, 3]        jacobian, out
    T* pulled;               // [n_pairs, 3]                   vjp, out
};

// Triples that share a neighbour: those up to `end`.
struct Run {
    int place, end;
};

// Memory for a centre: rows of `stride` places, and what all centres of a thread may share, packed_size
// numbers and runs; aligned.
template <typename T>
struct Scratch {
    T* packed;
    Run* runs;
    T* values;
    int* places;
    Index stride;
};

// Which lanes of a vector, a bit each.
using LaneBits = std::uint16_t;

// What the features of a centre leave for its forces, see symmetry_functions_forces.h.
struct KeptSize {
    Index numbers, lanes, counts;
};
template <typename T>
struct Kept {
    T* numbers;
    LaneBits* lanes;  // which neighbours of a vector make packed triples
    int* counts;          // triples of each set
};

// The code of one instruction set; every species' neighbours are filled up to `width` places.
template <typename T>
struct Kernel {
    void (*center)(const Task<T>&, Operation, Index atom, const Scratch<T>&);
    // A force call around a centre, in this order: what will be kept, `features`, and `pulled`.
    KeptSize (*prepare)(const Task<T>&, Index atom, const Scratch<T>&);
    void (*features)(const Task<T>&, Index atom, const Scratch<T>&, Kept<T>);
    void (*pull)(const Task<T>&, Index atom, const Scratch<T>&, Kept<T>);
    int width;
};

// Rows of Scratch::values that a task needs: fixed ones, and some for each slot and channel.
constexpr int alignment = 64;
constexpr int fixed_rows = 13;
constexpr int rows_per_slot = 4;
constexpr int rows_per_channel = 3;

// Triples that are worked on together, and the rows they take.
constexpr int packed_length = 128;
constexpr int packed_stride = packed_length + 16;
constexpr int packed_rows = 11;
constexpr int gradient_rows = 3;
constexpr int packed_size = (packed_rows + gradient_rows * max_terms) * packed_stride;

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

}  // namespace amptorch::symmetry
