// An operation on all atoms, by threads. Without Python, and not for kernels, see dispatch.h.
#pragma once

#include "dispatch.h"
#include "environment.h"
#include "spherical_expansion.h"
#include "spherical_expansion_tables.h"

namespace amptorch::spherical {

template <typename T>
Kernel<T> kernel() {
#ifdef AMPTORCH_HAS_AVX2
    if (uses_avx2()) return avx2::run;
#endif
    return baseline::run;
}

// `task` holds the arrays of the operation, and their stride.
template <typename T>
void run(const Tables<T>& tables, const Environment<T>& atoms, int threads, Operation operation,
         Task<T> task) {
    tables.put(task);
    task.n_atoms = atoms.n_atoms;
    task.vectors = atoms.vectors;
    task.first = atoms.first;
    task.neighbors = atoms.neighbors;
    task.species = atoms.species;
    const Kernel<T> compiled = kernel<T>();
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8)
    for (Index atom = 0; atom < task.n_atoms; ++atom) compiled(task, operation, atom);
}

}  // namespace amptorch::spherical
