// Binding of the symmetry functions: arrays in, a plan, and threads over centres.
#include "symmetry_functions.h"

#include "arrays.h"
#include "symmetry_functions_plan.h"
#include "symmetry_functions_workspace.h"

namespace amptorch {
namespace symmetry {
namespace {

template <typename T>
void run(const Task<T>& task, Operation operation, int threads) {
    const Kernel<T>& compiled = kernel<T>();
    const Index most = most_neighbors(task);
#pragma omp parallel num_threads(threads)
    {
        Shared<T> shared;
        const Workspace<T> workspace(task, most, compiled.width, shared);
#pragma omp for schedule(dynamic, 4)
        for (Index i = 0; i < task.n_atoms; ++i) {
            compiled.center(task, operation, i, workspace.scratch());
        }
    }
}

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

    Task<T> task(const Plan& plan) const {
        Task<T> task{};
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

    Plan plan(const Index* touch = nullptr, int n_touched = 0) const {
        return Plan({kinds.data(), values.data(), touch, static_cast<Index>(kinds.shape(0)),
                     n_species, n_touched});
    }
};

template <typename T>
using Matrix = Array<T, -1, -1>;

template <typename T>
void forward(const Inputs<T>& inputs, Matrix<T> features) {
    const Plan plan = inputs.plan();
    Task<T> task = inputs.task(plan);
    task.features = features.data();
    run(task, Operation::forward, inputs.threads);
}

template <typename T>
void jacobian(const Inputs<T>& inputs, Array<const Index, -1, -1, -1> touch, Matrix<T> features,
              Array<T, -1, -1, 3> blocks) {
    const int n_touched = static_cast<int>(touch.shape(2));
    const Plan plan = inputs.plan(touch.data(), n_touched);
    Task<T> task = inputs.task(plan);
    task.n_touched = n_touched;
    task.features = features.data();
    task.blocks = blocks.data();
    run(task, Operation::jacobian, inputs.threads);
}

template <typename T>
void vjp(const Inputs<T>& inputs, Matrix<const T> gradient, Array<T, -1, 3> pulled) {
    const Plan plan = inputs.plan();
    Task<T> task = inputs.task(plan);
    task.gradient = gradient.data();
    task.pulled = pulled.data();
    run(task, Operation::vjp, inputs.threads);
}

template <typename T>
void jvp(const Inputs<T>& inputs, Array<const T, -1, 3> changes, Matrix<T> features) {
    const Plan plan = inputs.plan();
    Task<T> task = inputs.task(plan);
    task.changes = changes.data();
    task.features = features.data();
    run(task, Operation::jvp, inputs.threads);
}

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
    define(module, "symmetry_functions_forward", forward<T>);
    define(module, "symmetry_functions_jacobian", jacobian<T>);
    define(module, "symmetry_functions_vjp", vjp<T>);
    define(module, "symmetry_functions_jvp", jvp<T>);
}

}  // namespace
}  // namespace symmetry

void bind_symmetry_functions(nanobind::module_& module) {
    symmetry::define_all<double>(module);
    symmetry::define_all<float>(module);
}

}  // namespace amptorch
