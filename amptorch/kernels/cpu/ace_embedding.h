// From the densities of an atom to its energy, and back.
// Included once per instruction set, inside its namespace.

#include "smooth_step.h"

// F(rho; m) of the shifted and scaled kind.
inline Sloped shifted(double density, double m) {
    if (m == 1) return {density, 1};
    const double size = __builtin_fabs(density), n = 1 / m, fade = __builtin_exp(-size);
    const double u = __builtin_pow(n, n / (1 - n)) * fade, w = __builtin_pow(n, 1 / (1 - n)) * fade;
    const double root = __builtin_pow(u + size, m);
    const double value = root - w, slope = w + m * (1 - u) * root / (u + size);
    return {density < 0 ? -value : value, slope};
}

// F(rho; m) of the plain kind.
inline Sloped plain(double density, double m) {
    constexpr double steepness = 1e6, linear = 1e-10, highest = 30;
    const double size = __builtin_fabs(density), factor = __builtin_pow(steepness, 1 - m);
    if (size <= linear) return {factor * density, factor};
    const double cube = __builtin_pow(steepness * size, 3), power = __builtin_pow(size, m);
    const double q = cube > highest ? 0 : __builtin_exp(-cube), dq = -3 * cube / size * q;
    const double value = (1 - q) * power + factor * q * size;
    const double slope = (1 - q) * m * power / size - dq * power + factor * (q + dq * size);
    return {density < 0 ? -value : value, slope};
}

// Energy of an atom, and what it changes by with its densities and the two of the core.
template <typename T>
inline double embed(const Task<T>& task, const double* densities, double repulsion, double share,
                    double* slopes, double* core) {
    const Element<T>& element = task.element;
    double energy = 0;
    for (int p = 0; p < element.n_densities; ++p) {
        const double m = element.exponents[p];
        const Sloped found = element.shifted ? shifted(densities[p], m) : plain(densities[p], m);
        energy += element.prefactors[p] * found.value;
        slopes[p] = element.prefactors[p] * found.slope;
    }
    double counts = share, total = 0;
    if (task.zbl) {
        total = share * energy + (1 - share) * repulsion;
        core[0] = 1 - share;
        core[1] = energy - repulsion;
    } else {
        const Sloped inside = step(repulsion, element.core_cutoff, element.core_width);
        counts = inside.value;
        total = counts * energy + repulsion;
        core[0] = 1 + inside.slope * energy;
        core[1] = 0;
    }
    for (int p = 0; p < element.n_densities; ++p) slopes[p] *= counts;
    return total;
}
