// Activations h(z) with their first and second derivatives. Included once per instruction set, inside
// its namespace, after simd.h.
//
// Each is a struct: ``value`` gives h and fills the ``kept`` numbers that the derivatives need beside
// h; these go onto the tape. A new one is a struct here and a line in AMPTORCH_ACTIVATIONS.

// tanh x = -m / (2 + m), m = exp(-2 |x|) - 1, with the sign of x; NaN stays NaN.
template <typename T>
AMPTORCH_INLINE Vec<T> tangent_hyperbolic(Vec<T> x) {
    using L = Lanes<T>;
    constexpr T log2e = T(1.4426950408889634);
    constexpr T ln2_high = sizeof(T) == 8 ? T(0x1.62e42feep-1) : T(0x1.62ep-1);
    constexpr T ln2_low = sizeof(T) == 8 ? T(0x1.a39ef35793c76p-33) : T(0x1.0bfbe8p-15);
    Vec<T> y = x < T(0) ? x + x : -(x + x);
    y = y < T(-40) ? broadcast<T>(-40) : y;
    const Vec<T> shifted = y * log2e + L::round;
    const Vec<T> whole = shifted - L::round;
    const Vec<T> r = (y - whole * ln2_high) - whole * ln2_low;
    const Vec<T> minus_one = polynomial<T>(ExpTail<T>::c, r) * r * r + r;
    const Mask<T> bits = (reinterpret_cast<Mask<T>>(shifted) + L::bias) << L::mantissa;
    const Vec<T> power = reinterpret_cast<Vec<T>>(bits);
    const Vec<T> m = minus_one * power + (power - T(1));
    const Vec<T> value = m / (m + T(2));
    return x < T(0) ? value : -value;
}

template <typename T>
AMPTORCH_INLINE Vec<T> magnitude(Vec<T> x) {
    return x < T(0) ? -x : x;
}

// x between -limit and limit.
template <typename T>
AMPTORCH_INLINE Vec<T> clamped(Vec<T> x, T limit) {
    x = x < -limit ? broadcast<T>(-limit) : x;
    return x > limit ? broadcast<T>(limit) : x;
}

// 1 / (1 + exp(-x)).
template <typename T>
AMPTORCH_INLINE Vec<T> logistic(Vec<T> x) {
    const Vec<T> e = exponential<T>(-magnitude<T>(x)), large = T(1) / (e + T(1));
    return x < T(0) ? e * large : large;
}

// (2 artanh(s) - 2 s) / s^3 in s^2, 0 <= s <= 1/3, Chebyshev interpolants.
template <typename T>
struct ArtanhTail;
template <>
struct ArtanhTail<double> {
    static constexpr double c[] = {
        0.6666666666666666,  0.40000000000014585, 0.2857142856710876,  0.22222222717427864,
        0.18181789436132859, 0.15385570064958623, 0.13314144209654935, 0.12001072809590713,
        0.08800738486144674, 0.1616404561194353};
};
template <>
struct ArtanhTail<float> {
    static constexpr float c[] = {0.6666666732052742f, 0.3999970633192972f, 0.28592357994302836f,
                                  0.21706575800880373f, 0.2322432922402335f};
};

// (1 + 2 t) exp(t^2) erfc(t) in (t - 3) / (t + 3), 0 <= t <= 30 (11 for float), Chebyshev interpolants.
template <typename T>
struct ScaledErfc;
template <>
struct ScaledErfc<double> {
    static constexpr double c[] = {
        1.2530080582697296,      -0.13562110612458106,    -0.0475622943534532,
        0.12964515870274432,     -0.11927366341516389,    0.06830802734460478,
        -0.023770514921952347,   0.002529391804869453,    0.001888690397175565,
        -0.0007798321603043084,  -0.00010516004709469959, 0.00012509866821938984,
        4.950448501436827e-06,   -2.0097875202736632e-05, -7.337673302179575e-07,
        3.4654625553103333e-06,  3.5976571800224964e-07,  -6.04945508473125e-07,
        -1.4287981925337868e-07, 8.949953348202517e-08,   4.0225233993545814e-08,
        -5.876084376400345e-09,  -6.182203297285147e-09,  -9.615040341520105e-10};
};
template <>
struct ScaledErfc<float> {
    static constexpr float c[] = {1.2530081011187664f,    -0.13562088957427662f,
                                  -0.047566055928773845f, 0.12963803311981656f,
                                  -0.11922329420045921f,  0.06838656076378953f,
                                  -0.0239823606424178f,   0.00217575562743624f,
                                  0.002137201497837383f,  -0.00020591815264783952f};
};

// Beyond this normal distributions are 0, and what multiplies them need not grow.
template <typename T>
constexpr T far = sizeof(T) == 8 ? T(40) : T(14);

template <typename T>
struct Tanh {
    static constexpr int kept = 0;
    explicit Tanh(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>*) const { return tangent_hyperbolic<T>(z); }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>*) const { return T(1) - h * h; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>*) const {
        return T(-2) * h * (T(1) - h * h);
    }
};

// log(1 + exp(beta z)) / beta, and z itself where beta z > threshold. Keeps its slope.
template <typename T>
struct Softplus {
    static constexpr int kept = 1;
    const T beta, threshold;
    explicit Softplus(const T* constants) : beta(constants[0]), threshold(constants[1]) {}
    // log(1 + e) = 2 artanh(e / (2 + e)); one division for this and for the slope.
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        const Vec<T> y = beta * z, e = exponential<T>(-magnitude<T>(y));
        const Vec<T> inverse = T(1) / ((e + T(1)) * (e + T(2)));
        const Vec<T> large = (e + T(2)) * inverse, s = e * (e + T(1)) * inverse, square = s * s;
        const Vec<T> tail = polynomial<T>(ArtanhTail<T>::c, square) * square * s;
        const Vec<T> smooth = ((y < T(0) ? Vec<T>{} : y) + (tail + (s + s))) * (T(1) / beta);
        const Vec<T> slope = y < T(0) ? e * large : large;
        keep[0] = y > threshold ? broadcast<T>(1) : slope;
        return y > threshold ? z : smooth;
    }
    AMPTORCH_INLINE Vec<T> slope(Vec<T>, const Vec<T>* keep) const { return keep[0]; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T>, const Vec<T>* keep) const {
        return beta * keep[0] * (T(1) - keep[0]);
    }
};

// 1 / (1 + exp(-z)).
template <typename T>
struct Sigmoid {
    static constexpr int kept = 0;
    explicit Sigmoid(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>*) const { return logistic<T>(z); }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>*) const { return h * (T(1) - h); }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>*) const {
        return h * (T(1) - h) * (T(1) - (h + h));
    }
};

// z / (1 + exp(-z)). Keeps 1 / (1 + exp(-z)).
template <typename T>
struct Silu {
    static constexpr int kept = 1;
    explicit Silu(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        keep[0] = logistic<T>(z);
        return z * keep[0];
    }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>* keep) const {
        return keep[0] + h * (T(1) - keep[0]);
    }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>* keep) const {
        const Vec<T> s = keep[0];
        return (T(1) - s) * (s + s + h * (T(1) - (s + s)));
    }
};

// Those that keep their slope and curvature.
template <typename T>
struct Both {
    static constexpr int kept = 2;
    AMPTORCH_INLINE Vec<T> slope(Vec<T>, const Vec<T>* keep) const { return keep[0]; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T>, const Vec<T>* keep) const { return keep[1]; }
};

// z times the cumulative normal distribution, (1 + erf(z / sqrt 2)) / 2.
template <typename T>
struct Gelu : Both<T> {
    explicit Gelu(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        const Vec<T> x = clamped<T>(z, far<T>), t = magnitude<T>(x) * T(0.70710678118654752);
        const Vec<T> bell = exponential<T>(T(-0.5) * x * x);
        const Vec<T> inverse = T(0.5) / ((t + T(3)) * (t + t + T(1)));
        const Vec<T> place = (t - T(3)) * (t + t + T(1)) * (inverse + inverse);
        const Vec<T> least = bell * polynomial<T>(ScaledErfc<T>::c, place) * (t + T(3)) * inverse;
        const Vec<T> below = x < T(0) ? least : T(1) - least;
        const Vec<T> density = bell * T(0.39894228040143268);
        keep[0] = below + x * density;
        keep[1] = density * (T(2) - x * x);
        return (z < T(0) ? x : z) * below;
    }
};

// z (1 + tanh(u / 2)) / 2, u = sqrt(8 / pi) (z + 0.044715 z^3).
template <typename T>
struct GeluTanh : Both<T> {
    explicit GeluTanh(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        constexpr T a = T(0.79788456080286536), b = T(0.044715);
        const Vec<T> x = clamped<T>(z, far<T>), square = x * x;
        const Vec<T> u = (a + a) * x * (T(1) + b * square);
        const Vec<T> first = (a + a) * (T(1) + T(3) * b * square), second = T(12) * a * b * x;
        // (1 + tanh(u / 2)) / 2 = 1 / (1 + exp(-u)), of which nothing cancels.
        const Vec<T> e = exponential<T>(-magnitude<T>(u)), large = T(1) / (e + T(1));
        const Vec<T> small = e * large, share = u < T(0) ? small : large, rise = large * small;
        keep[0] = share + x * rise * first;
        keep[1] = rise * (first + first + x * second + x * first * first * (T(1) - (share + share)));
        return (z < T(0) ? x : z) * share;
    }
};

template <typename T>
struct Relu {
    static constexpr int kept = 0;
    explicit Relu(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>*) const { return z < T(0) ? Vec<T>{} : z; }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>*) const {
        return h > T(0) ? broadcast<T>(1) : Vec<T>{};
    }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T>, const Vec<T>*) const { return Vec<T>{}; }
};

// exp(-z^2 / 2). Keeps z.
template <typename T>
struct Gaussian {
    static constexpr int kept = 1;
    explicit Gaussian(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        keep[0] = clamped<T>(z, far<T>);
        return exponential<T>(T(-0.5) * keep[0] * keep[0]);
    }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>* keep) const { return -keep[0] * h; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>* keep) const {
        return (keep[0] * keep[0] - T(1)) * h;
    }
};

// cos z. Keeps its slope.
template <typename T>
struct Cosine {
    static constexpr int kept = 1;
    explicit Cosine(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        Vec<T> h{};
        for (int lane = 0; lane < width<T>; ++lane) {
            h[lane] = static_cast<T>(__builtin_cos(z[lane]));
            keep[0][lane] = static_cast<T>(-__builtin_sin(z[lane]));
        }
        return h;
    }
    AMPTORCH_INLINE Vec<T> slope(Vec<T>, const Vec<T>* keep) const { return keep[0]; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>*) const { return -h; }
};

// 1 - 1 / (1 + exp(-z)).
template <typename T>
struct ReversedSigmoid {
    static constexpr int kept = 0;
    explicit ReversedSigmoid(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>*) const { return logistic<T>(-z); }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>*) const { return h * (h - T(1)); }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>*) const {
        return h * (T(1) - h) * (T(1) - (h + h));
    }
};

// exp(-z).
template <typename T>
struct Exponential {
    static constexpr int kept = 0;
    explicit Exponential(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>*) const {
        const Vec<T> e = exponential<T>(-magnitude<T>(z));
        return z < T(0) ? T(1) / e : e;
    }
    AMPTORCH_INLINE Vec<T> slope(Vec<T> h, const Vec<T>*) const { return -h; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T> h, const Vec<T>*) const { return h; }
};

// z^2. Keeps z.
template <typename T>
struct Square {
    static constexpr int kept = 1;
    explicit Square(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const { return (keep[0] = z) * z; }
    AMPTORCH_INLINE Vec<T> slope(Vec<T>, const Vec<T>* keep) const { return keep[0] + keep[0]; }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T>, const Vec<T>*) const { return broadcast<T>(2); }
};

template <typename T>
struct Identity {
    static constexpr int kept = 0;
    explicit Identity(const T*) {}
    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>*) const { return z; }
    AMPTORCH_INLINE Vec<T> slope(Vec<T>, const Vec<T>*) const { return broadcast<T>(1); }
    AMPTORCH_INLINE Vec<T> curvature(Vec<T>, const Vec<T>*) const { return Vec<T>{}; }
};
