// The bispectrum components with AVX-512, used where the machine has it.
#include "bispectrum.h"

#ifdef AMPTORCH_HAS_AVX512
#include "avx512_begin.h"
#include "bispectrum_kernel.h"
#include "avx2_end.h"
#endif
