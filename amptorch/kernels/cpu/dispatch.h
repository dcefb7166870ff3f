// The choice of instruction set at run time. Not for kernels: nothing inline may get into what is
// compiled once per instruction set.
#pragma once

#include <type_traits>

#include "instruction_sets.h"

namespace amptorch {

enum class InstructionSet { baseline, avx2, avx512 };

// The best that the machine has, unless the environment variable AMPTORCH_CPU_CAPABILITY, which is
// read once, says otherwise.
// Throws std::invalid_argument where it names what is unknown or what the machine lacks.
InstructionSet instruction_set();

// As the variable has it.
const char* name_of(InstructionSet set);

// Whether the kernels of AVX2 with FMA run, if there are none for more.
bool uses_avx2();
bool uses_avx512();

// Of two kernels of one instruction set the one for numbers of type T.
template <typename T, template <typename> class Kernel>
const Kernel<T>& of_type(const Kernel<double>& of_double, const Kernel<float>& of_float) {
    if constexpr (std::is_same_v<T, double>) return of_double;
    else return of_float;
}

// The kernel of this machine for numbers of type T, of those by two names in the namespaces of instruction
// sets; of that for double alone where a program is built for it.
#ifdef AMPTORCH_FLOAT64_ONLY
#define AMPTORCH_OF_TYPE(T, Kernel, of_double, of_float) of_double
#else
#define AMPTORCH_OF_TYPE(T, Kernel, of_double, of_float) of_type<T, Kernel>(of_double, of_float)
#endif
#ifdef AMPTORCH_HAS_AVX2
#define AMPTORCH_KERNEL(T, Kernel, of_double, of_float)                          \
    (uses_avx2() ? AMPTORCH_OF_TYPE(T, Kernel, avx2::of_double, avx2::of_float) \
                 : AMPTORCH_OF_TYPE(T, Kernel, baseline::of_double, baseline::of_float))
#else
#define AMPTORCH_KERNEL(T, Kernel, of_double, of_float) \
    AMPTORCH_OF_TYPE(T, Kernel, baseline::of_double, baseline::of_float)
#endif

}  // namespace amptorch
