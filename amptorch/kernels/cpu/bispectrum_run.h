// An operation on all atoms, by threads over blocks of atoms. Without Python, and not for kernels, see
// dispatch.h.
#pragma once

#include <vector>

#include "aligned.h"
#include "bispectrum.h"
#include "bispectrum_plan.h"
#include "dispatch.h"
#include "environment.h"

namespace amptorch::bispectrum {

template <typename T>
const Kernel<T>& kernel() {
#ifdef AMPTORCH_HAS_AVX512
    if (uses_avx512()) return AMPTORCH_OF_TYPE(T, Kernel, avx512::double_kernel, avx512::float_kernel);
#endif
    return AMPTORCH_KERNEL(T, Kernel, double_kernel, float_kernel);
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

inline bool has_inner_switch(const Parameters& parameters) {
    const int n_pairs = parameters.n_species * parameters.n_species;
    for (int pair = 0; pair < n_pairs; ++pair) {
        const double* values = parameters.pairs + 3 * pair;
        if (values[1] != 0 || values[2] != 0) return true;
    }
    return false;
}

// `task` holds the arrays of the operation, and how many features neighbours touch.
template <typename T>
void run(const Plan<T>& plan, const Parameters& parameters, const Environment<T>& atoms,
         int threads, Operation operation, Task<T> task) {
    const Kernel<T>& compiled = kernel<T>();
    task.tables = plan.tables();
    task.rfac0 = static_cast<T>(parameters.rfac0);
    task.rmin0 = static_cast<T>(parameters.rmin0);
    task.outer = parameters.outer;
    task.inner = has_inner_switch(parameters);
    task.self_all = parameters.self_all;
    task.n_species = parameters.n_species;
    task.n_features = parameters.n_features;
    task.n_atoms = atoms.n_atoms;
    task.vectors = atoms.vectors;
    task.first = atoms.first;
    task.neighbors = atoms.neighbors;
    task.species = atoms.species;
    const Index most = most_neighbors(task.first, task.n_atoms);
    const Sizes sizes = compiled.sizes(task, operation, most);
    const Index n_blocks = (task.n_atoms + compiled.width - 1) / compiled.width;
#pragma omp parallel num_threads(threads)
    {
        const Workspace<T> workspace(sizes, most);
#pragma omp for schedule(dynamic, 1)
        for (Index block = 0; block < n_blocks; ++block) {
            compiled.block(task, operation, block, workspace.scratch());
        }
    }
}

}  // namespace amptorch::bispectrum
