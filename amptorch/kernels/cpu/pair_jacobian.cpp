// Forces and virials from pair Jacobians that lie in memory frame by frame, and the transposed product.
#include "pair_jacobian_frames.h"

#include <algorithm>

namespace amptorch {
namespace jacobian {
namespace {

template <typename T>
std::vector<Part> parts_of(const std::vector<Frame<T>>& frames) {
    constexpr Index centers = 32, most = 8;
    std::vector<Part> parts;
    for (std::size_t f = 0; f < frames.size(); ++f) {
        const Index n = frames[f].n_atoms, count = std::clamp(n / centers, Index{1}, most);
        for (Index p = 0; p < count; ++p) parts.push_back({f, n * p / count, n * (p + 1) / count});
    }
    return parts;
}

// Forces F_i = sum_j (g_ij - g_ji) and virials sum_j R_ij (x) g_ij of the centres, where
// g_ij = sum_k weights[i, feature_k] * block_k.
template <typename T>
void pull(const Table& table, const Touch& touch, Array<const T, -1, -1> weights,
          Array<T, -1, 3> forces, Array<T, -1, 3, 3> virials, int threads) {
    const auto frames = frames_of<T>(table);
    const auto parts = parts_of(frames);
    std::vector<std::vector<T>> partial(parts.size());
    T* virial = virials.shape(0) ? virials.data() : nullptr;
    const Index n_features = static_cast<Index>(weights.shape(1));
    const Index n_parts = static_cast<Index>(parts.size());
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (Index p = 0; p < n_parts; ++p) {
        const Frame<T>& frame = frames[parts[p].frame];
        partial[p].assign(3 * frame.n_atoms, T(0));
        std::vector<T> scratch(scratch_size(frame, touch));
        kernel<T>().pull(frame, parts[p], touch, weights.data(), n_features, partial[p].data(),
                         virial, scratch.data());
    }
    for (Index p = 0; p < n_parts; ++p) {
        T* out = forces.data() + 3 * frames[parts[p].frame].offset;
        for (std::size_t q = 0; q < partial[p].size(); ++q) out[q] += partial[p][q];
    }
}

template <typename T>
void push(const Table& table, const Touch& touch, Array<const T, -1, 3> forces,
          Array<const T, -1, 3, 3> virials, Array<T, -1, -1> changes, int threads) {
    const auto frames = frames_of<T>(table);
    const auto parts = parts_of(frames);
    const T* virial = virials.shape(0) ? virials.data() : nullptr;
    const Index n_features = static_cast<Index>(changes.shape(1));
    const Index n_parts = static_cast<Index>(parts.size());
    // Backwards: what the product before read last is still in the processor's cache.
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (Index q = 0; q < n_parts; ++q) {
        const Part& part = parts[n_parts - 1 - q];
        const Frame<T>& frame = frames[part.frame];
        std::vector<T> scratch(scratch_size(frame, touch));
        kernel<T>().push(frame, part, touch, forces.data(), virial, n_features,
                         changes.data(), scratch.data());
    }
}

template <typename T>
void bind(nb::module_& module) {
    const auto strict = nb::arg().noconvert();
    module.def(
        "pair_jacobian_pull",
        [](Table frames, Touched touch, Array<const T, -1, -1> weights, Array<T, -1, 3> forces,
           Array<T, -1, 3, 3> virials, int threads) {
            nb::gil_scoped_release release;
            pull<T>(frames, touch_of(touch), weights, forces, virials, threads);
        },
        strict, strict, strict, strict, strict, nb::arg());
    module.def(
        "pair_jacobian_push",
        [](Table frames, Touched touch, Array<const T, -1, 3> forces,
           Array<const T, -1, 3, 3> virials, Array<T, -1, -1> changes, int threads) {
            nb::gil_scoped_release release;
            push<T>(frames, touch_of(touch), forces, virials, changes, threads);
        },
        strict, strict, strict, strict, strict, nb::arg());
}

}  // namespace
}  // namespace jacobian

void bind_pair_jacobian(nb::module_& module) {
    jacobian::bind<double>(module);
    jacobian::bind<float>(module);
}

}  // namespace amptorch
