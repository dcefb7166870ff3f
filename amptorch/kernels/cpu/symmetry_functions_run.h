// An operation on all atoms, by threads over centres. Without Python, and not for kernels, see dispatch.h.
#pragma once

#include "environment.h"
#include "symmetry_functions_plan.h"
#include "symmetry_functions_workspace.h"

namespace amptorch::symmetry {

// What a plan does not hold.
struct Functions {
    CutoffFunction cutoff_function;
    int n_species, n_features;
};

// `task` holds the arrays of the operation alone.
template <typename T>
void run(const Plan& plan, const Functions& functions, const Environment<T>& atoms, int threads,
         Operation operation, Task<T> task) {
    const Kernel<T>& compiled = kernel<T>();
    task.plans = plan.centers();
    task.max_channels = plan.max_channels();
    task.cutoff_function = functions.cutoff_function;
    task.n_species = functions.n_species;
    task.n_features = functions.n_features;
    task.n_atoms = atoms.n_atoms;
    task.vectors = atoms.vectors;
    task.first = atoms.first;
    task.neighbors = atoms.neighbors;
    task.species = atoms.species;
    const Index most = most_neighbors(task.first, task.n_atoms);
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

}  // namespace amptorch::symmetry
