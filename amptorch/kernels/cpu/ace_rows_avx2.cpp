// Rows of cluster products with AVX2 and fused multiply-add, used where the machine has them.
#include "ace_rows.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "ace_rows_kernel.h"
#include "avx2_end.h"
#endif
