// The Gaussian multipoles with what every machine of the architecture has (SSE2, NEON).
#include "gmp_kernel.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "gmp_center.h"
