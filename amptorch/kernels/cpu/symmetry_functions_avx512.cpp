// The symmetry functions in float32 with AVX-512, used where the machine has it. In float64, whose vectors are
// half as long, it would be a tenth faster than AVX2, which has the same last bits on more machines.
#include "symmetry_functions.h"

#ifdef AMPTORCH_HAS_AVX512
#include "avx512_begin.h"
#include "symmetry_functions_kernel.h"
#include "avx2_end.h"
#endif
