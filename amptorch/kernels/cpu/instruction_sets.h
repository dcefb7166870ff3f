// The instruction sets that kernels are compiled for beside what the architecture always has.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define AMPTORCH_HAS_AVX2
#endif
