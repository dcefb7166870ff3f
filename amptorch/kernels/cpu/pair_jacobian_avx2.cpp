// Products of pair Jacobians with AVX2 and fused multiply-add, used where the machine has them.
#include "pair_jacobian.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "pair_jacobian_kernel.h"
#include "avx2_end.h"
#endif
