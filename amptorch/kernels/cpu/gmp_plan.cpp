// From multipole parameters to sums: which slots they need, and each feature in terms of the sums.
#include "gmp_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace amptorch::gmp {
namespace {

constexpr double pi = 3.14159265358979323846;

using Exponents = std::array<int, 3>;
using Key = std::array<int, 3>;                         // degree, probe, tau: the order of slots
using Multipole = std::map<std::pair<Key, int>, double>;  // factor by slot and function of it

struct Weighted {
    double weight;
    Multipole multipole;
};

double factorial(int n) { return n < 2 ? 1.0 : n * factorial(n - 1); }

double odd_product(int n) { return n < 2 ? 1.0 : n * odd_product(n - 2); }

int total(const Exponents& n) { return n[0] + n[1] + n[2]; }

double multinomial(const Exponents& n) {
    return factorial(total(n)) / (factorial(n[0]) * factorial(n[1]) * factorial(n[2]));
}

// Place of a monomial among those of its degree.
int within_degree(const Exponents& n) {
    return monomial_place(n[0], n[1], n[2]) - monomial_place(total(n), 0, 0);
}

// prod_i n_i!/(m_i! (n_i-2m_i)! 2^m_i): ways to take m_i pairs out of n_i.
double pairings(const Exponents& n, const Exponents& m) {
    double ways = 1;
    for (int i = 0; i < 3; ++i) {
        ways *= factorial(n[i]) / (factorial(m[i]) * factorial(n[i] - 2 * m[i]) * (1 << m[i]));
    }
    return ways;
}

Exponents without(const Exponents& n, const Exponents& m, int times) {
    return {n[0] - times * m[0], n[1] - times * m[1], n[2] - times * m[2]};
}

// Calls visit(m) for all m with 0 <= m_i <= n_i.
template <typename Visit>
void for_each_below(const Exponents& n, Visit visit) {
    for (int i = 0; i <= n[0]; ++i) {
        for (int j = 0; j <= n[1]; ++j) {
            for (int k = 0; k <= n[2]; ++k) visit(Exponents{i, j, k});
        }
    }
}

// Calls visit(coefficient, s, n - 2m) for the terms of H_n.
template <typename Visit>
void for_each_term(const Exponents& n, Visit visit) {
    for_each_below({n[0] / 2, n[1] / 2, n[2] / 2}, [&](const Exponents& m) {
        const int s = total(m);
        const double sign = s % 2 ? -1 : 1;
        visit(sign * odd_product(2 * (total(n) - s) - 1) * pairings(n, m), s, without(n, m, 2));
    });
}

// mu_n with r^(2s) as it is: monomials of the full order again, by the multinomial theorem.
Multipole solid_multipole(const Exponents& n, int probe) {
    Multipole multipole;
    for_each_term(n, [&](double coefficient, int s, const Exponents& k) {
        for_each_below({s, s, s}, [&](const Exponents& p) {
            if (total(p) != s) return;
            const double ways = multinomial(p);
            const int function = within_degree(without(k, p, -2));
            multipole[{{total(n), probe, 0}, function}] += coefficient * ways;
        });
    });
    return multipole;
}

// mu_n with a constant for r^(2s) and averages of the monomials.
Multipole surface_multipole(const Exponents& n, int probe, double inverse_rs) {
    Multipole multipole;
    for_each_term(n, [&](double coefficient, int s, const Exponents& k) {
        const double scaled = coefficient * std::pow(inverse_rs, total(n) - 2 * s);
        for_each_below({k[0] / 2, k[1] / 2, k[2] / 2}, [&](const Exponents& t) {
            const Exponents left = without(k, t, 2);
            const Key key = {total(left), probe, total(t)};
            multipole[{key, within_degree(left)}] += scaled * pairings(k, t);
        });
    });
    return multipole;
}

bool descending(const Exponents& n) { return n[0] >= n[1] && n[1] >= n[2]; }

// All components of an order, in reverse lexicographic order.
std::vector<Exponents> components(int order) {
    std::vector<Exponents> found;
    for_each_below({order, order, order}, [&](const Exponents& n) {
        if (total(n) == order) found.push_back(n);
    });
    std::reverse(found.begin(), found.end());
    return found;
}

// The components that are permutations of the group's first, groups counted from 1.
std::vector<Exponents> permutations(int order, int group) {
    std::vector<Exponents> members;
    for (Exponents n : components(order)) {
        if (descending(n) && --group == 0) members = {n};
    }
    Exponents n = members.at(0);
    std::sort(n.begin(), n.end());
    members.clear();
    do members.push_back(n);
    while (std::next_permutation(n.begin(), n.end()));
    return members;
}

std::vector<Weighted> cartesian(const Parameters& p, int feature, int probe) {
    const int order = static_cast<int>(p.orders[feature]);
    const int group = static_cast<int>(p.groups[feature]);
    std::vector<Weighted> rows;
    for (const Exponents& n : group == 0 ? components(order) : permutations(order, group)) {
        rows.push_back({group == 0 ? multinomial(n) : 1.0,
                        p.solid ? solid_multipole(n, probe)
                                : surface_multipole(n, probe, p.inverse_rs[feature])});
    }
    return rows;
}

// The order norm of solid harmonics in closed form.
std::vector<Weighted> closed_form(int order, int probe) {
    std::vector<Weighted> rows;
    for (int m = 0; m <= 2 * order; ++m) {
        rows.push_back({odd_product(2 * order - 1) * factorial(order),
                        {{{{order, probe, 0}, m}, 1.0}}});
    }
    return rows;
}

using Probes = std::vector<std::pair<double, double>>;  // sigma, prefactor

// Index of a feature's probe, added if it is new.
int probe_of(Probes& probes, const Parameters& p, int feature) {
    const std::pair<double, double> probe{p.sigmas[feature], p.prefactors[feature]};
    const auto found = std::find(probes.begin(), probes.end(), probe);
    if (found != probes.end()) return static_cast<int>(found - probes.begin());
    probes.push_back(probe);
    return static_cast<int>(probes.size()) - 1;
}

void lay_out_slots(Plan& plan, std::map<Key, int>& slots) {
    for (int degree = 0; degree + 1 < static_cast<int>(plan.basis.first.size()); ++degree) {
        const int first = plan.basis.first[degree];
        plan.degrees.push_back({0, 0, first, plan.basis.first[degree + 1] - first});
    }
    for (auto& [key, index] : slots) {
        Degree& degree = plan.degrees[key[0]];
        index = static_cast<int>(plan.slots.size());
        if (degree.n_slots++ == 0) degree.first_slot = index;
        plan.slots.push_back({key[1], key[0], key[2], plan.n_places});
        plan.n_places += degree.n_functions;
    }
}

Norm norm_of(const Parameters& p, int feature, std::size_t n_rows) {
    if (p.square) return Norm::square;
    return p.groups[feature] > 0 && n_rows == 1 ? Norm::plain : Norm::root;
}

void add_feature(Plan& plan, Norm norm, const std::vector<Weighted>& rows,
                 const std::map<Key, int>& slots) {
    Feature feature{norm, static_cast<int>(plan.rows.size()), 0,
                    static_cast<int>(plan.slots_of.size()), 0};
    std::vector<int> used;
    for (const Weighted& row : rows) {
        const int begin = static_cast<int>(plan.terms.size());
        for (const auto& [what, factor] : row.multipole) {
            const int slot = slots.at(what.first);
            used.push_back(slot);
            plan.terms.push_back({plan.slots[slot].place + what.second, factor});
        }
        plan.rows.push_back({row.weight, begin, static_cast<int>(plan.terms.size())});
    }
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
    plan.slots_of.insert(plan.slots_of.end(), used.begin(), used.end());
    feature.end = static_cast<int>(plan.rows.size());
    feature.n_slots_of = static_cast<int>(used.size());
    plan.features.push_back(feature);
}

// Radial tables: w_g of every probe and Gaussian, and its share of every slot.
void tabulate(Plan& plan, const Parameters& p, const Probes& probes) {
    const int n_slots = static_cast<int>(plan.slots.size());
    plan.exponents.resize(p.n_species * plan.n_probes * p.n_gaussians);
    plan.heights.resize(p.n_species * n_slots * p.n_gaussians);
    plan.own.resize(p.n_species * plan.n_places);
    plan.counts.resize(p.n_species);
    for (int species = 0; species < p.n_species; ++species) {
        for (int g = 0; g < p.n_gaussians; ++g) {
            const double* gaussian = p.densities + 2 * (species * p.n_gaussians + g);
            const double height = gaussian[0], beta = gaussian[1];
            if (height != 0) plan.counts[species] = g + 1;
            for (int probe = 0; probe < plan.n_probes; ++probe) {
                const double alpha = 1 / (2 * probes[probe].first * probes[probe].first);
                plan.exponents[(species * plan.n_probes + probe) * p.n_gaussians + g] =
                    -alpha * beta / (alpha + beta);
            }
            for (int s = 0; s < n_slots; ++s) {
                const Slot& slot = plan.slots[s];
                const auto [sigma, prefactor] = probes[slot.probe];
                const double gamma = 1 / (2 * sigma * sigma) + beta;
                const double share = prefactor * height * std::pow(pi / gamma, 1.5) *
                                     std::pow(beta / gamma, slot.degree) *
                                     std::pow(2 * gamma, -slot.tau);
                plan.heights[(species * n_slots + s) * p.n_gaussians + g] = share;
                if (slot.degree == 0) plan.own[species * plan.n_places + slot.place] += share;
            }
        }
    }
}

double multipole(const Plan& plan, const Row& row, const double* sums) {
    double total = 0;
    for (int t = row.begin; t < row.end; ++t) {
        total += plan.terms[t].factor * sums[plan.terms[t].place];
    }
    return total;
}

double squares(const Plan& plan, const Feature& feature, const double* sums) {
    double total = 0;
    for (int r = feature.begin; r < feature.end; ++r) {
        const double mu = multipole(plan, plan.rows[r], sums);
        total += plan.rows[r].weight * mu * mu;
    }
    return total;
}

// k in dG = k sum_rows weight mu dmu; not for Norm::plain, where dG = dmu.
double steepness(const Plan& plan, const Feature& feature, const double* sums,
                 double smallest_root) {
    if (feature.norm == Norm::square) return 2;
    const double root = std::sqrt(squares(plan, feature, sums));
    return root > smallest_root ? 1 / root : 0;
}

}  // namespace

Plan make_plan(const Parameters& p) {
    Plan plan{};
    int highest = 0;
    bool harmonic = p.solid;
    for (int f = 0; f < p.n_features; ++f) {
        highest = std::max(highest, static_cast<int>(p.orders[f]));
        harmonic = harmonic && p.groups[f] == 0;
    }
    plan.basis = harmonic ? harmonics(highest) : monomials(highest);
    plan.n_functions = plan.basis.first.back();

    Probes probes;
    std::map<Key, int> slots;
    std::vector<std::vector<Weighted>> features;
    for (int f = 0; f < p.n_features; ++f) {
        const int probe = probe_of(probes, p, f);
        features.push_back(harmonic ? closed_form(static_cast<int>(p.orders[f]), probe)
                                    : cartesian(p, f, probe));
        for (const Weighted& row : features.back()) {
            for (const auto& entry : row.multipole) slots[entry.first.first] = 0;
        }
    }
    lay_out_slots(plan, slots);
    for (int f = 0; f < p.n_features; ++f) {
        add_feature(plan, norm_of(p, f, features[f].size()), features[f], slots);
    }
    plan.n_species = p.n_species;
    plan.n_gaussians = p.n_gaussians;
    plan.n_probes = static_cast<int>(probes.size());
    tabulate(plan, p, probes);
    return plan;
}

void add_own(const Plan& plan, Index species, double* sums) {
    const double* own = plan.own.data() + species * plan.n_places;
    for (int place = 0; place < plan.n_places; ++place) sums[place] += own[place];
}

double value(const Plan& plan, int index, const double* sums) {
    const Feature& feature = plan.features[index];
    if (feature.norm == Norm::plain) return multipole(plan, plan.rows[feature.begin], sums);
    const double total = squares(plan, feature, sums);
    return feature.norm == Norm::square ? total : std::sqrt(total);
}

double change(const Plan& plan, int index, const double* sums, const double* changes,
              double smallest_root) {
    const Feature& feature = plan.features[index];
    if (feature.norm == Norm::plain) return multipole(plan, plan.rows[feature.begin], changes);
    double total = 0;
    for (int r = feature.begin; r < feature.end; ++r) {
        const Row& row = plan.rows[r];
        total += row.weight * multipole(plan, row, sums) * multipole(plan, row, changes);
    }
    return total * steepness(plan, feature, sums, smallest_root);
}

void add_slopes(const Plan& plan, int index, const double* sums, double weight,
                double smallest_root, double* slopes) {
    const Feature& feature = plan.features[index];
    const bool plain = feature.norm == Norm::plain;
    const double k = plain ? weight : weight * steepness(plan, feature, sums, smallest_root);
    for (int r = feature.begin; r < feature.end; ++r) {
        const Row& row = plan.rows[r];
        const double scale = plain ? k : k * row.weight * multipole(plan, row, sums);
        for (int t = row.begin; t < row.end; ++t) {
            slopes[plan.terms[t].place] += scale * plan.terms[t].factor;
        }
    }
}

}  // namespace amptorch::gmp
