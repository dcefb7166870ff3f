// From the densities of an atom to its energy, and back.
// Included once per instruction set, inside its namespace.

#include "smooth_step.h"

struct Embedded {
    double value, slope, curvature;
};

// F(rho; m) of the shifted and scaled kind.
inline Embedded shifted(double density, double m) {
    if (m == 1) return {density, 1, 0};
    const double size = __builtin_fabs(density), n = 1 / m, fade = __builtin_exp(-size);
    const double u = __builtin_pow(n, n / (1 - n)) * fade, w = __builtin_pow(n, 1 / (1 - n)) * fade;
    const double root = __builtin_pow(u + size, m);
    const double value = root - w, rise = m * root / (u + size), slope = w + (1 - u) * rise;
    const double bend = u * rise + (m - 1) * (1 - u) * (1 - u) * rise / (u + size) - w;
    return {density < 0 ? -value : value, slope, density < 0 ? -bend : bend};
}

// F(rho; m) of the plain kind.
inline Embedded plain(double density, double m) {
    constexpr double steepness = 1e6, linear = 1e-10, highest = 30;
    const double size = __builtin_fabs(density), factor = __builtin_pow(steepness, 1 - m);
    if (size <= linear) return {factor * density, factor, 0};
    const double cube = __builtin_pow(steepness * size, 3), power = __builtin_pow(size, m);
    const double q = cube > highest ? 0 : __builtin_exp(-cube), dq = -3 * cube / size * q;
    const double ddq = (9 * cube - 6) * cube / (size * size) * q, rise = m * power / size;
    const double value = (1 - q) * power + factor * q * size;
    const double slope = (1 - q) * rise - dq * power + factor * (q + dq * size);
    const double bend = (1 - q) * (m - 1) * rise / size - 2 * dq * rise - ddq * power +
                        factor * (2 * dq + ddq * size);
    return {density < 0 ? -value : value, slope, density < 0 ? -bend : bend};
}

template <typename T>
inline Embedded embedded(const Element<T>& element, int p, double density) {
    const double m = element.exponents[p];
    return element.shifted ? shifted(density, m) : plain(density, m);
}

// Energy of an atom, and what it changes by with its densities and the two of the core.
template <typename T>
inline double embed(const Task<T>& task, const double* densities, double repulsion, double share,
                    double* slopes, double* core) {
    const Element<T>& element = task.element;
    double energy = 0;
    for (int p = 0; p < element.n_densities; ++p) {
        const Embedded found = embedded(element, p, densities[p]);
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

// Weights of densities and of their changes in the derivatives of weight E + (change of E), where
// densities and the two of the core have changes.
template <typename T>
inline void weigh(const Task<T>& task, double weight, const double* densities,
                  const double* changes, const double* core, const double* core_changes,
                  double* of_densities, double* of_changes) {
    double counts = core[1], change = core_changes[1];
    if (!task.zbl) {
        const Sloped inside = step(core[0], task.element.core_cutoff, task.element.core_width);
        counts = inside.value;
        change = inside.slope * core_changes[0];
    }
    for (int p = 0; p < task.element.n_densities; ++p) {
        const Embedded found = embedded(task.element, p, densities[p]);
        const double a = task.element.prefactors[p];
        of_changes[p] = a * counts * found.slope;
        of_densities[p] = a * ((weight * counts + change) * found.slope +
                               counts * found.curvature * changes[p]);
    }
}
