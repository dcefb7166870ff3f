// The tables of a set of expansions, as the kernels read them. For the bindings alone.
#pragma once

#include <cmath>
#include <vector>

#include "spherical_expansion.h"

namespace amptorch::spherical {

template <typename T>
class Tables {
public:
    // Of SphericalExpansion in kernels/spherical_expansion.py.
    Tables(const Index* parts, int n_parts, const Index* kinds, const double* values,
           int n_values, int n_species)
        : n_species_(n_species), factors_(3 * most_functions) {
        for (int n = 0; n < most_functions; ++n) set_bessel(n);
        int offset = 0;
        for (int p = 0; p < n_parts; ++p) {
            const int number = static_cast<int>(parts[3 * p]);
            const int lowest = static_cast<int>(parts[3 * p + 1]);
            const int highest = static_cast<int>(parts[3 * p + 2]);
            const int n_harmonics = (highest + 1) * (highest + 1) - lowest * lowest;
            parts_.push_back({number, lowest, highest, n_harmonics, offset});
            offset += number * n_harmonics;
            n_columns_ = offset;
            for (int pair = 0; pair < n_species * n_species; ++pair) {
                const int at = p * n_species * n_species + pair;
                add(static_cast<Kind>(kinds[at]), number, values + n_values * at, n_values > 3);
            }
        }
    }

    void put(Task<T>& task) const {
        task.parts = parts_.data();
        task.radials = radials_.data();
        task.n_parts = static_cast<int>(parts_.size());
        task.n_species = n_species_;
        task.n_features = n_species_ * n_columns_;
    }

private:
    void add(Kind kind, int number, const double* values, bool inner) {
        const double cutoff = values[0];
        radials_.push_back({kind, number, T(cutoff), T(1 / cutoff), T(values[1]), T(values[2]),
                            T(std::pow(cutoff, -1.5)), factors_.data(),
                            T(inner ? values[3] : 0), T(inner ? values[4] : 0)});
    }

    // b_n is factor 0 times a sum of sines; g_n is factor 2 times (b_n + factor 1 times g_(n-1)).
    void set_bessel(int n) {
        const double pi = 3.141592653589793, sign = n % 2 ? -1 : 1;
        const double before = d_;
        double e = 0;
        if (n) {
            e = double(n) * n * (n + 2) * (n + 2) / (4 * std::pow(n + 1, 4) + 1);
            d_ = 1 - e / before;
        }
        factors_[3 * n] = T(sign * std::sqrt(2.0) * pi * (n + 1) * (n + 2) / std::hypot(n + 1, n + 2));
        factors_[3 * n + 1] = T(n ? std::sqrt(e / before) : 0);
        factors_[3 * n + 2] = T(1 / std::sqrt(d_));
    }

    int n_species_, n_columns_ = 0;  // of an element of neighbours
    double d_ = 1;
    std::vector<Part> parts_;
    std::vector<Radial<T>> radials_;
    std::vector<T> factors_;
};

}  // namespace amptorch::spherical
