// Binding of the pass of neuroevolution potentials, see kernels/nep_pass.py.
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "nep_pass_model.h"

namespace amptorch {
namespace {

using namespace spherical::nep;
using spherical::Index;
using Indices = Array<const Index, -1>;

template <typename T>
class NepPass {
public:
    // `terms` [n_terms, 3] with `factors` are those of invariants that end at `ends`, one after the other.
    NepPass(Array<const T, -1> parameters, Array<const T, -1> scales,
            Array<const double, 2, -1, -1> cutoffs, int n_networks, const std::vector<int>& n_max,
            const std::vector<int>& basis_size, int l_max, const std::vector<int>& neurons,
            bool own_constants, Array<const Index, -1, 3> terms, Array<const T, -1> factors,
            const std::vector<int>& ends)
        : potential_(numbers(parameters, scales, cutoffs, n_networks, n_max, basis_size, l_max,
                             neurons, own_constants, terms, factors, ends)) {}

    // Without room for gradients, [0, 3], these are not made.
    void run(Array<const T, -1, 3> vectors, Indices first, Indices neighbors, Indices species,
             Array<T, -1, -1> descriptors, Array<T, -1> energies, Array<T, -1, 3> pulled,
             int threads) const {
        const nb::gil_scoped_release release;
        const bool all = pulled.shape(0) == vectors.shape(0);
        const Task<T> task{vectors.data(),     first.data(),    neighbors.data(),
                           species.data(),     descriptors.data(), energies.data(),
                           all ? pulled.data() : nullptr};
        potential_.run(task, static_cast<Index>(energies.shape(0)), threads);
    }

    // Without room for slopes, [0, n_features], these are not made.
    void energies(Array<const T, -1, -1> features, Indices species, Array<T, -1> energies,
                  Array<T, -1, -1> slopes, int threads) const {
        const nb::gil_scoped_release release;
        const auto n_atoms = static_cast<Index>(species.shape(0));
        T* to = slopes.shape(0) == species.shape(0) ? slopes.data() : nullptr;
        potential_.energies(features.data(), species.data(), n_atoms, energies.data(), to, threads);
    }

    void gradient(Array<const T, -1, -1> features, Indices species, Array<const T, -1> weights,
                  Array<const T, -1, -1> changes, Array<T, -1> gradient, int threads) const {
        const nb::gil_scoped_release release;
        potential_.gradient(features.data(), species.data(), static_cast<Index>(species.shape(0)),
                            weights.data(), changes.data(), gradient.data(), threads);
    }

private:
    static Numbers<T> numbers(Array<const T, -1> parameters, Array<const T, -1> scales,
                              Array<const double, 2, -1, -1> cutoffs, int n_networks,
                              const std::vector<int>& n_max, const std::vector<int>& basis_size,
                              int l_max, const std::vector<int>& neurons, bool own_constants,
                              Array<const Index, -1, 3> terms, Array<const T, -1> factors,
                              const std::vector<int>& ends) {
        Numbers<T> from{parameters.data(), scales.data(), static_cast<int>(cutoffs.shape(1)),
                        n_networks, {n_max[0], n_max[1]}, {basis_size[0], basis_size[1]}, l_max,
                        neurons, own_constants, cutoffs.data(), {}, {}};
        for (std::size_t i = 0; i < factors.shape(0); ++i) {
            const Index* place = terms.data() + 3 * i;
            from.terms.push_back({static_cast<int>(place[0]), static_cast<int>(place[1]),
                                  static_cast<int>(place[2]), factors.data()[i]});
        }
        for (std::size_t i = 0; i < ends.size(); ++i) {
            from.invariants.push_back({i ? ends[i - 1] : 0, ends[i]});
        }
        return from;
    }

    Potential<T> potential_;
};

template <typename T>
void bind(nb::module_& module, const char* name) {
    using Integers = std::vector<int>;
    const auto strict = nb::arg().noconvert();
    nb::class_<NepPass<T>>(module, name)
        .def(nb::init<Array<const T, -1>, Array<const T, -1>, Array<const double, 2, -1, -1>, int,
                      Integers, Integers, int, Integers, bool, Array<const Index, -1, 3>,
                      Array<const T, -1>, Integers>(),
             strict, strict, strict, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
             nb::arg(), strict, strict, nb::arg())
        .def("run", &NepPass<T>::run, strict, strict, strict, strict, strict, strict, strict,
             nb::arg())
        .def("energies", &NepPass<T>::energies, strict, strict, strict, strict, nb::arg())
        .def("gradient", &NepPass<T>::gradient, strict, strict, strict, strict, strict, nb::arg());
}

}  // namespace

void bind_nep_pass(nb::module_& module) {
    bind<double>(module, "NepPass64");
    bind<float>(module, "NepPass32");
}

}  // namespace amptorch
