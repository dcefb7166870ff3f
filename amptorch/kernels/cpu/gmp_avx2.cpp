// The Gaussian multipoles with AVX2 and fused multiply-add, used where the machine has them.
#include "gmp_kernel.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "gmp_center.h"
#include "avx2_end.h"
#endif
