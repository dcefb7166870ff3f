// Cutoff functions by n2p2's numbers, of x = (r - alpha rc) / (rc - alpha rc).
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

// r of r^2, and 1 for the 0 that fills up vectors of triples: what weighs nothing is finite.
template <typename T>
AMPTORCH_INLINE Vec<T> distance(Vec<T> square) {
    return square_root<T>(square > Vec<T>{} ? square : broadcast<T>(1));
}

template <typename T>
class ByType {
public:
    ByType(double cutoff, const CutoffFunction& function)
        : type_(function.type), cutoff_(static_cast<T>(cutoff)),
          inner_(static_cast<T>(alpha(function) * cutoff)),
          per_width_(static_cast<T>(1 / (cutoff - alpha(function) * cutoff))),
          scale_(static_cast<T>(type_ == 3 ? 2.2637537952253513 : 1)) {}  // 1 / tanh(1)^3

    template <bool slope>
    AMPTORCH_INLINE Radial<T> operator()(Vec<T> square) const {
        const Vec<T> zero{}, one = broadcast<T>(1), r = distance<T>(square);
        const Mask<T> inside = r < cutoff_;
        Vec<T> x = (r - inner_) * per_width_;
        x = x > zero ? x : zero;
        x = x < one ? x : one;
        Radial<T> f = of(x);
        f.value = inside ? f.value : zero;
        if constexpr (slope) f.slope = inside ? f.slope * per_width_ / r : zero;
        return f;
    }

private:
    // Those of a type that knows none are 0.
    static double alpha(const CutoffFunction& function) {
        return function.type == 0 || function.type == 2 || function.type == 3 ? 0 : function.alpha;
    }

    // fc and dfc/dx for x in [0, 1].
    AMPTORCH_INLINE Radial<T> of(Vec<T> x) const {
        switch (type_) {
            case 0: return {broadcast<T>(1), Vec<T>{}};
            case 1: return cosine(x);
            case 2: case 3: return tanh_cubed(x);
            case 4: return bump(x);
            default: return smooth_step(x, type_ - 4);
        }
    }

    AMPTORCH_INLINE Radial<T> cosine(Vec<T> x) const {
        const Vec<T> t = T(1) - x * x;
        return {t * t * polynomial<T>(Cosine<T>::q, t), -2 * x * t * polynomial<T>(Cosine<T>::p, t)};
    }

    // tanh y = (1 - exp(-2 y)) / (1 + exp(-2 y)), y = 1 - x
    AMPTORCH_INLINE Radial<T> tanh_cubed(Vec<T> x) const {
        const Vec<T> e = exponential<T>(2 * x - T(2)), h = (T(1) - e) / (T(1) + e);
        const Vec<T> square = scale_ * h * h;
        return {square * h, 3 * square * (h * h - T(1))};
    }

    // Zero where exp(1 - 1/u) is smaller than any number.
    AMPTORCH_INLINE Radial<T> bump(Vec<T> x) const {
        const Vec<T> u = T(1) - x * x, zero{};
        const Mask<T> some = u > T(-1) / Lanes<T>::lowest_exponent;
        const Vec<T> inverse = T(1) / (some ? u : broadcast<T>(1));
        const Vec<T> value = some ? exponential<T>(T(1) - inverse) : zero;
        return {value, -2 * x * inverse * inverse * value};
    }

    // df/dx = -(2n+1)!/n!^2 x^n (1-x)^n
    AMPTORCH_INLINE Radial<T> smooth_step(Vec<T> x, int n) const {
        const Vec<T> y = T(1) - x, power = whole_power<T>(y, n);
        Vec<T> term = broadcast<T>(1), total = term;
        T steepness = T(2 * n + 1);
        for (int k = 1; k <= n; ++k) {
            term *= x * (T(n + k) / T(k));
            total += term;
            steepness *= T(n + k) / T(k);
        }
        return {power * y * total, -steepness * power * whole_power<T>(x, n)};
    }

    int type_;
    T cutoff_, inner_, per_width_, scale_;
};
