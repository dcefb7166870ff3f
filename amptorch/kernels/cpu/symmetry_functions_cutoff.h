// The radial factor exp(-eta r^2) fc(r) and its slope.
// Included once per instruction set, inside its namespace.

// Values of a function f of r, and f'(r)/r: the gradient of f(|R|) is slope * R.
template <typename T>
struct Radial {
    Vec<T> value, slope;
};

// fc(r) = (1 + cos(pi r/rc))/2 is an entire function of r^2 with a double zero at rc, so with
// t = 1 - (r/rc)^2 it is t^2 q(t), and df/dt = t p(t), p = 2 q + t q': no root and no cosine, and
// full relative precision up to rc. Chebyshev interpolants of q; the coefficients of p follow.
template <typename T>
struct Cosine;
template <>
struct Cosine<double> {
    static constexpr double q[] = {
        0.6168502750680849,     0.3084251375340427,    0.06593095700824486,
        0.008101243720717655,   0.000653328927688823,  3.74008824904166e-05,
        1.6020576332044818e-06, 5.335209222652131e-08, 1.4150450425199024e-09,
        3.396016833111468e-11};
    static constexpr double p[] = {
        2 * q[0], 3 * q[1], 4 * q[2], 5 * q[3], 6 * q[4],
        7 * q[5], 8 * q[6], 9 * q[7], 10 * q[8], 11 * q[9]};
};
template <>
struct Cosine<float> {
    static constexpr float q[] = {0.6168502742036502f,   0.30842519974512184f,
                                  0.06593023291400148f,  0.008104318205666657f,
                                  0.000647454463725601f, 4.251957442529588e-05f};
    static constexpr float p[] = {2 * q[0], 3 * q[1], 4 * q[2], 5 * q[3], 6 * q[4], 7 * q[5]};
};

template <typename T>
struct Cutoff {
    explicit Cutoff(double cutoff, double gamma)
        : inverse_square(static_cast<T>(1 / (cutoff * cutoff))), gamma(gamma) {
        const bool whole = gamma == static_cast<int>(gamma) && gamma >= 2;
        power = whole ? static_cast<int>(gamma) - 2 : -1;
    }

    // 1 - (r/rc)^2: positive inside.
    AMPTORCH_INLINE Vec<T> inside(Vec<T> square) const { return T(1) - square * inverse_square; }

    template <bool slope>
    AMPTORCH_INLINE Radial<T> operator()(Vec<T> square) const {
        const Vec<T> t = inside(square), zero{};
        const Vec<T> clamped = t > zero ? t : zero;
        return gamma == 0 ? cosine<slope>(clamped) : polynomial_cutoff<slope>(clamped);
    }

    T inverse_square;
    double gamma;
    int power;

private:
    template <bool slope>
    AMPTORCH_INLINE Radial<T> cosine(Vec<T> t) const {
        Radial<T> f{};
        f.value = t * t * polynomial<T>(Cosine<T>::q, t);
        if constexpr (slope) {
            f.slope = t * polynomial<T>(Cosine<T>::p, t) * (-2 * inverse_square);
        }
        return f;
    }

    // With x = r/rc and u = x^(gamma-2): fc = 1 + x^2 u (gamma x - gamma - 1),
    // fc'/r = gamma (gamma+1) u (x - 1) / rc^2.
    template <bool slope>
    AMPTORCH_INLINE Radial<T> polynomial_cutoff(Vec<T> t) const {
        const T g = static_cast<T>(gamma);
        const Vec<T> square = T(1) - t, x = square_root<T>(square);
        const Vec<T> u = power >= 0 ? whole_power<T>(x, power) : real_power<T>(x, gamma - 2);
        Radial<T> f{};
        f.value = T(1) + square * u * (g * x - (g + 1));
        if constexpr (slope) f.slope = g * (g + 1) * inverse_square * u * (x - T(1));
        return f;
    }
};

// exp(-eta r^2) fc(r)
template <typename T, bool slope>
AMPTORCH_INLINE Radial<T> weight(const Cutoff<T>& cutoff, T eta, Vec<T> square) {
    const Radial<T> f = cutoff.template operator()<slope>(square);
    const Vec<T> e = exponential<T>(-eta * square);
    Radial<T> w{f.value * e, {}};
    if constexpr (slope) w.slope = (f.slope - 2 * eta * f.value) * e;
    return w;
}
