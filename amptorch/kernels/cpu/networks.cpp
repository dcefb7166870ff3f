// Energies of atoms and their slopes from perceptrons of one shape, and the gradient of a function of both.
#include "networks.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "arrays.h"
#include "dispatch.h"

namespace amptorch {
namespace networks {
namespace {

template <typename T>
const Kernel<T>& kernel() {
#ifdef AMPTORCH_HAS_AVX2
    if (uses_avx2()) return of_type<T, Kernel>(avx2::of_double, avx2::of_float);
#endif
    return of_type<T, Kernel>(baseline::of_double, baseline::of_float);
}

// The kernel loads whole vectors, so what it works on begins at a multiple of their size.
template <typename T>
class Aligned {
public:
    explicit Aligned(Index size) : storage_(size + step) {}
    T* data() {
        const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
        return storage_.data() + (bytes - address % bytes) % bytes / sizeof(T);
    }

private:
    static constexpr Index bytes = 64, step = bytes / static_cast<Index>(sizeof(T));
    std::vector<T> storage_;
};

template <typename T>
struct Batch {
    Array<const T, -1> parameters;        // [n_networks * n_parameters]
    Array<const Index, -1> widths;        // [n_layers + 1]
    Array<const T, -1, -1> fingerprints;  // [n_atoms, n_features]
    Array<const T, -1, -1> shares;        // [n_atoms, n_networks]
    Array<T, -1, -1> outputs;             // [n_atoms, n_networks]
    Array<T, -1, -1, -1, tile_atoms> tape;  // [n_tiles, n_networks, rows, ..], or 0 tiles
    bool slopes;

    Index n_atoms() const { return static_cast<Index>(fingerprints.shape(0)); }
    Index n_features() const { return static_cast<Index>(fingerprints.shape(1)); }
    Index n_tiles() const { return (n_atoms() + tile_atoms - 1) / tile_atoms; }

    Networks<T> networks() const {
        const Index* w = widths.data();
        const int n_layers = static_cast<int>(widths.shape(0)) - 1;
        const Index n_hidden = std::accumulate(w + 1, w + n_layers, Index{0});
        const Index n_networks = static_cast<Index>(shares.shape(1));
        return {parameters.data(), w, n_networks,
                static_cast<Index>(parameters.size()) / n_networks, n_layers, n_hidden,
                static_cast<Index>(tape.shape(2))};
    }

    Index tape_size() const {
        const Networks<T> nets = networks();
        return nets.n_networks * nets.tape_rows * tile_atoms;
    }

    Tile<T> tile(Index t, T* spare) const {
        const Index begin = t * tile_atoms, n_networks = static_cast<Index>(shares.shape(1));
        T* own = tape.shape(0) ? tape.data() + t * tape_size() : spare;
        return {std::min(tile_atoms, n_atoms() - begin), slopes,
                fingerprints.data() + begin * n_features(), shares.data() + begin * n_networks,
                outputs.data() + begin * n_networks, own};
    }
};

template <typename T>
void run_forward(const Batch<T>& batch, Array<T, -1> energies, Array<T, -1, -1> slopes,
                 int threads) {
    const Networks<T> nets = batch.networks();
    const Index n_tiles = batch.n_tiles(), n_features = batch.n_features();
#pragma omp parallel num_threads(threads)
    {
        Aligned<T> scratch(scratch_size(nets)), spare(batch.tape.shape(0) ? 0 : batch.tape_size());
#pragma omp for schedule(static)
        for (Index t = 0; t < n_tiles; ++t) {
            const Index begin = t * tile_atoms;
            kernel<T>().forward(nets, batch.tile(t, spare.data()), energies.data() + begin,
                                slopes.data() + begin * n_features, scratch.data());
        }
    }
}

// Tiles are summed in groups, and these in their order: the sum does not depend on the threads.
template <typename T>
void run_backward(const Batch<T>& batch, Array<const T, -1> energies, Array<const T, -1, -1> slopes,
                  Array<T, -1, -1> shares, Array<T, -1> changes, int threads) {
    const Networks<T> nets = batch.networks();
    const Index n_tiles = batch.n_tiles(), n_features = batch.n_features();
    const Index n_groups = std::min<Index>(n_tiles, 16);
    std::vector<std::vector<T>> sums(n_groups, std::vector<T>(changes.size()));
#pragma omp parallel num_threads(threads)
    {
        Aligned<T> scratch(scratch_size(nets));
#pragma omp for schedule(dynamic)
        for (Index g = 0; g < n_groups; ++g) {
            for (Index t = n_tiles * g / n_groups; t < n_tiles * (g + 1) / n_groups; ++t) {
                const Index begin = t * tile_atoms;
                kernel<T>().backward(nets, batch.tile(t, nullptr), energies.data() + begin,
                                     slopes.data() + begin * n_features,
                                     shares.data() + begin * nets.n_networks, sums[g].data(),
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
    const auto strict = nb::arg().noconvert();
    module.def(
        "networks_forward",
        [](Array<const T, -1> parameters, Array<const Index, -1> widths, In fingerprints, In shares, Out outputs,
           Tape tape, Array<T, -1> energies, Out slopes, bool with_slopes, int threads) {
            nb::gil_scoped_release release;
            run_forward<T>({parameters, widths, fingerprints, shares, outputs, tape, with_slopes},
                           energies, slopes, threads);
        },
        strict, strict, strict, strict, strict, strict, strict, strict, nb::arg(), nb::arg());
    module.def(
        "networks_backward",
        [](Array<const T, -1> parameters, Array<const Index, -1> widths, In fingerprints, In shares, Out outputs,
           Tape tape, Array<const T, -1> energies, In slopes, Out share_changes, Array<T, -1> changes,
           bool with_slopes, int threads) {
            nb::gil_scoped_release release;
            run_backward<T>({parameters, widths, fingerprints, shares, outputs, tape, with_slopes},
                            energies, slopes, share_changes, changes, threads);
        },
        strict, strict, strict, strict, strict, strict, strict, strict, strict, strict, nb::arg(),
        nb::arg());
}

}  // namespace
}  // namespace networks

void bind_networks(nb::module_& module) {
    networks::bind<double>(module);
    networks::bind<float>(module);
}

}  // namespace amptorch
