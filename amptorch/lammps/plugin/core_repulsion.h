// What keeps atoms apart in ACE: two numbers of an atom, see kernels/core_repulsion.py.
#pragma once

#include <vector>

#include "entries.h"
#include "environment.h"

namespace amptorch::plugin {

class CoreRepulsion {
public:
    explicit CoreRepulsion(const Entries& entries);

    bool is_zbl() const { return kind_ == Kind::zbl; }

    // rho and f of atoms, into the last two of their features [n_atoms, stride].
    void forward(const Environment<double>& atoms, double* features, Index stride);

    // Adds what slopes dE/d(rho, f), the last two of [n_atoms, stride], give to pairs; after forward.
    void add_pulled(const Environment<double>& atoms, const double* slopes, Index stride,
                    double* gradients) const;

private:
    enum class Kind { density, distance, zbl };

    // What two elements share; zbl has the energy's size, and what takes it to 0.
    struct Pair {
        double cutoff, width, prefactor, exponent, inner, inner_width;
        double size, inverse_length, third, fourth, shift;
    };

    struct Nearest {
        Index pair;     // -1 without
        double slope;   // df/dr
    };

    const Pair& pair(Index one, Index other) const { return pairs_[one * n_species_ + other]; }
    void add_term(const Pair& pair, double r, double& density, double& slope) const;

    Kind kind_;
    Index n_species_;
    bool acts_;
    std::vector<Pair> pairs_;      // [n_species, n_species]
    std::vector<double> slopes_;   // [n_pairs], dv/dr
    std::vector<Nearest> nearest_;  // [n_atoms]
};

}  // namespace amptorch::plugin
