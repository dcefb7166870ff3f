// Binding of the symmetry functions: arrays in, a plan, and threads over centres.
#include "symmetry_functions.h"

#include "operations.h"
#include "symmetry_functions_plan.h"
#include "symmetry_functions_workspace.h"

namespace amptorch {
namespace symmetry {
namespace {

using Indices = Array<const Index, -1>;

// The arguments that all operations share.
template <typename T>
struct Inputs {
    Array<const T, -1, 3> vectors;
    Indices first, neighbors, species;
    Array<const Index, -1, 5> kinds;
    Array<const double, -1, 6> values;
    CutoffFunction cutoff_function;
    int n_species, n_features, threads;

    Task<T> task(const Plan& plan, Task<T> task) const {
        task.plans = plan.centers();
        task.max_channels = plan.max_channels();
        task.cutoff_function = cutoff_function;
        task.n_species = n_species;
        task.n_features = n_features;
        task.n_atoms = static_cast<Index>(species.shape(0));
        task.vectors = vectors.data();
        task.first = first.data();
        task.neighbors = neighbors.data();
        task.species = species.data();
        return task;
    }

    Plan plan(Touch touch) const {
        return Plan({kinds.data(), values.data(), touch.table, static_cast<Index>(kinds.shape(0)),
                     n_species, touch.n});
    }
};

template <typename T>
void run(const Inputs<T>& inputs, Operation operation, Task<T> outputs, Touch touch) {
    const Kernel<T>& compiled = kernel<T>();
    const Plan plan = inputs.plan(touch);
    Task<T> task = inputs.task(plan, outputs);
    task.n_touched = touch.n;
    const Index most = most_neighbors(task.first, task.n_atoms);
#pragma omp parallel num_threads(inputs.threads)
    {
        Shared<T> shared;
        const Workspace<T> workspace(task, most, compiled.width, shared);
#pragma omp for schedule(dynamic, 4)
        for (Index i = 0; i < task.n_atoms; ++i) {
            compiled.center(task, operation, i, workspace.scratch());
        }
    }
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
            operation({vectors, first, neighbors, species, kinds, values,
                       {gamma, cutoff_type, alpha}, n_species, n_features, threads},
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
