// Switches the compiler to AVX-512, until avx2_end.h is included.
#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl")
#endif

#define AMPTORCH_ISA avx512
#define AMPTORCH_SIMD_BYTES 64
