// What a pair style knows of a potential. A family of potentials is a class derived from Potential, in a
// file of its own, and a line of potential.cpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "entries.h"
#include "environment.h"

namespace amptorch::plugin {

class Potential {
public:
    virtual ~Potential() = default;

    // Energies [n_atoms] (eV) of atoms and gradients dE_i/dR_ij [n_pairs, 3] (eV/Å) of their pairs, from
    // all neighbours within the cutoff. Returns how many atoms lie outside the range seen in training.
    virtual Index evaluate(const Environment<double>& atoms, double* energies,
                           double* gradients) = 0;

    // Whether it knows extrapolation grades.
    virtual bool has_grades() const { return false; }

    // These [n_atoms], of the atoms that were evaluated last.
    virtual void grades(const Environment<double>&, double*) {}
};

// The potential of a file, whose species are its elements.
// Throws std::runtime_error or std::invalid_argument: none that is known here.
std::unique_ptr<Potential> make_potential(const Entries& entries);

// Fixed functions of the neighbours within a cutoff and a model of them.
std::unique_ptr<Potential> make_fingerprint_potential(const Entries& entries);

// Neuroevolution potentials.
std::unique_ptr<Potential> make_nep(const Entries& entries);

// The atomic cluster expansion.
std::unique_ptr<Potential> make_ace(const Entries& entries);

}  // namespace amptorch::plugin
