#include "nep_zbl.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "screened.h"

namespace amptorch::plugin {

WithNepZbl::WithNepZbl(const Entries& entries, std::unique_ptr<Potential> rest)
    : n_species_(static_cast<Index>(entries.words("elements").size())), rest_(std::move(rest)) {
    const auto& table = entries.numbers("nep_zbl");
    for (Index k = 0; k < n_species_ * n_species_; ++k) {
        const double* const row = table.data() + 13 * k;
        Pair pair{row[0], row[1], row[2], row[3], row[4], {}};
        std::copy_n(row + 5, 8, pair.terms);
        pairs_.push_back(pair);
    }
}

Index WithNepZbl::evaluate(const Environment<double>& atoms, double* energies, double* gradients) {
    constexpr double pi = 3.141592653589793;
    const Index outside = rest_->evaluate(atoms, energies, gradients);
    for (Index i = 0; i < atoms.n_atoms; ++i) {
        for (Index k = atoms.first[i]; k < atoms.first[i + 1]; ++k) {
            const Index other = atoms.species[atoms.neighbors[k]];
            const Pair& pair = pairs_[atoms.species[i] * n_species_ + other];
            const double* const R = atoms.vectors + 3 * k;
            const double r = std::sqrt(R[0] * R[0] + R[1] * R[1] + R[2] * R[2]);
            if (r >= pair.end) continue;
            const Screened plain = screened(r, pair.screening, pair.terms);
            double share = 1, slope = 0;
            if (r > pair.inner) {
                const double rate = pi / (pair.outer - pair.inner), phase = rate * (r - pair.inner);
                share = 0.5 * (1 + std::cos(phase));
                slope = -0.5 * rate * std::sin(phase);
            }
            // Half of a pair's energy is an atom's.
            energies[i] += pair.size / 2 * plain.value * share;
            const double pull = pair.size / 2 * (plain.slope * share + plain.value * slope) / r;
            for (int a = 0; a < 3; ++a) gradients[3 * k + a] += pull * R[a];
        }
    }
    return outside;
}

}  // namespace amptorch::plugin
