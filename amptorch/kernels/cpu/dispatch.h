// The choice of instruction set at run time. For the bindings alone: nothing inline may get into
// what is compiled once per instruction set.
#pragma once

#include <type_traits>

#include "instruction_sets.h"

namespace amptorch {

#ifdef AMPTORCH_HAS_AVX2
inline bool has_avx2() {
    static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return has;
}
#endif

// Of two kernels of one instruction set the one for numbers of type T.
template <typename T, template <typename> class Kernel>
const Kernel<T>& of_type(const Kernel<double>& of_double, const Kernel<float>& of_float) {
    if constexpr (std::is_same_v<T, double>) return of_double;
    else return of_float;
}

}  // namespace amptorch
