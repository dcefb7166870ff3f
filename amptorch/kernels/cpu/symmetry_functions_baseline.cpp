// The symmetry functions with what every machine of the architecture has (SSE2, NEON).
#include "symmetry_functions.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "symmetry_functions_kernel.h"
