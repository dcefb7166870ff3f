// From the rows of SymmetryFunctions to sums with shared parts.
#pragma once

#include <vector>

#include "symmetry_functions.h"

namespace amptorch::symmetry {

// The parameter tables as Python holds them, see kernels/symmetry_functions.py.
struct Table {
    const Index* kinds;     // [n_functions, 5]
    const double* values;   // [n_functions, 6]
    const Index* touch;     // [n_species, n_species, n_touched], or null
    Index n_functions;
    int n_species, n_touched;
};

class Plan {
public:
    explicit Plan(const Table& table);

    const CenterPlan* centers() const { return views_.data(); }
    int max_channels() const;

private:
    struct Center {
        std::vector<RadialTerm> radial;
        std::vector<Channel> channels;
        std::vector<Group> groups;
        std::vector<int> slots, n_slots;
    };

    std::vector<Center> centers_;
    std::vector<CenterPlan> views_;
};

}  // namespace amptorch::symmetry
