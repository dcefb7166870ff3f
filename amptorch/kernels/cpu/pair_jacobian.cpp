// Products of pair Jacobians, stored as blocks over pairs, with gradients of atoms and of pairs.
#include "arrays.h"

namespace amptorch {
namespace {

using Index = std::int64_t;

// A block of a pair holds d G[i, touch[s_i][s_j][k]] / d R_ij for k = 0 .. n_touched-1.
template <typename T>
struct Blocks {
    Array<const T, -1, -1, 3> values;        // [n_pairs, n_touched, 3]
    Array<const Index, -1> first;            // [n_atoms + 1]
    Array<const Index, -1> neighbors;        // [n_pairs]
    Array<const Index, -1> species;          // [n_atoms]
    Array<const Index, -1, -1, -1> touch;    // [n_species, n_species, n_touched], -1 ends a row
};

// Calls visit(centre, pair, slot of the block, feature) for all entries, centres in parallel.
template <typename T, typename Visit>
void for_each_entry(const Blocks<T>& blocks, int threads, Visit visit) {
    const Index n_atoms = static_cast<Index>(blocks.species.shape(0));
    const Index n_touched = static_cast<Index>(blocks.touch.shape(2));
    const Index n_species = static_cast<Index>(blocks.touch.shape(0));
    const Index *first = blocks.first.data(), *neighbors = blocks.neighbors.data();
    const Index *species = blocks.species.data(), *touch = blocks.touch.data();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Index i = 0; i < n_atoms; ++i) {
        for (Index pair = first[i]; pair < first[i + 1]; ++pair) {
            const Index row = species[i] * n_species + species[neighbors[pair]];
            const Index* features = touch + row * n_touched;
            for (Index k = 0; k < n_touched && features[k] >= 0; ++k) {
                visit(i, pair, pair * n_touched + k, features[k]);
            }
        }
    }
}

// gradients[pair] = sum_k weights[i, feature_k] * block_k
template <typename T>
void vjp(const Blocks<T>& blocks, Array<const T, -1, -1> weights, Array<T, -1, 3> gradients,
         int threads) {
    const T *values = blocks.values.data(), *w = weights.data();
    T* out = gradients.data();
    const Index n_features = static_cast<Index>(weights.shape(1));
    for_each_entry(blocks, threads, [=](Index i, Index pair, Index slot, Index feature) {
        const T weight = w[i * n_features + feature];
        for (int axis = 0; axis < 3; ++axis) out[3 * pair + axis] += weight * values[3 * slot + axis];
    });
}

// changes[i, feature_k] = sum_pairs block_k . vectors[pair]
template <typename T>
void jvp(const Blocks<T>& blocks, Array<const T, -1, 3> vectors, Array<T, -1, -1> changes,
         int threads) {
    const T *values = blocks.values.data(), *v = vectors.data();
    T* out = changes.data();
    const Index n_features = static_cast<Index>(changes.shape(1));
    for_each_entry(blocks, threads, [=](Index i, Index pair, Index slot, Index feature) {
        T sum = 0;
        for (int axis = 0; axis < 3; ++axis) sum += v[3 * pair + axis] * values[3 * slot + axis];
        out[i * n_features + feature] += sum;
    });
}

template <typename T>
void bind(nb::module_& module) {
    module.def(
        "pair_jacobian_vjp",
        [](Array<const T, -1, -1, 3> values, Array<const Index, -1> first,
           Array<const Index, -1> neighbors, Array<const Index, -1> species,
           Array<const Index, -1, -1, -1> touch, Array<const T, -1, -1> weights,
           Array<T, -1, 3> gradients, int threads) {
            nb::gil_scoped_release release;
            vjp<T>({values, first, neighbors, species, touch}, weights, gradients, threads);
        },
        nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
        nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
        nb::arg().noconvert(), nb::arg());
    module.def(
        "pair_jacobian_jvp",
        [](Array<const T, -1, -1, 3> values, Array<const Index, -1> first,
           Array<const Index, -1> neighbors, Array<const Index, -1> species,
           Array<const Index, -1, -1, -1> touch, Array<const T, -1, 3> vectors,
           Array<T, -1, -1> changes, int threads) {
            nb::gil_scoped_release release;
            jvp<T>({values, first, neighbors, species, touch}, vectors, changes, threads);
        },
        nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
        nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
        nb::arg().noconvert(), nb::arg());
}

}  // namespace

void bind_pair_jacobian(nb::module_& module) {
    bind<double>(module);
    bind<float>(module);
}

}  // namespace amptorch
