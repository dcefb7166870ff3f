#include "arrays.h"

namespace amptorch {

void bind_symmetry_functions(nanobind::module_&) {}

}  // namespace amptorch
