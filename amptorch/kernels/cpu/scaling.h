// How features are scaled before a model sees them, and the range seen in training. Not for kernels, see
// dispatch.h.
#pragma once

#include <cstdint>
#include <vector>

namespace amptorch {

template <typename T>
struct Scaling {
    int n_features;
    std::vector<T> factors, shifts;  // [n_species, n_features]
    std::vector<T> low, high;        // [n_species, n_features], of unscaled features

    // Scaled features of an atom, maybe in place; whether one of them lies outside the range.
    bool scale(std::int64_t species, const T* from, T* to) const {
        const std::int64_t row = species * n_features;
        const T *factor = factors.data() + row, *shift = shifts.data() + row;
        const T *least = low.data() + row, *most = high.data() + row;
        bool outside = false;
        for (int f = 0; f < n_features; ++f) {
            const T value = from[f];
            outside |= value < least[f] || value > most[f];
            to[f] = factor[f] * value + shift[f];
        }
        return outside;
    }

    // dE/dG of an atom from dE/dG', the slope in scaled features, maybe in place.
    void pull(std::int64_t species, const T* from, T* to) const {
        const T* factor = factors.data() + species * n_features;
        for (int f = 0; f < n_features; ++f) to[f] = factor[f] * from[f];
    }
};

}  // namespace amptorch
