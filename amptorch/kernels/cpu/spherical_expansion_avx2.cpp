// Spherical expansions with AVX2 and fused multiply-add, used where the machine has them.
#include "spherical_expansion.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "spherical_expansion_kernel.h"
#include "avx2_end.h"
#endif
