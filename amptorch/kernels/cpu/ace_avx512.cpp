// Cluster products with AVX-512, used where the machine has it.
#include "ace.h"

#ifdef AMPTORCH_HAS_AVX512
#include "avx512_begin.h"
#include "ace_kernel.h"
#include "avx2_end.h"
#endif
