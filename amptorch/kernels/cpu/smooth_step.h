// A polynomial step, kernels/core_repulsion.py. Included inside a namespace, as kernels are compiled once per
// instruction set.

struct Sloped {
    double value, slope;
};

// From 1 for t <= end - width to 0 for t >= end.
inline Sloped step(double t, double end, double width) {
    if (t <= end - width) return {1, 0};
    if (t >= end) return {0, 0};
    const double x = 1 - 2 * (1 + (t - end) / width), square = x * x;
    return {0.5 + x * (0.9375 - square * (0.625 - 0.1875 * square)),
            -1.875 / width * (1 - square) * (1 - square)};
}
