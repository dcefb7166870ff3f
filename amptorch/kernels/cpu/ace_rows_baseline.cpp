// Rows of cluster products with what every machine of the architecture has (SSE2, NEON).
#include "ace_rows.h"

#define AMPTORCH_ISA baseline
#define AMPTORCH_SIMD_BYTES 16
#include "ace_rows_kernel.h"
