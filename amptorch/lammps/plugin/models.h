// Models: energies of atoms and their slopes from scaled features.
#pragma once

#include <memory>

#include "entries.h"
#include "environment.h"
#include "networks_model.h"

namespace amptorch::plugin {

class Model {
public:
    virtual ~Model() = default;

    // Energies [n] and dE/dG [n, n_features] of atoms of some species [n] from features [n, n_features].
    virtual void evaluate(Index n, const Index* species, const double* features, double* energies,
                          double* slopes) = 0;
};

std::unique_ptr<Model> make_model(const Entries& entries);

// Of entries that say "model words 1 networks".
networks::Model<double> networks_of(const Entries& entries);

}  // namespace amptorch::plugin
