// Populations of potentials with what every machine of the architecture has (SSE2, NEON).
#include "nep_population.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "nep_population_kernel.h"
