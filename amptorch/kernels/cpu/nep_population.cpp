// Energies, squared errors of forces, and virials of many potentials of one shape at once.
#include "nep_population.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "aligned.h"
#include "arrays.h"
#include "dispatch.h"

namespace amptorch {
namespace population {
namespace {

template <typename T>
const Kernel<T>& kernel() {
    return AMPTORCH_KERNEL(T, Kernel, of_double, of_float);
}

using Integers = Array<const Index, -1>;

// The shape as Python lists it; see kernels/nep_population.py.
struct OwnedShape {
    Shape shape{};
    std::vector<Product> products;

    OwnedShape(Integers sizes, Array<const double, -1, 5> rows) {
        if (sizes.shape(0) != 11) throw std::invalid_argument("population: expected 11 sizes");
        const Index* s = sizes.data();
        shape = {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10] != 0, -1, 0, nullptr};
        for (std::size_t q = 0; q < rows.shape(0); ++q) {
            const double* row = rows.data() + 5 * q;
            products.push_back({static_cast<Index>(row[0]), static_cast<Index>(row[1]),
                                static_cast<Index>(row[2]), static_cast<Index>(row[3]), row[4]});
        }
        shape.n_products = static_cast<Index>(products.size());
        shape.products = products.data();
    }
};

// Members as the kernel takes them, [members / width, n_variables, width]; zeros where there is none.
template <typename T>
Aligned<T> packed(Array<const T, -1, -1> rows, Index members, Index width) {
    const Index n = static_cast<Index>(rows.shape(1)), count = static_cast<Index>(rows.shape(0));
    Aligned<T> values(members * n);
    std::fill_n(values.data(), members * n, T(0));
    for (Index p = 0; p < count; ++p) {
        T* to = values.data() + p / width * n * width + p % width;
        for (Index v = 0; v < n; ++v) to[v * width] = rows.data()[p * n + v];
    }
    return values;
}

// The first columns of padded rows.
template <typename T>
void copy_rows(const T* from, Index members, Index rows, Index count, T* to) {
    for (Index row = 0; row < rows; ++row) std::copy_n(from + row * members, count, to + row * count);
}

template <typename T>
struct NeighborArrays {
    Array<const T, -1, 3> vectors;
    Integers first;
    Array<const std::int32_t, -1> atoms;
    Array<const T, -1, -1> cutoffs;

    Neighbors<T> view() const { return {vectors.data(), first.data(), atoms.data(), cutoffs.data()}; }
};

template <typename T>
struct Batch {
    Data<T> data;
    const Index *first_atoms, *frames;  // where frames begin; those to run
    Index n_frames, n_atoms;            // to run; of all frames
    Most most;

    Batch(const Data<T>& all, Integers first_atoms, Integers frames)
        : data(all), first_atoms(first_atoms.data()), frames(frames.data()),
          n_frames(static_cast<Index>(frames.shape(0))),
          n_atoms(first_atoms.data()[first_atoms.shape(0) - 1]), most{0, 0, 0} {
        for (Index f = 0; f < n_frames; ++f) {
            const Index begin = this->first_atoms[this->frames[f]], end = this->first_atoms[this->frames[f] + 1];
            most.atoms = std::max(most.atoms, end - begin);
            for (Index i = begin; i < end; ++i) {
                most.radial = std::max(most.radial, data.radial.count(i));
                most.angular = std::max(most.angular, data.angular.count(i));
            }
        }
    }
};

// Numbers of all members; frames in the order of ``frames``.
template <typename T>
struct Results {
    Array<T, -1, -1> energies, force_errors;  // [n_frames, count]
    Array<T, -1, 6, -1> virials;              // [n_frames, 6, count], or 0 frames
    Array<T, -1, 3, -1> forces;               // [n_atoms, 3, count], or 0 atoms
};

template <typename T>
void run(const Shape& shape, const Batch<T>& batch, Array<const T, -1, -1> members, Results<T> results,
         int threads) {
    const Kernel<T>& one = kernel<T>();
    const Index count = static_cast<Index>(members.shape(0));
    const Index padded_count = (count + one.width - 1) / one.width * one.width;
    const Aligned<T> parameters = packed(members, padded_count, one.width);
    const bool with_virials = results.virials.shape(0), with_forces = results.forces.shape(0);
    const Index n_forces = with_forces ? 3 * batch.n_atoms * padded_count : 0;
    Aligned<T> forces(n_forces);
    std::fill_n(forces.data(), n_forces, T(0));
#pragma omp parallel num_threads(threads)
    {
        Aligned<T> scratch(one.scratch_size(shape, batch.most, padded_count)), rows(8 * padded_count);
#pragma omp for schedule(dynamic)
        for (Index f = 0; f < batch.n_frames; ++f) {
            T* energy = rows.data();
            T *errors = energy + padded_count, *virial = errors + padded_count;
            std::fill_n(energy, 8 * padded_count, T(0));
            const Row<T> row{energy, errors, with_virials ? virial : nullptr,
                             with_forces ? forces.data() : nullptr};
            const Index* begin = batch.first_atoms + batch.frames[f];
            one.run(shape, batch.data, parameters.data(), padded_count, begin[0], begin[1], batch.most,
                    row, scratch.data());
            copy_rows(energy, padded_count, 1, count, results.energies.data() + f * count);
            copy_rows(errors, padded_count, 1, count, results.force_errors.data() + f * count);
            if (with_virials) {
                copy_rows(virial, padded_count, 6, count, results.virials.data() + f * 6 * count);
            }
        }
    }
    if (with_forces) {
        copy_rows(forces.data(), padded_count, 3 * batch.n_atoms, count, results.forces.data());
    }
}

template <typename T>
void bind(nb::module_& module) {
    using Table = Array<const T, -1, -1>;
    const auto strict = nb::arg().noconvert();
    module.def(
        "nep_population",
        [](Integers sizes, Array<const double, -1, 5> products, Index quartic, Integers species,
           Array<const T, -1, 3> radial, Integers radial_first,
           Array<const std::int32_t, -1> radial_neighbors, Table radial_cutoffs,
           Array<const T, -1, 3> angular, Integers angular_first,
           Array<const std::int32_t, -1> angular_neighbors, Table angular_cutoffs,
           Array<const T, -1, 3> targets, Array<const T, -1> weights, Array<const T, -1> scale,
           Integers first_atoms, Integers frames, Table members, Array<T, -1, -1> energies,
           Array<T, -1, -1> force_errors, Array<T, -1, 6, -1> virials, Array<T, -1, 3, -1> forces,
           int threads) {
            nb::gil_scoped_release release;
            OwnedShape owned(sizes, products);
            owned.shape.quartic = quartic;
            const NeighborArrays<T> far{radial, radial_first, radial_neighbors, radial_cutoffs};
            const NeighborArrays<T> near{angular, angular_first, angular_neighbors, angular_cutoffs};
            const Data<T> data{species.data(), far.view(), near.view(), targets.data(),
                               weights.data(), scale.data()};
            run<T>(owned.shape, Batch<T>(data, first_atoms, frames), members,
                   {energies, force_errors, virials, forces}, threads);
        },
        strict, strict, nb::arg(), strict, strict, strict, strict, strict, strict, strict, strict,
        strict, strict, strict, strict, strict, strict, strict, strict, strict, strict, strict,
        nb::arg());
}

}  // namespace
}  // namespace population

void bind_nep_population(nb::module_& module) {
    population::bind<double>(module);
    population::bind<float>(module);
}

}  // namespace amptorch
