// The bispectrum components with AVX2 and fused multiply-add, used where the machine has them.
#include "bispectrum.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "bispectrum_kernel.h"
#include "avx2_end.h"
#endif
