// Potentials of a descriptor, scaled features and a model, in one pass where there is one.
#include <utility>
#include <vector>

#include "energy_scale.h"
#include "fingerprints.h"
#include "force_pass.h"
#include "models.h"
#include "potential.h"
#include "scaling.h"

namespace amptorch::plugin {
namespace {

Scaling<double> scaling_of(const Entries& entries) {
    return {static_cast<int>(entries.integer("descriptor.n_features")),
            entries.numbers("scaling.factors"), entries.numbers("scaling.shifts"),
            entries.numbers("scaling.low"), entries.numbers("scaling.high")};
}

// Memory that grows.
double* room(std::vector<double>& numbers, Index size) {
    if (static_cast<Index>(numbers.size()) < size) numbers.resize(size);
    return numbers.data();
}

class InStages : public Potential {
public:
    explicit InStages(const Entries& entries)
        : energy_(entries), scaling_(scaling_of(entries)), descriptor_(make_descriptor(entries)),
          model_(make_model(entries)) {}

    Index evaluate(const Environment<double>& atoms, double* energies,
                   double* gradients) override {
        const Index n = atoms.n_atoms, width = scaling_.n_features;
        double* const features = room(features_, n * width);
        double* const slopes = room(slopes_, n * width);
        descriptor_->forward(atoms, features);
        Index outside = 0;
        for (Index i = 0; i < n; ++i) {
            double* const own = features + i * width;
            outside += scaling_.scale(atoms.species[i], own, own);
        }
        model_->evaluate(n, atoms.species, features, energies, slopes);
        for (Index i = 0; i < n; ++i) {
            scaling_.pull(atoms.species[i], slopes + i * width, slopes + i * width);
        }
        descriptor_->vjp(atoms, slopes, gradients);
        energy_.apply(atoms, energies, gradients);
        return outside;
    }

private:
    const EnergyScale energy_;
    const Scaling<double> scaling_;
    const std::unique_ptr<Descriptor> descriptor_;
    const std::unique_ptr<Model> model_;
    std::vector<double> features_, slopes_;
};

class InOnePass : public Potential {
public:
    explicit InOnePass(const Entries& entries) : InOnePass(entries, SymmetryFunctions(entries)) {}

    Index evaluate(const Environment<double>& atoms, double* energies,
                   double* gradients) override {
        double* const features = room(features_, atoms.n_atoms * n_features_);
        double* const slopes = room(slopes_, atoms.n_atoms * n_features_);
        const Index outside = pass_.run(atoms, {features, energies, slopes, gradients, true}, 1);
        energy_.apply(atoms, energies, gradients);
        return outside;
    }

private:
    InOnePass(const Entries& entries, SymmetryFunctions functions)
        : energy_(entries), n_features_(functions.functions.n_features),
          pass_({std::move(functions.plan), functions.functions.cutoff_function,
                 scaling_of(entries), networks_of(entries)}) {}

    const EnergyScale energy_;
    const Index n_features_;
    const force_pass::ForcePass<double> pass_;
    std::vector<double> features_, slopes_;
};

}  // namespace

std::unique_ptr<Potential> make_fingerprint_potential(const Entries& entries) {
    const bool functions = entries.word("descriptor") == "symmetry_functions";
    if (functions && entries.word("model") == "networks") {
        return std::make_unique<InOnePass>(entries);
    }
    return std::make_unique<InStages>(entries);
}

}  // namespace amptorch::plugin
