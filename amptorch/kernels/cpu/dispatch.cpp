// Which instruction set the kernels use, chosen once in a process.
#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace amptorch {
namespace {

constexpr const char* variable = "AMPTORCH_CPU_CAPABILITY";

bool has_avx2() {
#ifdef AMPTORCH_HAS_AVX2
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

bool chosen() {
    const char* given = std::getenv(variable);
    const std::string name = given ? given : "";
    if (name.empty()) return has_avx2();
    if (name == "baseline") return false;
    if (name != "avx2") {
        throw std::invalid_argument(std::string(variable) +
                                    ": expected 'baseline' or 'avx2', got '" + name + "'");
    }
    if (!has_avx2()) {
        throw std::invalid_argument(std::string(variable) +
                                    ": 'avx2' was asked for, but this machine has no AVX2 with FMA");
    }
    return true;
}

}  // namespace

bool uses_avx2() {
    static const bool uses = chosen();
    return uses;
}

}  // namespace amptorch
