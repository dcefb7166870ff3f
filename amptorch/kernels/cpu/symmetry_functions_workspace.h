// The kernel of this machine, and the memory it works in. For the bindings alone: nothing inline may get
// into what is compiled once per instruction set.
#pragma once

#include <algorithm>
#include <vector>

#include "aligned.h"
#include "dispatch.h"
#include "symmetry_functions.h"

namespace amptorch::symmetry {

template <typename T>
const Kernel<T>& kernel() {
#ifdef AMPTORCH_HAS_AVX512
    if constexpr (sizeof(T) == 4) {
        if (uses_avx512()) return avx512::float_kernel;
    }
#endif
    return AMPTORCH_KERNEL(T, Kernel, double_kernel, float_kernel);
}

// What all centres of a thread share.
template <typename T>
struct Shared {
    Aligned<T> packed{packed_size};
    Run runs[packed_length];
};

// The memory of one centre.
template <typename T>
class Workspace {
public:
    Workspace(const Task<T>& task, Index max_neighbors, int width, Shared<T>& shared)
        : stride_(rounded(max_neighbors + Index(task.n_species) * (width - 1) + width)),
          values_((fixed_rows + Index(task.max_channels) * rows_per_channel +
                   Index(std::max(task.n_touched, 1)) * rows_per_slot) * stride_),
          places_(static_cast<std::size_t>(2 * task.n_species + 1 + stride_)),
          scratch_{shared.packed.data(), shared.runs, values_.data(), places_.data(), stride_} {}

    const Scratch<T>& scratch() const { return scratch_; }

private:
    static Index rounded(Index n) {
        constexpr Index step = alignment / Index(sizeof(T));
        return (n + step - 1) / step * step;
    }

    Index stride_;
    Aligned<T> values_;
    std::vector<int> places_;
    Scratch<T> scratch_;
};

}  // namespace amptorch::symmetry
