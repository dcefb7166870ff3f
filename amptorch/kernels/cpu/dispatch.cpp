// Which instruction set the kernels use, chosen once in a process.
#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace amptorch {
namespace {

constexpr const char* variable = "AMPTORCH_CPU_CAPABILITY";
constexpr const char* names[] = {"baseline", "avx2", "avx512"};

InstructionSet best() {
#ifdef AMPTORCH_HAS_AVX2
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return InstructionSet::baseline;
    }
    // VBMI2 is not used: processors that lack it slow down where vectors are that wide.
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return wide && __builtin_cpu_supports("avx512vbmi2") ? InstructionSet::avx512
                                                         : InstructionSet::avx2;
#else
    return InstructionSet::baseline;
#endif
}

InstructionSet named(const std::string& name) {
    int set = 0;
    while (set < 3 && name != names[set]) ++set;
    const std::string given = std::string(variable) + ": ";
    if (set == 3) {
        throw std::invalid_argument(given + "expected 'baseline', 'avx2' or 'avx512', got '" + name +
                                    "'");
    }
    if (set > static_cast<int>(best())) {
        throw std::invalid_argument(given + "'" + name + "' was asked for, but this machine has '" +
                                    name_of(best()) + "' at most");
    }
    return static_cast<InstructionSet>(set);
}

InstructionSet chosen() {
    const char* given = std::getenv(variable);
    return given && *given ? named(given) : best();
}

}  // namespace

InstructionSet instruction_set() {
    static const InstructionSet set = chosen();
    return set;
}

bool uses_avx2() { return instruction_set() >= InstructionSet::avx2; }

bool uses_avx512() { return instruction_set() >= InstructionSet::avx512; }

const char* name_of(InstructionSet set) { return names[static_cast<int>(set)]; }

}  // namespace amptorch
