// Extrapolation grades of atoms of one element, from the functions that ACE is made of; see
// potentials/active_set.py.
#pragma once

#include <string>
#include <vector>

#include "entries.h"
#include "environment.h"

namespace amptorch::plugin {

class Grades {
public:
    Grades(const Entries& entries, const std::string& element);

    // Without an active set there are none.
    bool known() const { return n_ > 0; }

    // max_k |(B A^-1)_k| of atoms, into grades[atoms[.]], from the terms [., n_terms] that functions B
    // are sums of.
    void evaluate(const std::vector<Index>& atoms, const double* terms, Index n_terms,
                  double* grades);

private:
    struct Part {
        Index term, function;
        double weight;
    };

    std::vector<Part> parts_;
    std::vector<double> columns_;  // [n, n], of A^-1
    Index n_ = 0;
    std::vector<double> functions_;  // [n, atoms] of a block of atoms
};

}  // namespace amptorch::plugin
