// The repulsion of nuclei through their screened charges, kernels/zbl.py.
#pragma once

#include <cmath>

namespace amptorch::plugin {

struct Screened {
    double value, slope, curvature;
};

// sum_k c_k exp(-d_k a r) / r; `terms` are c and d four times, `a` is an inverse length.
inline Screened screened(double r, double a, const double* terms) {
    double sums[3] = {};
    for (int k = 0; k < 4; ++k) {
        const double rate = a * terms[2 * k + 1], part = terms[2 * k] * std::exp(-rate * r) / r;
        sums[0] += part;
        sums[1] += rate * part;
        sums[2] += rate * rate * part;
    }
    const double first = sums[0] / r + sums[1];
    return {sums[0], -first, 2 * first / r + sums[2]};
}

}  // namespace amptorch::plugin
