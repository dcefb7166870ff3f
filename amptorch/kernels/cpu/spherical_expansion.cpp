// Binding of the spherical expansions: arrays in, tables, and threads over atoms.
#include "spherical_expansion_run.h"

#include "operations.h"

namespace amptorch {
namespace spherical {
namespace {

using Indices = Array<const Index, -1>;

// The arguments that all operations share.
template <typename T>
struct Inputs {
    Array<const T, -1, 3> vectors;
    Indices first, neighbors, species;
    const Tables<T>& tables;
    int n_features, threads;
};

template <typename T>
void run(const Inputs<T>& inputs, Operation operation, Task<T> task, Touch /* no Jacobian */) {
    task.stride = inputs.n_features;
    const auto n_atoms = static_cast<Index>(inputs.species.shape(0));
    run(inputs.tables,
        {inputs.vectors.data(), inputs.first.data(), inputs.neighbors.data(), inputs.species.data(),
         n_atoms},
        inputs.threads, operation, task);
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
                    Indices species, Array<const Index, -1, 3> parts,
                    Array<const Index, -1, -1, -1> kinds, Array<const double, -1, -1, -1, -1> values,
                    int n_species, int n_features, int threads, Arrays... arrays) {
            const nb::gil_scoped_release release;
            const Tables<T> tables(parts.data(), static_cast<int>(parts.shape(0)), kinds.data(),
                                   values.data(), static_cast<int>(values.shape(3)), n_species);
            operation({vectors, first, neighbors, species, tables, n_features, threads}, arrays...);
        },
        fixed(0), fixed(1), fixed(2), fixed(3), fixed(4), fixed(5), fixed(6), nb::arg(), nb::arg(),
        nb::arg(), fixed(static_cast<Arrays*>(nullptr))...);
}

template <typename T>
void define_all(nb::module_& module) {
    define(module, "spherical_expansion_forward", Of<T>::forward);
    define(module, "spherical_expansion_vjp", Of<T>::vjp);
    define(module, "spherical_expansion_jvp", Of<T>::jvp);
}

}  // namespace
}  // namespace spherical

void bind_spherical_expansion(nanobind::module_& module) {
    spherical::define_all<double>(module);
    spherical::define_all<float>(module);
}

}  // namespace amptorch
