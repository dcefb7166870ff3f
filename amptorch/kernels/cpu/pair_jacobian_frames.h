// Frames of pair Jacobians from the addresses that Python gives, and the kernel that works on them. For
// bindings alone, see dispatch.h.
#pragma once

#include <vector>

#include "arrays.h"
#include "dispatch.h"
#include "pair_jacobian.h"

namespace amptorch::jacobian {

template <typename T>
const Kernel<T>& kernel() {
    return AMPTORCH_KERNEL(T, Kernel, of_double, of_float);
}

// Rows of addresses, in the order of Frame's members up to n_atoms.
using Table = Array<const Index, -1, 6>;

template <typename T>
std::vector<Frame<T>> frames_of(const Table& table) {
    std::vector<Frame<T>> frames;
    Index offset = 0;
    for (std::size_t f = 0; f < table.shape(0); ++f) {
        const Index* row = table.data() + 6 * f;
        const auto values = [row](int k) { return reinterpret_cast<const T*>(row[k]); };
        const auto indices = [row](int k) { return reinterpret_cast<const Index*>(row[k]); };
        frames.push_back({values(0), values(1), indices(2), indices(3), indices(4), row[5], offset});
        offset += row[5];
    }
    return frames;
}

using Touched = Array<const Index, -1, -1, -1>;

inline Touch touch_of(const Touched& touch) {
    return {touch.data(), static_cast<Index>(touch.shape(0)), static_cast<Index>(touch.shape(2))};
}

}  // namespace amptorch::jacobian
