// Products of pair Jacobians with what every machine of the architecture has (SSE2, NEON).
#include "pair_jacobian.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "pair_jacobian_kernel.h"
