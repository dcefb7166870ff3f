#include "core_repulsion.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "screened.h"

namespace amptorch::plugin {
namespace {

#include "smooth_step.h"

constexpr double pi = 3.141592653589793;
// As in kernels/core_repulsion.py.
constexpr double coulomb = 14.399645351950543, highest_exponent = 50;
constexpr double screening[] = {0.18175, 3.1998, 0.50986, 0.94229, 0.28022, 0.4029, 0.02817, 0.20162};

double length(const double* R) { return std::sqrt(R[0] * R[0] + R[1] * R[1] + R[2] * R[2]); }

Sloped times(const Sloped& a, const Sloped& b) {
    return {a.value * b.value, a.slope * b.value + a.value * b.slope};
}

// exp(-b r^2) / r (1 + cos(pi r / rc)) / 2
Sloped gaussian(double r, double cutoff, double exponent) {
    const double value = std::exp(-exponent * r * r) / r;
    const double phase = pi * r / cutoff;
    return times({value, -value * (2 * exponent * r + 1 / r)},
                 {0.5 * (1 + std::cos(phase)), -0.5 * pi / cutoff * std::sin(phase)});
}

}  // namespace

CoreRepulsion::CoreRepulsion(const Entries& entries)
    : kind_(static_cast<Kind>(entries.integer("core.kind"))),
      n_species_(static_cast<Index>(entries.words("elements").size())), acts_(is_zbl()) {
    const auto& charges = entries.integers("core.charges");
    const auto& values = entries.numbers("core.values");
    for (Index k = 0; k < n_species_ * n_species_; ++k) {
        const double* v = values.data() + 6 * k;
        Pair pair{v[0], v[1], v[2], std::fabs(v[3]), v[4], v[5], std::fabs(v[2]), 0, 0, 0, 0};
        const auto one = static_cast<double>(charges.at(k / n_species_));
        const auto other = static_cast<double>(charges.at(k % n_species_));
        if (is_zbl()) {
            pair.size = 0.5 * coulomb * v[2] * one * other;
            pair.inverse_length = (std::pow(one, 0.23) + std::pow(other, 0.23)) / 0.4685;
            const Screened end = screened(pair.cutoff, pair.inverse_length, screening);
            const double d = pair.width;
            pair.third = (-3 * end.slope + d * end.curvature) / (d * d);
            pair.fourth = (2 * end.slope - d * end.curvature) / (d * d * d);
            pair.shift = -end.value + d * end.slope / 2 - d * d * end.curvature / 12;
        }
        acts_ = acts_ || pair.prefactor != 0;
        pairs_.push_back(pair);
    }
}

void CoreRepulsion::add_term(const Pair& pair, double r, double& density, double& slope) const {
    slope = 0;
    if (r >= pair.cutoff || pair.prefactor == 0) return;
    Sloped term;
    if (is_zbl()) {
        const Screened plain = screened(r, pair.inverse_length, screening);
        const double t = std::max(0.0, r - pair.cutoff + pair.width), square = t * t;
        const double end = pair.shift + square * t * (pair.third / 3 + t * pair.fourth / 4);
        term = times({plain.value + end, plain.slope + square * (pair.third + t * pair.fourth)},
                     step(r, pair.cutoff, pair.width));
    } else {
        if (pair.exponent * r * r >= highest_exponent) return;
        term = gaussian(r, pair.cutoff, pair.exponent);
        if (kind_ == Kind::distance) term = times(term, step(r, pair.inner, pair.inner_width));
    }
    density += pair.size * term.value;
    slope = pair.size * term.slope;
}

void CoreRepulsion::forward(const Environment<double>& atoms, double* features, Index stride) {
    slopes_.resize(acts_ ? atoms.first[atoms.n_atoms] : 0);
    nearest_.assign(atoms.n_atoms, {-1, 0});
    for (Index i = 0; i < atoms.n_atoms; ++i) {
        double* const own = features + (i + 1) * stride - 2;
        own[0] = 0;
        own[1] = 1;
        double least = std::numeric_limits<double>::infinity(), distance = 0;
        for (Index k = atoms.first[i]; acts_ && k < atoms.first[i + 1]; ++k) {
            const Pair& both = pair(atoms.species[i], atoms.species[atoms.neighbors[k]]);
            const double r = length(atoms.vectors + 3 * k), gap = r - both.inner + both.inner_width;
            add_term(both, r, own[0], slopes_[k]);
            if (!is_zbl() || r >= both.cutoff || gap >= least) continue;
            least = gap;
            distance = r;
            nearest_[i].pair = k;
        }
        if (nearest_[i].pair < 0) continue;
        const Pair& both = pair(atoms.species[i], atoms.species[atoms.neighbors[nearest_[i].pair]]);
        const Sloped share = step(both.inner - distance, both.inner_width, both.inner_width);
        own[1] = share.value;
        nearest_[i].slope = -share.slope;
    }
}

void CoreRepulsion::add_pulled(const Environment<double>& atoms, const double* slopes, Index stride,
                               double* gradients) const {
    if (!acts_) return;
    for (Index i = 0; i < atoms.n_atoms; ++i) {
        const double* const own = slopes + (i + 1) * stride - 2;
        for (Index k = atoms.first[i]; k < atoms.first[i + 1]; ++k) {
            double slope = own[0] * slopes_[k];
            if (k == nearest_[i].pair) slope += own[1] * nearest_[i].slope;
            if (slope == 0) continue;
            const double* const R = atoms.vectors + 3 * k;
            for (int a = 0; a < 3; ++a) gradients[3 * k + a] += slope / length(R) * R[a];
        }
    }
}

}  // namespace amptorch::plugin
