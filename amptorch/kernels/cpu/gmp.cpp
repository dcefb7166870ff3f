#include "arrays.h"

namespace amptorch {

void bind_gmp(nanobind::module_&) {}

}  // namespace amptorch
