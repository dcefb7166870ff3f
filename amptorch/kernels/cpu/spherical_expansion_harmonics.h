// Spherical harmonics of unit vectors, a pair a lane, in the factors that they and their gradients
// share.
// Included once per instruction set, inside its namespace.

constexpr int place_of(int l, int m) { return l * (l + 1) / 2 + m; }

// d^m P_l/dz^m, and C_m + i S_m = (x + i y)^m.
template <typename T>
struct Harmonics {
    Vec<T> legendre[place_of(highest_l, highest_l) + 2];
    Vec<T> cosine[highest_l + 1], sine[highest_l + 1];

    // The slope of d^m P_l/dz^m in z.
    AMPTORCH_INLINE Vec<T> slope(int l, int m) const {
        return m < l ? legendre[place_of(l, m + 1)] : Vec<T>{};
    }
};

template <typename T>
AMPTORCH_INLINE void make_harmonics(int highest, const Vec<T> (&u)[3], Harmonics<T>& y) {
    y.cosine[0] = broadcast<T>(1);
    y.sine[0] = Vec<T>{};
    T diagonal = 1;
    for (int m = 0; m <= highest; ++m) {
        if (m) {
            y.cosine[m] = u[0] * y.cosine[m - 1] - u[1] * y.sine[m - 1];
            y.sine[m] = u[0] * y.sine[m - 1] + u[1] * y.cosine[m - 1];
            diagonal *= T(2 * m - 1);
        }
        Vec<T> before{}, value = broadcast<T>(diagonal);
        y.legendre[place_of(m, m)] = value;
        for (int l = m + 1; l <= highest; ++l) {
            const T inverse = T(1) / T(l - m);
            const Vec<T> next =
                (T(2 * l - 1) * inverse) * u[2] * value - (T(l + m - 1) * inverse) * before;
            before = value;
            value = next;
            y.legendre[place_of(l, m)] = value;
        }
    }
}

// n_lm of the harmonics, by place_of.
template <typename T>
struct Norms {
    T values[place_of(highest_l, highest_l) + 1];

    Norms() {
        for (int l = 0; l <= highest_l; ++l) {
            double ratio = 1;
            for (int m = 0; m <= l; ++m) {
                if (m) ratio /= double(l - m + 1) * (l + m);
                const double square = (m ? 2 : 1) * (2 * l + 1) / (4 * 3.141592653589793) * ratio;
                values[place_of(l, m)] = static_cast<T>(__builtin_sqrt(square));
            }
        }
    }
};

// Made at the first call: what runs before that may not need the instruction set.
template <typename T>
const Norms<T>& norms() {
    static const Norms<T> made;
    return made;
}
