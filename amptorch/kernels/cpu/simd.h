// Short vectors by the compiler's own vector types, and the elementary functions the kernels need.
// Included once per instruction set, inside its namespace, after AMPTORCH_SIMD_BYTES is set.

template <typename T>
struct Lanes;

template <>
struct Lanes<double> {
    typedef double Vector __attribute__((vector_size(AMPTORCH_SIMD_BYTES), may_alias));
    typedef std::int64_t Mask __attribute__((vector_size(AMPTORCH_SIMD_BYTES), may_alias));
    using Bits = std::int64_t;
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double lowest_exponent = -708.0;
    static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds
};

template <>
struct Lanes<float> {
    typedef float Vector __attribute__((vector_size(AMPTORCH_SIMD_BYTES), may_alias));
    typedef std::int32_t Mask __attribute__((vector_size(AMPTORCH_SIMD_BYTES), may_alias));
    using Bits = std::int32_t;
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float lowest_exponent = -87.0f;
    static constexpr float round = 12582912.0f;  // 1.5 * 2^23
};

template <typename T>
using Vec = typename Lanes<T>::Vector;
template <typename T>
using Mask = typename Lanes<T>::Mask;

template <typename T>
constexpr int width = AMPTORCH_SIMD_BYTES / static_cast<int>(sizeof(T));

#define AMPTORCH_INLINE inline __attribute__((always_inline))

template <typename T>
AMPTORCH_INLINE Vec<T> load(const T* from) {
    return *reinterpret_cast<const Vec<T>*>(from);
}

template <typename T>
AMPTORCH_INLINE void store(T* to, Vec<T> value) {
    *reinterpret_cast<Vec<T>*>(to) = value;
}

template <typename T>
AMPTORCH_INLINE void store_unaligned(T* to, Vec<T> value) {
    __builtin_memcpy(to, &value, sizeof(value));
}

template <typename T>
AMPTORCH_INLINE Vec<T> broadcast(T value) {
    return value - Vec<T>{};
}

template <typename T>
AMPTORCH_INLINE T sum(Vec<T> value) {
    T total = value[0];
    for (int lane = 1; lane < width<T>; ++lane) total += value[lane];
    return total;
}

// Lanes 0, 1, 2, ...
template <typename T>
AMPTORCH_INLINE Mask<T> count() {
    Mask<T> value{};
    for (int lane = 0; lane < width<T>; ++lane) value[lane] = lane;
    return value;
}

// Four numbers: one along R and three Cartesian ones, in all instruction sets.
template <typename T>
struct Four;
template <>
struct Four<double> {
    typedef double Vector __attribute__((vector_size(32), may_alias));
};
template <>
struct Four<float> {
    typedef float Vector __attribute__((vector_size(16), may_alias));
};
template <typename T>
using Quad = typename Four<T>::Vector;

template <typename T>
AMPTORCH_INLINE Quad<T>& quad(T* row, Index place) {
    return reinterpret_cast<Quad<T>*>(row)[place];
}

template <typename T>
AMPTORCH_INLINE Quad<T> broadcast_quad(T value) {
    return value - Quad<T>{};
}

// (*first, rest, rest, rest); reads three numbers more.
template <typename T>
AMPTORCH_INLINE Quad<T> pair_quad(const T* first, T rest) {
    Quad<T> from_memory;
    __builtin_memcpy(&from_memory, first, sizeof(from_memory));
    const Quad<T> order{0, 1, 1, 1};
    return order == Quad<T>{} ? from_memory : broadcast_quad<T>(rest);
}

// Four of the eight numbers of two quads, by their places.
template <typename T, int a, int b, int c, int d>
AMPTORCH_INLINE Quad<T> picked(Quad<T> x, Quad<T> y) {
#ifdef __clang__
    return __builtin_shufflevector(x, y, a, b, c, d);
#else
    return __builtin_shuffle(x, y, decltype(x < y){a, b, c, d});
#endif
}

// The halves or quarters of a vector of eight or sixteen added, or a vector of four as it is.
template <typename T>
AMPTORCH_INLINE Quad<T> folded(Vec<T> value) {
    Quad<T> total, part;
    __builtin_memcpy(&total, &value, sizeof(total));
    for (int lane = 4; lane < width<T>; lane += 4) {
        __builtin_memcpy(&part, reinterpret_cast<const T*>(&value) + lane, sizeof(part));
        total += part;
    }
    return total;
}

// Adds the sums over the lanes of four vectors to four numbers, all four at once.
template <typename T>
AMPTORCH_INLINE void add_sums(const Vec<T> (&of)[4], T* to) {
    if constexpr (width<T> < 4) {
        for (int k = 0; k < 4; ++k) to[k] += sum<T>(of[k]);
    } else {
        const Quad<T> a = folded<T>(of[0]), b = folded<T>(of[1]);
        const Quad<T> c = folded<T>(of[2]), d = folded<T>(of[3]);
        const Quad<T> ab = picked<T, 0, 4, 2, 6>(a, b) + picked<T, 1, 5, 3, 7>(a, b);
        const Quad<T> cd = picked<T, 0, 4, 2, 6>(c, d) + picked<T, 1, 5, 3, 7>(c, d);
        Quad<T> sums = picked<T, 0, 1, 4, 5>(ab, cd) + picked<T, 2, 3, 6, 7>(ab, cd), old;
        __builtin_memcpy(&old, to, sizeof(old));
        sums += old;
        __builtin_memcpy(to, &sums, sizeof(sums));
    }
}

template <typename T>
AMPTORCH_INLINE Vec<T> square_root(Vec<T> value) {
    Vec<T> root{};
    for (int lane = 0; lane < width<T>; ++lane) {
        if constexpr (sizeof(T) == 8) root[lane] = __builtin_sqrt(value[lane]);
        else root[lane] = __builtin_sqrtf(value[lane]);
    }
    return root;
}

// Even and odd coefficients apart: half the latency of Horner's scheme.
template <typename T, int n>
AMPTORCH_INLINE Vec<T> polynomial(const T (&c)[n], Vec<T> x) {
    const Vec<T> square = x * x;
    Vec<T> low = broadcast<T>(c[(n - 1) & ~1]), high = broadcast<T>(c[((n - 2) & ~1) + 1]);
#pragma GCC unroll 8
    for (int i = ((n - 1) & ~1) - 2; i >= 0; i -= 2) low = low * square + c[i];
#pragma GCC unroll 8
    for (int i = ((n - 2) & ~1) - 1; i >= 1; i -= 2) high = high * square + c[i];
    return high * x + low;
}

// (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2, Chebyshev interpolants.
template <typename T>
struct ExpTail;
template <>
struct ExpTail<double> {
    static constexpr double c[] = {
        0.5000000000000001,     0.16666666666666669,    0.041666666666623824,
        0.008333333333330039,   0.0013888888917367081,  0.00019841269863171557,
        2.4801521057868204e-05, 2.7557268276905696e-06, 2.7620201591031547e-07,
        2.5100472505694996e-08};
};
template <>
struct ExpTail<float> {
    static constexpr float c[] = {0.5f, 0.16666576666119928f, 0.04166655421298415f,
                                  0.008363232883682618f, 0.0013926250831497611f};
};

// exp(x) for x <= 0; what would be denormal is the smallest normal number instead, NaN stays NaN.
template <typename T>
AMPTORCH_INLINE Vec<T> exponential(Vec<T> x) {
    using L = Lanes<T>;
    constexpr T log2e = T(1.4426950408889634);
    constexpr T ln2_high = sizeof(T) == 8 ? T(0x1.62e42feep-1) : T(0x1.62ep-1);
    constexpr T ln2_low = sizeof(T) == 8 ? T(0x1.a39ef35793c76p-33) : T(0x1.0bfbe8p-15);
    x = x < L::lowest_exponent ? broadcast<T>(L::lowest_exponent) : x;
    const Vec<T> shifted = x * log2e + L::round;
    const Vec<T> whole = shifted - L::round;
    const Vec<T> r = (x - whole * ln2_high) - whole * ln2_low;
    const Vec<T> tail = polynomial<T>(ExpTail<T>::c, r);
    const Mask<T> power = (reinterpret_cast<Mask<T>>(shifted) + L::bias) << L::mantissa;
    return (tail * r * r + r + T(1)) * reinterpret_cast<Vec<T>>(power);
}

// base^n for a whole n >= 0.
template <typename T>
AMPTORCH_INLINE Vec<T> whole_power(Vec<T> base, int n) {
    Vec<T> power = n & 1 ? base : broadcast<T>(1);
    while (n >>= 1) {
        base *= base;
        if (n & 1) power *= base;
    }
    return power;
}

// base^exponent lane by lane; 0 for base <= 0, where its derivatives may diverge.
template <typename T>
AMPTORCH_INLINE Vec<T> real_power(Vec<T> base, double exponent) {
    Vec<T> power{};
    for (int lane = 0; lane < width<T>; ++lane) {
        if (base[lane] > 0) power[lane] = static_cast<T>(__builtin_pow(base[lane], exponent));
    }
    return power;
}
