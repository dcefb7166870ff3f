// Cluster products with AVX2 and fused multiply-add, used where the machine has them.
#include "ace.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "ace_kernel.h"
#include "avx2_end.h"
#endif
