// Rows of cluster products with AVX-512, used where the machine has it.
#include "ace_rows.h"

#ifdef AMPTORCH_HAS_AVX512
#include "avx512_begin.h"
#include "ace_rows_kernel.h"
#include "avx2_end.h"
#endif
