// The two sets of angular functions: recurrences and gradients.
#include <array>
#include <cmath>
#include <cstdlib>

#include "gmp_plan.h"

namespace amptorch::gmp {
namespace {

constexpr int X = 0, Y = 1, Z = 2, R2 = 3;

// R_lm by l, then m = -l..l; m < 0 goes with sin(|m| phi).
int harmonic(int l, int m) { return l * l + l + m; }

// sqrt((2 - delta_m0) (l-m)!/(l+m)!), from r^l P_lm(cos) e^(i m phi) to Racah's normalisation.
double racah(int l, int m) {
    double ratio = m == 0 ? 1.0 : 2.0;
    for (int i = l - m + 1; i <= l + m; ++i) ratio /= i;
    return std::sqrt(ratio);
}

void add_sectoral(Basis& basis, int l) {
    const double k = std::sqrt((l == 1 ? 2.0 : 1.0) * (2 * l - 1) / (2.0 * l));
    const int cosine = harmonic(l - 1, l - 1), sine = harmonic(l - 1, 1 - l);
    const double mix = l == 1 ? 0.0 : k;  // R_00 has no sine
    basis.steps.push_back({harmonic(l, l), {X, Y}, {cosine, sine}, {k, -mix}});
    basis.steps.push_back({harmonic(l, -l), {Y, X}, {cosine, sine}, {k, mix}});
}

void add_zonal(Basis& basis, int l, int m) {
    const int order = std::abs(m);
    const double norm = std::sqrt(double(l - order) * (l + order));
    const double a = (2 * l - 1) / norm;
    const double b = std::sqrt(double(l + order - 1) * (l - order - 1)) / norm;
    const int below = order <= l - 2 ? harmonic(l - 2, m) : 0;
    basis.steps.push_back({harmonic(l, m), {Z, R2}, {harmonic(l - 1, m), below}, {a, -b}});
}

// Derivatives lower l by one and change m by 0 (z) or by +-1 (x and y).
void add_gradient(Basis& basis, int l, int m) {
    const int order = std::abs(m), sign = m < 0 ? -1 : 1;
    const double norm = racah(l, order);
    Slope slopes[3];
    for (int axis = 0; axis < 3; ++axis) slopes[axis] = {harmonic(l, m), axis, 0, {0, 0}, {0, 0}};
    const auto add = [&](int axis, int to, double factor) {
        if (std::abs(to) > l - 1) return;
        Slope& slope = slopes[axis];
        slope.source[slope.n] = harmonic(l - 1, to);
        slope.factor[slope.n++] = factor * norm / racah(l - 1, std::abs(to));
    };
    add(Z, m, l + order);
    if (order == 0) {
        add(X, 1, -1.0);
        add(Y, -1, -1.0);
    } else {
        const double down = 0.5 * (l + order) * (l + order - 1);
        add(X, sign * (order + 1), -0.5);
        add(Y, -sign * (order + 1), -0.5 * sign);
        if (order > 1 || sign > 0) add(X, sign * (order - 1), down);
        if (order > 1 || sign < 0) add(Y, -sign * (order - 1), -down * sign);
    }
    for (const Slope& slope : slopes) basis.slopes.push_back(slope);
}

// A monomial is any variable it contains times the monomial that remains.
void add_monomial(Basis& basis, std::array<int, 3> powers) {
    const int place = monomial_place(powers[0], powers[1], powers[2]);
    Step step{};
    for (int axis = 0; axis < 3; ++axis) {
        Slope slope{place, axis, 0, {0, 0}, {0, 0}};
        if (powers[axis] > 0) {
            std::array<int, 3> lower = powers;
            --lower[axis];
            slope.n = 1;
            slope.source[0] = monomial_place(lower[0], lower[1], lower[2]);
            slope.factor[0] = powers[axis];
            step = {place, {axis, axis}, {slope.source[0], 0}, {1, 0}};
        }
        basis.slopes.push_back(slope);
    }
    basis.steps.push_back(step);
}

}  // namespace

Basis harmonics(int highest) {
    Basis basis;
    basis.first = {0, 1};
    for (int l = 1; l <= highest; ++l) {
        add_sectoral(basis, l);
        for (int m = 1 - l; m < l; ++m) add_zonal(basis, l, m);
        for (int m = -l; m <= l; ++m) add_gradient(basis, l, m);
        basis.first.push_back((l + 1) * (l + 1));
    }
    return basis;
}

// x^i y^j z^k by degree, then descending i, then descending j.
int monomial_place(int i, int j, int k) {
    const int degree = i + j + k, rest = j + k;
    return degree * (degree + 1) * (degree + 2) / 6 + rest * (rest + 1) / 2 + k;
}

Basis monomials(int highest) {
    Basis basis;
    basis.first = {0, 1};
    for (int degree = 1; degree <= highest; ++degree) {
        for (int i = degree; i >= 0; --i) {
            for (int j = degree - i; j >= 0; --j) add_monomial(basis, {i, j, degree - i - j});
        }
        basis.first.push_back(monomial_place(degree + 1, 0, 0));
    }
    return basis;
}

}  // namespace amptorch::gmp
