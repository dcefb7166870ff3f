// Binding of the bispectrum components: arrays in, a plan, and threads over blocks of atoms.
#include "bispectrum.h"

#include <vector>

#include "aligned.h"
#include "bispectrum_plan.h"
#include "dispatch.h"
#include "operations.h"

namespace amptorch {
namespace bispectrum {
namespace {

template <typename T>
const Kernel<T>& kernel() {
#ifdef AMPTORCH_HAS_AVX2
    if (uses_avx2()) return of_type<T, Kernel>(avx2::double_kernel, avx2::float_kernel);
#endif
    return of_type<T, Kernel>(baseline::double_kernel, baseline::float_kernel);
}

// The memory behind one thread's Scratch.
template <typename T>
class Workspace {
public:
    Workspace(const Sizes& sizes, Index max_neighbors)
        : numbers_(sizes.numbers),
          places_(static_cast<std::size_t>(sizes.places)),
          scratch_{numbers_.data(), places_.data(), max_neighbors} {}

    const Scratch<T>& scratch() const { return scratch_; }

private:
    Aligned<T> numbers_;
    std::vector<int> places_;
    Scratch<T> scratch_;
};

using Indices = Array<const Index, -1>;
using Numbers = Array<const double, -1>;

// The arguments that all operations share.
template <typename T>
struct Inputs {
    Array<const T, -1, 3> vectors;
    Indices first, neighbors, species;
    Parameters parameters;
    int threads;

    Plan<T> plan(Touch touch) const { return Plan<T>(parameters, touch.table, touch.n); }

    Task<T> task(const Plan<T>& plan, Task<T> task) const {
        task.tables = plan.tables();
        task.rfac0 = static_cast<T>(parameters.rfac0);
        task.rmin0 = static_cast<T>(parameters.rmin0);
        task.outer = parameters.outer;
        task.inner = has_inner_switch();
        task.self_all = parameters.self_all;
        task.n_species = parameters.n_species;
        task.n_features = parameters.n_features;
        task.n_atoms = static_cast<Index>(species.shape(0));
        task.vectors = vectors.data();
        task.first = first.data();
        task.neighbors = neighbors.data();
        task.species = species.data();
        return task;
    }

private:
    bool has_inner_switch() const {
        const int n_pairs = parameters.n_species * parameters.n_species;
        for (int pair = 0; pair < n_pairs; ++pair) {
            const double* values = parameters.pairs + 3 * pair;
            if (values[1] != 0 || values[2] != 0) return true;
        }
        return false;
    }
};

template <typename T>
void run(const Inputs<T>& inputs, Operation operation, Task<T> outputs, Touch touch) {
    const Kernel<T>& compiled = kernel<T>();
    const Plan<T> plan = inputs.plan(touch);
    Task<T> task = inputs.task(plan, outputs);
    task.n_touched = touch.n;
    const Index most = most_neighbors(task.first, task.n_atoms);
    const Sizes sizes = compiled.sizes(task, operation, most);
    const Index n_blocks = (task.n_atoms + compiled.width - 1) / compiled.width;
#pragma omp parallel num_threads(inputs.threads)
    {
        const Workspace<T> workspace(sizes, most);
#pragma omp for schedule(dynamic, 1)
        for (Index block = 0; block < n_blocks; ++block) {
            compiled.block(task, operation, block, workspace.scratch());
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
                    Indices species, Numbers couplings, Array<const double, -1, -1, 3> pairs,
                    Numbers weights, int twojmax, double rfac0, double rmin0, bool outer, bool zero,
                    bool normalize, bool chemical, bool self_all, int n_species, int n_features,
                    int threads, Arrays... arrays) {
            const nb::gil_scoped_release release;
            const Parameters parameters{couplings.data(), pairs.data(), weights.data(), twojmax,
                                        rfac0, rmin0, outer, zero, normalize, chemical, self_all,
                                        n_species, n_features};
            operation({vectors, first, neighbors, species, parameters, threads}, arrays...);
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
