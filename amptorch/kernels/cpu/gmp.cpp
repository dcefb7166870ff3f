// Binding of the Gaussian multipoles.
#include "gmp_run.h"
#include "operations.h"

namespace amptorch {
namespace gmp {
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
void run(const Inputs<T>& inputs, Operation operation, Task<T> task, Touch /* it touches all */) {
    const Plan plan = make_plan(inputs.parameters);
    run(plan, PlanTables<T>(plan), inputs.atoms, inputs.threads, operation, task);
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
                    Indices species, Indices orders, Indices groups, Numbers sigmas,
                    Numbers prefactors, Numbers inverse_rs, bool solid, bool square,
                    Array<const double, -1, -1, 2> densities, int n_species, int n_features,
                    int threads, Arrays... arrays) {
            const nb::gil_scoped_release release;
            const Parameters parameters{orders.data(), groups.data(), sigmas.data(),
                                        prefactors.data(), inverse_rs.data(), densities.data(),
                                        n_features, n_species,
                                        static_cast<int>(densities.shape(1)), solid, square};
            operation({environment_of<T>(vectors, first, neighbors, species), parameters, threads},
                      arrays...);
        },
        fixed(0), fixed(1), fixed(2), fixed(3), fixed(4), fixed(5), fixed(6), fixed(7), fixed(8),
        nb::arg(), nb::arg(), fixed(9), nb::arg(), nb::arg(), nb::arg(),
        fixed(static_cast<Arrays*>(nullptr))...);
}

template <typename T>
void define_all(nb::module_& module) {
    define(module, "gmp_forward", Of<T>::forward);
    define(module, "gmp_jacobian", Of<T>::jacobian);
    define(module, "gmp_vjp", Of<T>::vjp);
    define(module, "gmp_jvp", Of<T>::jvp);
}

}  // namespace
}  // namespace gmp

void bind_gmp(nanobind::module_& module) {
    gmp::define_all<double>(module);
    gmp::define_all<float>(module);
}

}  // namespace amptorch
