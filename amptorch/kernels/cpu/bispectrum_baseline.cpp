// The bispectrum components with what every machine of the architecture has (SSE2, NEON).
#include "bispectrum.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "bispectrum_kernel.h"
