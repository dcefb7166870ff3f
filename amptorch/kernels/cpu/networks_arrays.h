// Networks as Python hands them over.
#pragma once

#include <numeric>

#include "arrays.h"
#include "networks.h"

namespace amptorch::networks {

// ``size``: of the parameters of all networks.
template <typename T>
Networks<T> networks_of(const T* parameters, Index size, Array<const T, -1> constants,
                        Array<const Index, -1> widths, Index n_networks, Index tape_rows) {
    const Index* w = widths.data();
    const int n_layers = static_cast<int>(widths.shape(0)) - 1;
    return {parameters, constants.data(), w, n_networks, size / n_networks, n_layers,
            std::accumulate(w + 1, w + n_layers, Index{0}), tape_rows};
}

}  // namespace amptorch::networks
