// What LAMMPS asks a plugin for. The struct is that of its header lammpsplugin.h, which not all
// installations bring.
#include "pair_amptorch.h"

namespace {

struct Plugin {
    const char *version, *style, *name, *info, *author;
    union {
        void* (*one)(void*);
        void* (*more)(void*, int, char**);
    } creator;
    void* handle;
};

void* create(void* lammps) {
    return new LAMMPS_NS::PairAmptorch(static_cast<LAMMPS_NS::LAMMPS*>(lammps));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lammps, void* handle,
                                                                         void* registers) {
    Plugin plugin{AMPTORCH_LAMMPS_VERSION, "pair", "amptorch", "pair_style amptorch",
                  "the developers of amptorch", {create}, handle};
    reinterpret_cast<void (*)(Plugin*, void*)>(registers)(&plugin, lammps);
}
