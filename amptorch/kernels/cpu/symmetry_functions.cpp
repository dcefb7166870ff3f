// Binding of the symmetry functions.
#include "operations.h"
#include "symmetry_functions_run.h"

namespace amptorch {
namespace symmetry {
namespace {

// The arguments that all operations share.
template <typename T>
struct Inputs {
    Environment<T> atoms;
    Table table;  // without features that neighbours touch
    Functions functions;
    int threads;
};

template <typename T>
void run(const Inputs<T>& inputs, Operation operation, Task<T> task, Touch touch) {
    Table table = inputs.table;
    table.touch = touch.table;
    table.n_touched = touch.n;
    task.n_touched = touch.n;
    run(Plan(table), inputs.functions, inputs.atoms, inputs.threads, operation, task);
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
                    Indices species, Array<const Index, -1, 5> kinds,
                    Array<const double, -1, 6> values, double gamma, int n_species, int n_features,
                    int cutoff_type, double alpha, int threads, Arrays... arrays) {
            const nb::gil_scoped_release release;
            operation({environment_of<T>(vectors, first, neighbors, species),
                       {kinds.data(), values.data(), nullptr, static_cast<Index>(kinds.shape(0)),
                        n_species, 0},
                       {{gamma, cutoff_type, alpha}, n_species, n_features},
                       threads},
                      arrays...);
        },
        fixed(0), fixed(1), fixed(2), fixed(3), fixed(4), fixed(5), nb::arg(), nb::arg(),
        nb::arg(), nb::arg(), nb::arg(), nb::arg(), fixed(static_cast<Arrays*>(nullptr))...);
}

template <typename T>
void define_all(nb::module_& module) {
    define(module, "symmetry_functions_forward", Of<T>::forward);
    define(module, "symmetry_functions_jacobian", Of<T>::jacobian);
    define(module, "symmetry_functions_vjp", Of<T>::vjp);
    define(module, "symmetry_functions_jvp", Of<T>::jvp);
}

}  // namespace
}  // namespace symmetry

void bind_symmetry_functions(nanobind::module_& module) {
    symmetry::define_all<double>(module);
    symmetry::define_all<float>(module);
}

}  // namespace amptorch
