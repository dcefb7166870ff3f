// What stands between a model's energies and eV.
#pragma once

#include <vector>

#include "entries.h"
#include "environment.h"

namespace amptorch::plugin {

// From the model's energies to eV, with the energies of elements.
class EnergyScale {
public:
    explicit EnergyScale(const Entries& entries)
        : scale_(entries.number("energy.scale")), constants_(entries.numbers("energy.constants")) {}

    void apply(const Environment<double>& atoms, double* energies, double* gradients) const {
        for (Index i = 0; i < atoms.n_atoms; ++i) {
            energies[i] = scale_ * energies[i] + constants_[atoms.species[i]];
        }
        const Index n = 3 * atoms.first[atoms.n_atoms];
        for (Index k = 0; k < n; ++k) gradients[k] *= scale_;
    }

private:
    const double scale_;
    const std::vector<double> constants_;  // [n_species]
};

}  // namespace amptorch::plugin
