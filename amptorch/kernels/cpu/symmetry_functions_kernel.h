// The kernel of one instruction set: everything around one centre.
// A source file sets AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the
// instruction set, and includes this: all code lies in the namespace of the instruction set, so
// that the linker never mixes them up.

namespace amptorch::symmetry::AMPTORCH_ISA {

#include "simd.h"
#include "symmetry_functions_pack.h"
#include "symmetry_functions_cutoff_types.h"
#include "symmetry_functions_cutoff.h"
#include "symmetry_functions_center.h"
#include "symmetry_functions_triples.h"
#include "symmetry_functions_moments.h"
#include "symmetry_functions_triangles.h"
#include "symmetry_functions_forces.h"

template <typename T, Operation op>
void run(const Task<T>& task, Index atom, const Scratch<T>& scratch) {
    Center<T> c(task, atom, scratch);
    assign_places(c);
    prepare_distances<T, op>(c);
    prepare_channels<T, op>(c);
    if constexpr (needs_gradient(op)) prepare_gradients<T, op>(c);
    if constexpr (op != Operation::vjp) {
        for (int feature = 0; feature < task.n_features; ++feature) c.features()[feature] = 0;
    }
    for (int n = 0; n < c.plan.n_radial; ++n) sum_radial<T, op>(c, c.plan.radial[n]);
    for (int n = 0; n < c.plan.n_groups; ++n) {
        const Group& group = c.plan.groups[n];
        if (group.closed) sum_angular<T, op, true>(c, group);
        else if (prefers_moments<T, op>(c, group)) sum_by_moments<T, op>(c, group);
        else sum_angular<T, op, false>(c, group);
    }
    if constexpr (op == Operation::vjp) write_pulled(c);
    if constexpr (op == Operation::jacobian) write_blocks(c);
}

template <typename T>
void run_any(const Task<T>& task, Operation op, Index atom, const Scratch<T>& scratch) {
    switch (op) {
        case Operation::forward: return run<T, Operation::forward>(task, atom, scratch);
        case Operation::jacobian: return run<T, Operation::jacobian>(task, atom, scratch);
        case Operation::vjp: return run<T, Operation::vjp>(task, atom, scratch);
        case Operation::jvp: return run<T, Operation::jvp>(task, atom, scratch);
    }
}

#if AMPTORCH_SIMD_BYTES < 64
const Kernel<double> double_kernel{run_any<double>, prepare<double>, features<double>, pull<double>,
                                   width<double>};
#endif
#ifndef AMPTORCH_FLOAT64_ONLY
const Kernel<float> float_kernel{run_any<float>, prepare<float>, features<float>, pull<float>,
                                 width<float>};
#endif

}  // namespace amptorch::symmetry::AMPTORCH_ISA
