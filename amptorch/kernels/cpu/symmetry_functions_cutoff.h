// The radial factor exp(-eta (r - rs)^2) fc(r) and its slope.
// Included once per instruction set, inside its namespace.

// f'(r) / (r f(r)), where f is not 0.
template <typename T>
AMPTORCH_INLINE Vec<T> quotient(const Radial<T>& f) {
    return f.value != Vec<T>{} ? f.slope / f.value : Vec<T>{};
}

template <typename T>
struct Cutoff {
    explicit Cutoff(double cutoff, const CutoffFunction& function)
        : inverse_square(static_cast<T>(1 / (cutoff * cutoff))), gamma(function.gamma),
          is_cosine(gamma == 0 && function.type == 1 && function.alpha == 0),
          by_type(cutoff, function) {
        const bool whole = gamma == static_cast<int>(gamma) && gamma >= 2;
        power = whole ? static_cast<int>(gamma) - 2 : -1;
    }

    // 1 - (r/rc)^2: positive inside.
    AMPTORCH_INLINE Vec<T> inside(Vec<T> square) const { return T(1) - square * inverse_square; }

    template <bool slope>
    AMPTORCH_INLINE Radial<T> operator()(Vec<T> square) const {
        const Vec<T> t = inside(square), zero{};
        const Vec<T> clamped = t > zero ? t : zero;
        if (is_cosine) return cosine<slope>(clamped);
        return gamma != 0 ? polynomial_cutoff<slope>(clamped)
                          : by_type.template operator()<slope>(square);
    }

    T inverse_square;
    double gamma;
    bool is_cosine;
    int power;
    ByType<T> by_type;

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
        // Close to rc that is the rounding of 1; in d = 1 - x, fc = g (g+1) (d^2/2 - (g-1) d^3/3 + ...)
        const Vec<T> d = t / (T(1) + x);
        const Vec<T> end = g * (g + 1) * d * d * (T(0.5) - (g - 1) / 3 * d);
        f.value = d < (sizeof(T) == 8 ? T(1e-5) : T(3e-3)) ? end : f.value;
        if constexpr (slope) f.slope = g * (g + 1) * inverse_square * u * (x - T(1));
        return f;
    }
};

// exp(-eta (r - rs)^2), which without rs needs no root.
template <typename T>
struct Shape {
    explicit Shape(const Channel& channel)
        : eta(static_cast<T>(channel.eta)), rs(static_cast<T>(channel.rs)) {}
    T eta, rs;
};

// exp(-eta (r - rs)^2) fc(r)
template <typename T, bool slope>
AMPTORCH_INLINE Radial<T> weight(const Cutoff<T>& cutoff, Shape<T> shape, Vec<T> square) {
    const Radial<T> f = cutoff.template operator()<slope>(square);
    Vec<T> exponent = square, bend = broadcast<T>(1);
    if (shape.rs != 0) {
        const Vec<T> r = distance<T>(square), off = r - shape.rs;
        exponent = off * off;
        bend = off / r;
    }
    const Vec<T> e = exponential<T>(-shape.eta * exponent);
    Radial<T> w{f.value * e, {}};
    if constexpr (slope) w.slope = (f.slope - 2 * shape.eta * bend * f.value) * e;
    return w;
}
