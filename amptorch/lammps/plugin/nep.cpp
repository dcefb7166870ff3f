// Neuroevolution potentials, by the pass of the package.
#include <algorithm>
#include <vector>

#include "energy_scale.h"
#include "nep_pass_model.h"
#include "potential.h"

namespace amptorch::plugin {
namespace {

using namespace spherical::nep;

// The two integers of an entry, radial and angular.
void copy_two(const Entries& entries, const char* name, int (&to)[2]) {
    const auto& from = entries.integers(name);
    for (int part = 0; part < 2; ++part) to[part] = static_cast<int>(from.at(part));
}

Numbers<double> numbers_of(const Entries& entries) {
    Numbers<double> found{};
    found.parameters = entries.numbers("nep.parameters").data();
    found.scales = entries.numbers("nep.scales").data();
    found.cutoffs = entries.numbers("nep.cutoffs").data();
    found.n_species = static_cast<int>(entries.words("elements").size());
    found.n_networks = static_cast<int>(entries.integer("nep.n_networks"));
    copy_two(entries, "nep.n_max", found.n_max);
    copy_two(entries, "nep.basis_size", found.basis_size);
    found.l_max = static_cast<int>(entries.integer("nep.l_max"));
    const auto& neurons = entries.integers("nep.neurons");
    found.neurons.assign(neurons.begin(), neurons.end());
    found.own_constants = entries.integer("nep.own_constants") != 0;
    const auto &places = entries.integers("nep.places"), &ends = entries.integers("nep.ends");
    const auto& factors = entries.numbers("nep.factors");
    for (std::size_t i = 0; i < factors.size(); ++i) {
        const auto place = [&](int k) { return static_cast<int>(places.at(3 * i + k)); };
        found.terms.push_back({place(0), place(1), place(2), factors[i]});
    }
    for (std::size_t i = 0; i < ends.size(); ++i) {
        const int begin = i ? found.invariants[i - 1].end : 0;
        found.invariants.push_back({begin, static_cast<int>(ends[i])});
    }
    return found;
}

class Nep : public Potential {
public:
    explicit Nep(const Entries& entries) : energy_(entries), pass_(numbers_of(entries)) {}

    Index evaluate(const Environment<double>& atoms, double* energies,
                   double* gradients) override {
        descriptors_.resize(atoms.n_atoms * pass_.n_descriptors());
        pass_.run({atoms.vectors, atoms.first, atoms.neighbors, atoms.species,
                   descriptors_.data(), energies, gradients},
                  atoms.n_atoms, 1);
        energy_.apply(atoms, energies, gradients);
        return 0;
    }

private:
    const EnergyScale energy_;
    const spherical::nep::Potential<double> pass_;
    std::vector<double> descriptors_;
};

}  // namespace

std::unique_ptr<Potential> make_nep(const Entries& entries) {
    return std::make_unique<Nep>(entries);
}

}  // namespace amptorch::plugin
