// Energies of atoms and their slopes from perceptrons of one shape, and the gradient of a function of both.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>
#include <vector>

#include "networks_arrays.h"
#include "networks_tiles.h"

namespace amptorch {
namespace networks {
namespace {

template <typename T>
struct Batch {
    std::string activation;
    bool one_network, slopes;
    Array<const T, -1> constants;         // of the activation
    Array<const T, -1> parameters;        // [n_networks * n_parameters]
    Array<const Index, -1> widths;        // [n_layers + 1]
    Array<const T, -1, -1> fingerprints;  // [n_atoms, n_features]
    Array<const T, -1, -1> shares;        // [n_atoms, n_networks]
    Array<T, -1, -1> outputs;             // [n_atoms, n_networks]
    Array<T, -1, -1, -1, tile_atoms> tape;  // [n_tiles, their networks, rows, ..], or 0 tiles

    Networks<T> networks() const {
        return networks_of<T>(parameters.data(), static_cast<Index>(parameters.size()), constants,
                              widths, static_cast<Index>(shares.shape(1)),
                              static_cast<Index>(tape.shape(2)));
    }

    Tiles tiles() const {
        return tiles_of(shares.data(), 0, static_cast<Index>(shares.shape(0)),
                        static_cast<Index>(shares.shape(1)), one_network);
    }

    Index tape_size() const {
        return static_cast<Index>(tape.shape(1) * tape.shape(2)) * tile_atoms;
    }

    Tile<T> tile(const Tiles& tiles, Index t, T* spare) const {
        const Range& range = tiles.ranges[t];
        return {range.end - range.begin, tiles.order.data() + range.begin, range.first, range.last,
                slopes, fingerprints.data(), shares.data(), outputs.data(),
                tape.shape(0) ? tape.data() + t * tape_size() : spare};
    }
};

template <typename T>
void run_forward(const Batch<T>& batch, Array<T, -1> energies, Array<T, -1, -1> slopes,
                 int threads) {
    const Networks<T> nets = batch.networks();
    const Kernel<T>& run = kernel<T>(batch.activation);
    const Tiles tiles = batch.tiles();
    const Index n_tiles = static_cast<Index>(tiles.ranges.size());
#pragma omp parallel num_threads(threads)
    {
        Aligned<T> scratch(scratch_size(nets)), spare(batch.tape.shape(0) ? 0 : batch.tape_size());
#pragma omp for schedule(static)
        for (Index t = 0; t < n_tiles; ++t) {
            run.forward(nets, batch.tile(tiles, t, spare.data()), energies.data(), slopes.data(),
                        scratch.data());
        }
    }
}

// Tiles are summed in groups, and these in their order: the sum does not depend on the threads.
template <typename T>
void run_backward(const Batch<T>& batch, Array<const T, -1> energies, Array<const T, -1, -1> slopes,
                  Array<T, -1, -1> shares, Array<T, -1> changes, int threads) {
    const Networks<T> nets = batch.networks();
    const Kernel<T>& run = kernel<T>(batch.activation);
    const Tiles tiles = batch.tiles();
    const Index n_tiles = static_cast<Index>(tiles.ranges.size());
    const Index n_groups = std::min<Index>(n_tiles, 16);
    std::vector<std::vector<T>> sums(n_groups, std::vector<T>(changes.size()));
#pragma omp parallel num_threads(threads)
    {
        Aligned<T> scratch(scratch_size(nets));
#pragma omp for schedule(dynamic)
        for (Index g = 0; g < n_groups; ++g) {
            for (Index t = n_tiles * g / n_groups; t < n_tiles * (g + 1) / n_groups; ++t) {
                run.backward(nets, batch.tile(tiles, t, nullptr), energies.data(), slopes.data(),
                             shares.shape(0) ? shares.data() : nullptr, sums[g].data(),
                             scratch.data());
            }
        }
    }
    for (const std::vector<T>& part : sums) {
        for (std::size_t q = 0; q < part.size(); ++q) changes.data()[q] += part[q];
    }
}

template <typename T>
void bind(nb::module_& module) {
    using In = Array<const T, -1, -1>;
    using Out = Array<T, -1, -1>;
    using Tape = Array<T, -1, -1, -1, tile_atoms>;
    using Vector = Array<const T, -1>;
    using Widths = Array<const Index, -1>;
    const auto strict = nb::arg().noconvert();
    module.def(
        "networks_forward",
        [](const std::string& activation, bool one_network, bool with_slopes, Vector constants,
           Vector parameters, Widths widths, In fingerprints, In shares, Out outputs, Tape tape,
           Array<T, -1> energies, Out slopes, int threads) {
            nb::gil_scoped_release release;
            run_forward<T>({activation, one_network, with_slopes, constants, parameters, widths,
                            fingerprints, shares, outputs, tape},
                           energies, slopes, threads);
        },
        nb::arg(), nb::arg(), nb::arg(), strict, strict, strict, strict, strict, strict, strict,
        strict, strict, nb::arg());
    module.def(
        "networks_backward",
        [](const std::string& activation, bool one_network, bool with_slopes, Vector constants,
           Vector parameters, Widths widths, In fingerprints, In shares, Out outputs, Tape tape,
           Vector energies, In slopes, Out share_changes, Array<T, -1> changes, int threads) {
            nb::gil_scoped_release release;
            run_backward<T>({activation, one_network, with_slopes, constants, parameters, widths,
                             fingerprints, shares, outputs, tape},
                            energies, slopes, share_changes, changes, threads);
        },
        nb::arg(), nb::arg(), nb::arg(), strict, strict, strict, strict, strict, strict, strict,
        strict, strict, strict, strict, nb::arg());
}

// In order, and how many rows of the tape an activation keeps for a node.
std::vector<std::pair<std::string, int>> activations() {
    std::vector<std::pair<std::string, int>> kept;
    for (const Kernel<double>& each : kernels<double>()) {
        kept.emplace_back(each.activation, each.kept);
    }
    return kept;
}

}  // namespace
}  // namespace networks

void bind_networks(nb::module_& module) {
    networks::bind<double>(module);
    networks::bind<float>(module);
    module.def("networks_activations", networks::activations);
}

}  // namespace amptorch
