// Switches the compiler back to what it was before avx2_begin.h or avx512_begin.h.
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
