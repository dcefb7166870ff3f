// Switches the compiler to AVX2 and fused multiply-add, until avx2_end.h is included.
#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define AMPTORCH_ISA avx2
#define AMPTORCH_SIMD_BYTES 32
