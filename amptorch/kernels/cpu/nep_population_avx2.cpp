// Populations of potentials with AVX2 and fused multiply-add, used where the machine has them.
#include "nep_population.h"

#ifdef AMPTORCH_HAS_AVX2
#include "avx2_begin.h"
#include "nep_population_kernel.h"
#include "avx2_end.h"
#endif
