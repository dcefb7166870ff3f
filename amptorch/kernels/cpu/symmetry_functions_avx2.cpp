// The symmetry functions with AVX2 and fused multiply-add, used where the machine has them.
#include "symmetry_functions.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "symmetry_functions_kernel.h"
#include "avx2_end.h"
#endif
