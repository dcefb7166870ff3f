// Networks that a potential has, with the memory they lie in, and atoms through them. Not for kernels,
// see dispatch.h.
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "networks_tiles.h"

namespace amptorch::networks {

// What does not change from call to call.
template <typename T>
struct Model {
    const Kernel<T>& run;
    int n_species;
    std::vector<T> shares;                 // [n_species, n_networks]
    std::vector<T> constants, parameters;  // of the activation, of the networks
    std::vector<Index> widths;

    Index n_networks() const { return static_cast<Index>(shares.size()) / n_species; }

    Networks<T> nets() const {
        const Index n_hidden = std::accumulate(widths.begin() + 1, widths.end() - 1, Index{0});
        return {parameters.data(), constants.data(), widths.data(), n_networks(),
                static_cast<Index>(parameters.size()) / n_networks(),
                static_cast<int>(widths.size()) - 1, n_hidden, n_hidden * (run.kept + 2)};
    }

    // Whether the atoms of every element have a share of one network at most.
    bool one_network() const {
        const auto n = static_cast<std::ptrdiff_t>(n_networks());
        for (auto from = shares.begin(); from != shares.end(); from += n) {
            if (std::count(from, from + n, T(0)) < n - 1) return false;
        }
        return true;
    }
};

// The memory in which one thread evaluates a tile of atoms.
template <typename T>
class Evaluator {
public:
    explicit Evaluator(const Model<T>& model)
        : model_(model), nets_(model.nets()), one_network_(model.one_network()),
          scratch_(scratch_size(nets_)), shares_(tile_atoms * nets_.n_networks),
          outputs_(tile_atoms * nets_.n_networks),
          tape_(nets_.n_networks * nets_.tape_rows * tile_atoms) {}

    // Energies [n] and, where asked for, slopes [n, n_features] of at most tile_atoms atoms, of inputs
    // [n, n_features]; `species(k)` is that of the k-th.
    template <typename Species>
    void run(Index n, Species species, const T* inputs, bool with_slopes, T* energies, T* slopes) {
        const Index n_networks = nets_.n_networks;
        for (Index k = 0; k < n; ++k) {
            const T* from = model_.shares.data() + species(k) * n_networks;
            std::copy_n(from, n_networks, shares_.data() + k * n_networks);
        }
        std::fill_n(energies, n, T(0));
        std::fill_n(slopes, with_slopes ? n * nets_.widths[0] : 0, T(0));
        const Tiles tiles = tiles_of(shares_.data(), 0, n, n_networks, one_network_);
        for (const Range& range : tiles.ranges) {
            const Tile<T> some{range.end - range.begin, tiles.order.data() + range.begin,
                               range.first, range.last, with_slopes, inputs,
                               shares_.data(), outputs_.data(), tape_.data()};
            model_.run.forward(nets_, some, energies, slopes, scratch_.data());
        }
    }

private:
    const Model<T>& model_;
    const Networks<T> nets_;
    const bool one_network_;
    Aligned<T> scratch_, shares_, outputs_, tape_;
};

}  // namespace amptorch::networks
