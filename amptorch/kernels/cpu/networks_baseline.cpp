// The networks with what every machine of the architecture has (SSE2, NEON).
#include "networks.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "networks_kernel.h"
