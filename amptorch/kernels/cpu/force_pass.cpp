// Binding of the force pass.
#include "force_pass.h"

#include <nanobind/stl/string.h>

#include <string>
#include <type_traits>
#include <vector>

#include "arrays.h"
#include "operations.h"

namespace amptorch {
namespace {

template <typename Values>
auto copied(const Values& values) {
    using T = std::remove_const_t<std::remove_reference_t<decltype(*values.data())>>;
    return std::vector<T>(values.data(), values.data() + values.size());
}

template <typename T>
using Pass = force_pass::ForcePass<T>;

template <typename T>
void make(Pass<T>* self, Array<const Index, -1, 5> kinds, Array<const double, -1, 6> values,
          double gamma, int n_species, int n_features, int cutoff_type, double alpha,
          Matrix<const T> factors, Matrix<const T> shifts, Matrix<const T> low,
          Matrix<const T> high, Matrix<const T> shares, const std::string& activation,
          Array<const T, -1> constants, Array<const T, -1> parameters, Indices widths) {
    new (self) Pass<T>({symmetry::Plan({kinds.data(), values.data(), nullptr,
                                        static_cast<Index>(kinds.shape(0)), n_species, 0}),
                        {gamma, cutoff_type, alpha},
                        {n_features, copied(factors), copied(shifts), copied(low), copied(high)},
                        {networks::kernel<T>(activation), n_species, copied(shares),
                         copied(constants), copied(parameters), copied(widths)}});
}

template <typename T>
Index run(const Pass<T>& self, Array<const T, -1, 3> vectors, Indices first, Indices neighbors,
          Indices species, Matrix<T> features, Array<T, -1> energies, Matrix<T> slopes,
          Array<T, -1, 3> pulled, int threads) {
    const nb::gil_scoped_release release;
    return self.run({vectors.data(), first.data(), neighbors.data(), species.data(),
                     static_cast<Index>(energies.shape(0))},
                    {features.data(), energies.data(), slopes.data(), pulled.data(),
                     slopes.shape(0) > 0},
                    threads);
}

template <typename T>
void bind(nb::module_& module, const char* name) {
    const auto strict = nb::arg().noconvert();
    nb::class_<Pass<T>>(module, name)
        .def("__init__", make<T>, strict, strict, nb::arg(), nb::arg(), nb::arg(), nb::arg(),
             nb::arg(), strict, strict, strict, strict, strict, nb::arg(), strict, strict, strict)
        .def("run", run<T>, strict, strict, strict, strict, strict, strict, strict, strict,
             nb::arg());
}

}  // namespace

void bind_force_pass(nb::module_& module) {
    bind<double>(module, "ForcePass64");
    bind<float>(module, "ForcePass32");
}

}  // namespace amptorch
