// Frames with pair Jacobians, and what the kernel does with a part of one.
#pragma once

#include <cstdint>

#include "instruction_sets.h"

namespace amptorch::jacobian {

using Index = std::int64_t;

// One frame. A block of a pair holds d G[i, touch[s_i][s_j][k]] / d R_ij for k = 0 .. n_touched-1.
template <typename T>
struct Frame {
    const T *values, *vectors;                // [n_pairs, n_touched, 3], [n_pairs, 3]
    const Index *first, *neighbors, *species;  // [n_atoms + 1], [n_pairs], [n_atoms]
    Index n_atoms, offset;                     // offset: its first atom in the batch
};

struct Touch {
    const Index* features;  // [n_species, n_species, n_touched], -1 ends a row
    Index n_species, n_touched;

    const Index* row(Index center, Index neighbor) const {
        return features + (center * n_species + neighbor) * n_touched;
    }
    Index count(const Index* row) const {
        Index n = 0;
        while (n < n_touched && row[n] >= 0) ++n;
        return n;
    }
};

// Some centres of a frame. How frames are cut does not depend on the number of threads, nor does
// the order in which the parts are summed, and so the results do not either.
struct Part {
    std::size_t frame;
    Index begin, end;
};

// In the kernel blocks and vectors of space are padded to whole periods: the least common multiple of
// 3 and of the width of a SIMD register, at most this.
constexpr Index longest_period = 24;

inline Index padded(const Touch& touch) { return 3 * touch.n_touched + longest_period; }

// Numbers that the kernel needs for a frame beside what it is given.
template <typename T>
Index scratch_size(const Frame<T>& frame, const Touch& touch) {
    return 2 * padded(touch) + longest_period * frame.n_atoms;
}

template <typename T>
struct Kernel {
    // Adds the forces to ``forces`` of the frame, the virials to ``virials`` of the batch (or null).
    void (*pull)(const Frame<T>&, const Part&, const Touch&, const T* weights, Index n_features,
                 T* forces, T* virials, T* scratch);
    // Adds to ``changes`` of G, from ``forces`` and ``virials`` (or null) of the batch.
    void (*push)(const Frame<T>&, const Part&, const Touch&, const T* forces, const T* virials,
                 Index n_features, T* changes, T* scratch);
};

#define AMPTORCH_PAIR_JACOBIAN(isa)        \
    namespace isa {                        \
    extern const Kernel<double> of_double; \
    extern const Kernel<float> of_float;   \
    }
AMPTORCH_PAIR_JACOBIAN(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_PAIR_JACOBIAN(avx2)
#endif
#undef AMPTORCH_PAIR_JACOBIAN

}  // namespace amptorch::jacobian
