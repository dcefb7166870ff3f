// Binding of the bispectrum components.
#include "bispectrum_run.h"
#include "operations.h"

namespace amptorch {
namespace bispectrum {
namespace {

using Numbers = Array<const double, -1>;

// The arguments that all operations share.
template <typename T>
struct Inputs {
    Environment<T> atoms;
    Parameters parameters;
    int threads;
};

template <typename T>
void run(const Inputs<T>& inputs, Operation operation, Task<T> task, Touch touch) {
    const Plan<T> plan(inputs.parameters, touch.table, touch.n);
    task.n_touched = touch.n;
    run(plan, inputs.parameters, inputs.atoms, inputs.threads, operation, task);
}

template <typename T>
using Of = Operations<T, Inputs<T>, Task<T>, Operation, run<T>>;

// Defines module.name(shared inputs..., arrays of the operation...), without conversions.
template <typename T, typename... Arrays>
void define(nb::module_& module, const char* name, void (*operation)(const Inputs<T>&, Arrays...)) {
    const auto fixed = [](auto) { return nb::arg().noconvert(); };
    module.def(
        name,
        [operation](Array<const T, -1, 3> vectors, Indices first, Indices neighbors,
                    Indices species, Numbers couplings, Array<const double, -1, -1, 3> pairs,
                    Numbers weights, int twojmax, double rfac0, double rmin0, bool outer, bool zero,
                    bool normalize, bool chemical, bool self_all, int n_species, int n_features,
                    int threads, Arrays... arrays) {
            const nb::gil_scoped_release release;
            const Parameters parameters{couplings.data(), pairs.data(), weights.data(), twojmax,
                                        rfac0, rmin0, outer, zero, normalize, chemical, self_all,
                                        n_species, n_features};
            operation({environment_of<T>(vectors, first, neighbors, species), parameters, threads},
                      arrays...);
        },
        fixed(0), fixed(1), fixed(2), fixed(3), fixed(4), fixed(5), fixed(6), nb::arg(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
        nb::arg(), fixed(static_cast<Arrays*>(nullptr))...);
}

template <typename T>
void define_all(nb::module_& module) {
    define(module, "bispectrum_forward", Of<T>::forward);
    define(module, "bispectrum_jacobian", Of<T>::jacobian);
    define(module, "bispectrum_vjp", Of<T>::vjp);
    define(module, "bispectrum_jvp", Of<T>::jvp);
}

}  // namespace
}  // namespace bispectrum

void bind_bispectrum(nanobind::module_& module) {
    bispectrum::define_all<double>(module);
    bispectrum::define_all<float>(module);
}

}  // namespace amptorch
