// The networks with AVX2 and fused multiply-add, used where the machine has them.
#include "networks.h"

#ifdef AMPTORCH_HAS_AVX2

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define AMPTORCH_ISA avx2
#define AMPTORCH_SIMD_BYTES 32
#include "networks_kernel.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
