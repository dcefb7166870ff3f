// The instruction sets that kernels are compiled for beside what the architecture always has.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define AMPTORCH_HAS_AVX2
// For what takes the time of multiplications: networks, bispectrum components, ACE. Not in the plugin of LAMMPS,
// which is compiled while somebody waits.
#ifndef AMPTORCH_FLOAT64_ONLY
#define AMPTORCH_HAS_AVX512
#endif
#endif
