// Binding of rows of cluster products: tables, and threads over frames.
#include "ace_rows.h"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <vector>

#include "aligned.h"
#include "arrays.h"
#include "dispatch.h"
#include "spherical_expansion_tables.h"

namespace amptorch {
namespace ace_rows {
namespace {

template <typename T>
const Kernel<T>& kernel() {
#ifdef AMPTORCH_HAS_AVX512
    if (uses_avx512()) return AMPTORCH_OF_TYPE(T, Kernel, avx512::double_kernel, avx512::float_kernel);
#endif
    return AMPTORCH_KERNEL(T, Kernel, double_kernel, float_kernel);
}

template <typename T>
using Matrix = Array<T, -1, -1>;
template <typename T>
using Values = Array<const T, -1>;
using Indices = Array<const Index, -1>;
using Integers = Array<const int, -1>;

template <typename T>
struct Own {
    std::vector<T> radial, weights;
    std::vector<Group> groups;
    std::vector<Factor<T>> factors;
    std::vector<int> slots;
    std::vector<unsigned char> used;
    int n_functions, n_slopes;
    Index first_row;

    Element<T> element() const {
        return {radial.data(), groups.data(), factors.data(), slots.data(), weights.data(),
                used.data(), static_cast<int>(groups.size()), n_functions, n_slopes, first_row};
    }
};

template <typename T>
class Rows {
public:
    Rows(Array<const Index, -1, 3> parts, Array<const Index, -1, -1, -1> kinds,
         Array<const double, -1, -1, -1, -1> values, int n_species, int n_max, int l_max)
        : sizes_{n_species, static_cast<int>(parts.data()[0]), n_max, l_max},
          tables_(parts.data(), 1, kinds.data(), values.data(), static_cast<int>(values.shape(3)),
                  n_species) {
        if (parts.shape(0) != 1 || parts.data()[1] != 0) {
            throw std::invalid_argument("rows: expected one part, from l = 0 on");
        }
    }

    void add(Array<const T, -1, -1, -1, -1> radial, Array<const int, -1, 9> groups,
             Array<const int, -1, most_factors, 4> places, Array<const T, -1, most_factors, 2> factors,
             Integers slots, Array<const T, -1> weights, int n_functions, Index first_row) {
        Own<T> own{{radial.data(), radial.data() + radial.size()},
                   {weights.data(), weights.data() + weights.size()},
                   {},
                   {},
                   {slots.data(), slots.data() + slots.size()},
                   std::vector<unsigned char>(n_sums()),
                   n_functions,
                   0,
                   first_row};
        for (std::size_t g = 0; g < groups.shape(0); ++g) {
            const int* v = groups.data() + 9 * g;
            own.groups.push_back({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]});
            own.n_slopes = std::max(own.n_slopes, v[8] + v[5] * v[1]);
        }
        for (std::size_t f = 0; f < factors.shape(0) * most_factors; ++f) {
            const int* at = places.data() + 4 * f;
            const T* by = factors.data() + 2 * f;
            own.factors.push_back({at[0], at[1], at[2], at[3], by[0], by[1]});
        }
        for (const int slot : own.slots) own.used.at(slot) = 1;
        own_.push_back(std::move(own));
    }

    void run(Array<const T, -1, 3> vectors, Indices first, Indices neighbors, Indices species,
             Indices first_atoms, Values<T> slopes, Values<T> bends, Values<T> coefficients,
             Matrix<T> energies, Matrix<T> forces, Matrix<T> virials,
             int threads) const {
        const nb::gil_scoped_release release;
        std::vector<Element<T>> elements;
        for (const Own<T>& each : own_) elements.push_back(each.element());
        spherical::Task<T> expansion{};
        tables_.put(expansion);
        Task<T> shared{};
        shared.sizes = sizes_;
        shared.elements = elements.data();
        shared.part = expansion.parts[0];
        shared.radials = expansion.radials;
        shared.vectors = vectors.data();
        shared.first = first.data();
        shared.neighbors = neighbors.data();
        shared.species = species.data();
        if (coefficients.shape(0)) {
            shared.density = {slopes.data(), bends.data(), coefficients.data()};
        }
        shared.energies = energies.data();
        shared.forces = forces.shape(0) ? forces.data() : nullptr;
        shared.virials = virials.shape(0) ? virials.data() : nullptr;
        shared.n_frames = static_cast<Index>(first_atoms.shape(0)) - 1;
        shared.n_atoms = static_cast<Index>(species.shape(0));
        const Kernel<T>& compiled = kernel<T>();
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (Index frame = 0; frame < shared.n_frames; ++frame) {
            Task<T> task = shared;
            task.frame = frame;
            task.begin = first_atoms.data()[frame];
            task.end = first_atoms.data()[frame + 1];
            const Aligned<T> scratch(compiled.scratch_size(task));
            compiled.frame(task, scratch.data());
        }
    }

private:
    std::size_t n_sums() const { return sizes_.n_elements * sizes_.of_element(); }

    Sizes sizes_;
    spherical::Tables<T> tables_;
    std::deque<Own<T>> own_;
};

template <typename T>
void bind(nb::module_& module, const char* name) {
    const auto strict = nb::arg().noconvert();
    nb::class_<Rows<T>>(module, name)
        .def(nb::init<Array<const Index, -1, 3>, Array<const Index, -1, -1, -1>,
                      Array<const double, -1, -1, -1, -1>, int, int, int>(),
             strict, strict, strict, nb::arg(), nb::arg(), nb::arg())
        .def("add", &Rows<T>::add, strict, strict, strict, strict, strict, strict, nb::arg(),
             nb::arg())
        .def("run", &Rows<T>::run, strict, strict, strict, strict, strict, strict, strict, strict,
             strict, strict, strict, nb::arg());
}

}  // namespace
}  // namespace ace_rows

void bind_ace_rows(nanobind::module_& module) {
    ace_rows::bind<double>(module, "ClusterRows64");
    ace_rows::bind<float>(module, "ClusterRows32");
}

}  // namespace amptorch
