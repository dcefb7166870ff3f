// From the parameters of a Bispectrum to the tables of its kernels.
#pragma once

#include <vector>

#include "bispectrum.h"

namespace amptorch::bispectrum {

// The parameters as Python holds them, see kernels/bispectrum.py.
struct Parameters {
    const double* couplings;
    const double* pairs;    // [n_species, n_species, 3]
    const double* weights;  // [n_species]
    int twojmax;
    double rfac0, rmin0;
    bool outer, zero, normalize, chemical, self_all;
    int n_species, n_features;
};

template <typename T>
class Plan {
public:
    // touch: [n_species, n_species, n_touched], or null where no Jacobian is wanted.
    Plan(const Parameters& parameters, const Index* touch, int n_touched);

    Tables<T> tables() const;

private:
    void add_levels();
    void add_polynomials();
    void add_polynomials(int K, int L);
    void add_kinds(const Parameters& parameters);
    void add_products(const Parameters& parameters);
    void add_product(int j1, int j2, int j);
    void add_terms(const Parameters& parameters);
    void add_gradients(const Index* touch, int n_touched);

    int twojmax_, n_densities_, n_full_ = 0, n_half_ = 0, n_held_ = 0, most_products_ = 0;
    std::vector<Recurrence<T>> recurrences_;
    std::vector<Place> places_;
    std::vector<Level> levels_;
    std::vector<PairKind<T>> kinds_;
    std::vector<T> couplings_, lonely_;
    std::vector<int> rows_;
    std::vector<Couple> couples_;
    std::vector<Product<T>> products_;
    std::vector<Term<T>> values_, slopes_;
    std::vector<Slope<T>> gradients_;
    std::vector<Index> first_gradient_;
};

}  // namespace amptorch::bispectrum
