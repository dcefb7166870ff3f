// The repulsion of nuclei that NEP has, added to a potential; equations: potentials/nep/zbl.py.
#pragma once

#include <memory>
#include <vector>

#include "potential.h"

namespace amptorch::plugin {

class WithNepZbl : public Potential {
public:
    WithNepZbl(const Entries& entries, std::unique_ptr<Potential> rest);

    Index evaluate(const Environment<double>& atoms, double* energies,
                   double* gradients) override;
    bool has_grades() const override { return rest_->has_grades(); }
    void grades(const Environment<double>& atoms, double* grades) override {
        rest_->grades(atoms, grades);
    }

private:
    // What two elements share.
    struct Pair {
        double inner, end, outer, size, screening, terms[8];
    };

    std::vector<Pair> pairs_;  // [n_species, n_species]
    const Index n_species_;
    const std::unique_ptr<Potential> rest_;
};

}  // namespace amptorch::plugin
