// What a set of Gaussian multipoles amounts to, worked out once a call (equations: kernels/gmp.py).
//
// Angular functions Y_a(R), homogeneous polynomials of degree e, are summed over the neighbours of
// an atom with radial weights V_slot(r), a slot being a choice of probe, degree and tau:
//
//     Q_place = sum_j V_slot(r_j) Y_a(R_j),   V = sum_g w_g lambda_g^e (1/(2 gamma_g))^tau.
//
// Every multipole is linear in Q and every feature a norm of multipoles. For solid order norms Y
// are the 2l+1 harmonics R_lm, otherwise all monomials; nothing else tells the variants apart.
#pragma once

#include <cstdint>
#include <vector>

namespace amptorch::gmp {

using Index = std::int64_t;

// Y[target] = sum_i factor[i] variable[i] Y[source[i]]; variables are x, y, z, r^2.
struct Step {
    int target;
    int variable[2], source[2];
    double factor[2];
};

// dY[function]/d axis = sum_i factor[i] Y[source[i]].
struct Slope {
    int function, axis, n;
    int source[2];
    double factor[2];
};

// Functions by ascending degree; Y[0] = 1.
struct Basis {
    std::vector<int> first;  // [highest degree + 2], where the functions of each degree start
    std::vector<Step> steps;
    std::vector<Slope> slopes;
};

Basis harmonics(int highest);
Basis monomials(int highest);
int monomial_place(int i, int j, int k);

struct Slot {
    int probe, degree, tau;
    int place;  // of its first sum in Q
};

// Slots are ordered by degree.
struct Degree {
    int first_slot, n_slots, first_function, n_functions;
};

struct Term {
    int place;
    double factor;
};

// weight * (sum_terms factor Q[place])^2
struct Row {
    double weight;
    int begin, end;
};

enum class Norm { square, root, plain };

struct Feature {
    Norm norm;
    int begin, end;                 // rows
    int first_slot_of, n_slots_of;  // in Plan::slots_of, which slots the rows read
};

// The parameters as Python holds them.
struct Parameters {
    const Index *orders, *groups;                      // [n_features]
    const double *sigmas, *prefactors, *inverse_rs;    // [n_features]
    const double* densities;                           // [n_species, n_gaussians, 2]
    int n_features, n_species, n_gaussians;
    bool solid, square;
};

struct Plan {
    Basis basis;
    std::vector<Slot> slots;
    std::vector<Degree> degrees;
    std::vector<Feature> features;
    std::vector<Row> rows;
    std::vector<Term> terms;
    std::vector<int> slots_of;
    int n_species, n_gaussians, n_probes, n_functions, n_places;
    std::vector<int> counts;        // [n_species], Gaussians of each element, at most n_gaussians
    std::vector<double> exponents;  // [n_species, n_probes, n_gaussians]
    std::vector<double> heights;    // [n_species, n_slots, n_gaussians]
    std::vector<double> own;        // [n_species, n_places], what an atom adds to its own Q
};

Plan make_plan(const Parameters& parameters);

// Adds what an atom of a species contributes to its own Q.
void add_own(const Plan& plan, Index species, double* sums);

// G of one feature from the sums Q of an atom.
double value(const Plan& plan, int feature, const double* sums);

// dG of one feature from changes dQ. The derivative of a root up to `smallest_root` counts as zero.
double change(const Plan& plan, int feature, const double* sums, const double* changes,
              double smallest_root);

// Adds weight * dG/dQ of one feature to `slopes`.
void add_slopes(const Plan& plan, int feature, const double* sums, double weight,
                double smallest_root, double* slopes);

}  // namespace amptorch::gmp
