// Spherical expansions with what every machine of the architecture has (SSE2, NEON).
#include "spherical_expansion.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "spherical_expansion_kernel.h"
