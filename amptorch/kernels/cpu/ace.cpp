// Binding of the cluster products.
#include <numeric>
#include <vector>

#include "ace_run.h"
#include "arrays.h"

namespace amptorch {
namespace ace {
namespace {

template <typename T>
using Matrix = Array<T, -1, -1>;
using Indices = Array<const Index, -1>;
using Numbers = Array<const double, -1>;
using Pairs = Array<const int, -1, 2>;

template <typename Values>
auto copied(const Values& values) {
    return std::vector<std::remove_const_t<std::remove_reference_t<decltype(*values.data())>>>(
        values.data(), values.data() + values.size());
}

template <typename T>
class ClusterProducts {
public:
    ClusterProducts(int n_elements, int n_radial, int harmonics, int n_max, int l_max, bool zbl)
        : products_({n_elements, n_radial, harmonics, n_max, l_max}, zbl) {}

    void add(Array<const T, -1, -1, -1, -1> radial, Pairs nodes, Pairs terms,
             Matrix<const T> coefficients, Numbers prefactors, Numbers exponents, bool shifted,
             double core_cutoff, double core_width) {
        products_.add({copied(radial), copied(coefficients), copied(nodes), copied(terms),
                       copied(prefactors), copied(exponents), shifted, core_cutoff, core_width});
    }

    void run(Matrix<const T> features, Indices species, Array<T, -1> energies, Matrix<T> gradient,
             int threads) const {
        const nb::gil_scoped_release release;
        products_.run(features.data(), static_cast<int>(features.shape(1)), species.data(),
                      static_cast<Index>(species.shape(0)), energies.data(),
                      gradient.shape(0) ? gradient.data() : nullptr, threads);
    }

    // Of atoms that are all of one element.
    void terms(int element, Matrix<const T> features, Matrix<T> rows, int threads) const {
        const nb::gil_scoped_release release;
        std::vector<Index> atoms(features.shape(0));
        std::iota(atoms.begin(), atoms.end(), Index{0});
        products_.terms(features.data(), static_cast<int>(features.shape(1)), element, atoms,
                        rows.data(), threads);
    }

    void differentiate(int element, Matrix<const T> features, Indices species,
                       Array<const T, -1> weights, Matrix<const T> changes,
                       Array<T, -1, -1, -1, -1> radial, Matrix<T> coefficients, int threads) const {
        const nb::gil_scoped_release release;
        const auto atoms = Products<T>::atoms_of(element, species.data(),
                                                 static_cast<Index>(species.shape(0)));
        products_.differentiate(features.data(), static_cast<int>(features.shape(1)), element, atoms,
                                weights.data(), changes.data(), coefficients.data(), radial.data(),
                                threads);
    }

private:
    Products<T> products_;
};

template <typename T>
void bind(nb::module_& module, const char* name) {
    const auto strict = nb::arg().noconvert();
    nb::class_<ClusterProducts<T>>(module, name)
        .def(nb::init<int, int, int, int, int, bool>())
        .def("add", &ClusterProducts<T>::add, strict, strict, strict, strict, strict, strict, nb::arg(),
             nb::arg(), nb::arg())
        .def("run", &ClusterProducts<T>::run, strict, strict, strict, strict, nb::arg())
        .def("terms", &ClusterProducts<T>::terms, nb::arg(), strict, strict, nb::arg())
        .def("differentiate", &ClusterProducts<T>::differentiate, nb::arg(), strict, strict, strict,
             strict, strict, strict, nb::arg());
}

}  // namespace
}  // namespace ace

void bind_ace(nanobind::module_& module) {
    ace::bind<double>(module, "ClusterProducts64");
    ace::bind<float>(module, "ClusterProducts32");
}

}  // namespace amptorch
