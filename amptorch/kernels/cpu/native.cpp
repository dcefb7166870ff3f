// The Python module amptorch._native: one function a kernel operation.
#include "arrays.h"
#include "dispatch.h"

namespace amptorch {

void bind_symmetry_functions(nanobind::module_& module);
void bind_gmp(nanobind::module_& module);
void bind_bispectrum(nanobind::module_& module);
void bind_spherical_expansion(nanobind::module_& module);
void bind_neighbors(nanobind::module_& module);
void bind_neighbor_list(nanobind::module_& module);
void bind_pair_jacobian(nanobind::module_& module);
void bind_pair_sums(nanobind::module_& module);
void bind_networks(nanobind::module_& module);
void bind_batch_loss(nanobind::module_& module);
void bind_force_pass(nanobind::module_& module);
void bind_nep_pass(nanobind::module_& module);
void bind_nep_population(nanobind::module_& module);
void bind_ace(nanobind::module_& module);
void bind_ace_rows(nanobind::module_& module);

}  // namespace amptorch

NB_MODULE(_native, module) {
    // Potentials that live until the program ends are not worth a message.
    nanobind::set_leak_warnings(false);
    module.def("cpu_capability", [] { return amptorch::name_of(amptorch::instruction_set()); });
    amptorch::bind_symmetry_functions(module);
    amptorch::bind_gmp(module);
    amptorch::bind_bispectrum(module);
    amptorch::bind_spherical_expansion(module);
    amptorch::bind_neighbors(module);
    amptorch::bind_neighbor_list(module);
    amptorch::bind_pair_jacobian(module);
    amptorch::bind_pair_sums(module);
    amptorch::bind_networks(module);
    amptorch::bind_batch_loss(module);
    amptorch::bind_force_pass(module);
    amptorch::bind_nep_pass(module);
    amptorch::bind_nep_population(module);
    amptorch::bind_ace(module);
    amptorch::bind_ace_rows(module);
}
