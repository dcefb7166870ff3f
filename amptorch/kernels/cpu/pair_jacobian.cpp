// Forces and virials from pair Jacobians that lie in memory frame by frame, and the transposed product.
#include <algorithm>
#include <vector>

#include "arrays.h"

namespace amptorch {
namespace {

using Index = std::int64_t;

// One frame. A block of a pair holds d G[i, touch[s_i][s_j][k]] / d R_ij for k = 0 .. n_touched-1.
template <typename T>
struct Frame {
    const T *values, *vectors;                // [n_pairs, n_touched, 3], [n_pairs, 3]
    const Index *first, *neighbors, *species;  // [n_atoms + 1], [n_pairs], [n_atoms]
    Index n_atoms, offset;                     // offset: its first atom in the batch
};

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

struct Touch {
    const Index* features;  // [n_species, n_species, n_touched], -1 ends a row
    Index n_species, n_touched;

    explicit Touch(const Array<const Index, -1, -1, -1>& touch)
        : features(touch.data()),
          n_species(static_cast<Index>(touch.shape(0))),
          n_touched(static_cast<Index>(touch.shape(2))) {}

    const Index* row(Index center, Index neighbor) const {
        return features + (center * n_species + neighbor) * n_touched;
    }
    Index count(const Index* row) const { return std::find(row, row + n_touched, -1) - row; }
};

// Some centres of a frame. How frames are cut does not depend on the number of threads, nor does
// the order in which the parts are summed, and so the results do not either.
struct Part {
    std::size_t frame;
    Index begin, end;
};

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

// Calls visit(first pair, end, features, their number) for each run of neighbours of one species.
template <typename T, typename Visit>
void for_each_run(const Frame<T>& frame, const Touch& touch, Index center, Visit visit) {
    Index pair = frame.first[center];
    const Index end = frame.first[center + 1];
    while (pair < end) {
        const Index species = frame.species[frame.neighbors[pair]], begin = pair;
        while (pair < end && frame.species[frame.neighbors[pair]] == species) ++pair;
        const Index* features = touch.row(frame.species[center], species);
        visit(begin, pair, features, touch.count(features));
    }
}

// A multiple of 3, so that lane l always holds axis l % 3, and of the width of SIMD registers.
constexpr Index lanes = 24;

// sum_k weights[k] * block_k, with every weight three times.
template <typename T>
inline void weighted_sum(const T* block, const T* weights, Index n, T* sum) {
    T partial[lanes] = {};
    Index q = 0;
    for (; q + lanes <= n; q += lanes) {
        for (Index l = 0; l < lanes; ++l) partial[l] += block[q + l] * weights[q + l];
    }
    for (Index l = 0; q < n; ++l, ++q) partial[l] += block[q] * weights[q];
    for (int axis = 0; axis < 3; ++axis) {
        sum[axis] = 0;
        for (Index l = axis; l < lanes; l += 3) sum[axis] += partial[l];
    }
}

// sums_k += block_k * vector, component by component.
template <typename T>
inline void add_products(const T* block, const T* vector, Index n, T* sums) {
    T repeated[lanes];
    for (Index l = 0; l < lanes; ++l) repeated[l] = vector[l % 3];
    Index q = 0;
    for (; q + lanes <= n; q += lanes) {
        for (Index l = 0; l < lanes; ++l) sums[q + l] += block[q + l] * repeated[l];
    }
    for (Index l = 0; q < n; ++l, ++q) sums[q] += block[q] * repeated[l];
}

// Forces of one part into ``forces`` of its frame, and the virials of its centres.
template <typename T>
void pull_part(const Frame<T>& frame, const Part& part, const Touch& touch, const T* weights,
               Index n_features, T* forces, T* virials) {
    std::vector<T> tripled(3 * touch.n_touched);
    for (Index i = part.begin; i < part.end; ++i) {
        const T* own = weights + (frame.offset + i) * n_features;
        const auto visit = [&](Index begin, Index end, const Index* features, Index count) {
            for (Index q = 0; q < 3 * count; ++q) tripled[q] = own[features[q / 3]];
            for (Index pair = begin; pair < end; ++pair) {
                T g[3];
                const T* block = frame.values + 3 * pair * touch.n_touched;
                weighted_sum(block, tripled.data(), 3 * count, g);
                for (int axis = 0; axis < 3; ++axis) {
                    forces[3 * i + axis] += g[axis];
                    forces[3 * frame.neighbors[pair] + axis] -= g[axis];
                }
                for (int k = 0; virials && k < 9; ++k) {
                    virials[9 * (frame.offset + i) + k] += frame.vectors[3 * pair + k / 3] * g[k % 3];
                }
            }
        };
        for_each_run(frame, touch, i, visit);
    }
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
        pull_part(frame, parts[p], touch, weights.data(), n_features, partial[p].data(), virial);
    }
    for (Index p = 0; p < n_parts; ++p) {
        T* out = forces.data() + 3 * frames[parts[p].frame].offset;
        for (std::size_t q = 0; q < partial[p].size(); ++q) out[q] += partial[p][q];
    }
}

// The transpose: changes of G from changes dF of forces and dW of virials.
template <typename T>
void push_part(const Frame<T>& frame, const Part& part, const Touch& touch, const T* forces,
               const T* virials, Index n_features, T* changes) {
    std::vector<T> sums(3 * touch.n_touched);
    const T* dF = forces + 3 * frame.offset;
    for (Index i = part.begin; i < part.end; ++i) {
        const T* dW = virials ? virials + 9 * (frame.offset + i) : nullptr;
        T* out = changes + (frame.offset + i) * n_features;
        const auto visit = [&](Index begin, Index end, const Index* features, Index count) {
            std::fill(sums.begin(), sums.end(), T(0));
            for (Index pair = begin; pair < end; ++pair) {
                T v[3];
                const Index j = frame.neighbors[pair];
                for (int axis = 0; axis < 3; ++axis) v[axis] = dF[3 * i + axis] - dF[3 * j + axis];
                for (int k = 0; dW && k < 9; ++k) v[k % 3] += dW[k] * frame.vectors[3 * pair + k / 3];
                const T* block = frame.values + 3 * pair * touch.n_touched;
                add_products(block, v, 3 * count, sums.data());
            }
            for (Index q = 0; q < 3 * count; ++q) out[features[q / 3]] += sums[q];
        };
        for_each_run(frame, touch, i, visit);
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
        push_part(frames[part.frame], part, touch, forces.data(), virial, n_features,
                  changes.data());
    }
}

template <typename T>
void bind(nb::module_& module) {
    using Touched = Array<const Index, -1, -1, -1>;
    const auto strict = nb::arg().noconvert();
    module.def(
        "pair_jacobian_pull",
        [](Table frames, Touched touch, Array<const T, -1, -1> weights, Array<T, -1, 3> forces,
           Array<T, -1, 3, 3> virials, int threads) {
            nb::gil_scoped_release release;
            pull<T>(frames, Touch(touch), weights, forces, virials, threads);
        },
        strict, strict, strict, strict, strict, nb::arg());
    module.def(
        "pair_jacobian_push",
        [](Table frames, Touched touch, Array<const T, -1, 3> forces,
           Array<const T, -1, 3, 3> virials, Array<T, -1, -1> changes, int threads) {
            nb::gil_scoped_release release;
            push<T>(frames, Touch(touch), forces, virials, changes, threads);
        },
        strict, strict, strict, strict, strict, nb::arg());
}

}  // namespace

void bind_pair_jacobian(nb::module_& module) {
    bind<double>(module);
    bind<float>(module);
}

}  // namespace amptorch
