// Descriptors: features of atoms, and what pulls dE/dG back to pairs, by the kernels of the package.
#pragma once

#include <memory>

#include "entries.h"
#include "environment.h"
#include "symmetry_functions_run.h"

namespace amptorch::plugin {

class Descriptor {
public:
    virtual ~Descriptor() = default;
    virtual void forward(const Environment<double>& atoms, double* features) const = 0;
    virtual void vjp(const Environment<double>& atoms, const double* slopes,
                     double* gradients) const = 0;
};

std::unique_ptr<Descriptor> make_descriptor(const Entries& entries);

// Of entries that say "descriptor words 1 symmetry_functions".
struct SymmetryFunctions {
    explicit SymmetryFunctions(const Entries& entries);

    symmetry::Plan plan;
    symmetry::Functions functions;
};

}  // namespace amptorch::plugin
