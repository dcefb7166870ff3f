// What a pair of atoms is to all members alike: radial functions and spherical harmonics. Included once
// per instruction set, inside its namespace, after simd.h.

// f_k [k_size] and its slope, Chebyshev polynomials of x = 2 (r / cutoff - 1)^2 - 1.
template <typename T>
void radial_basis(const T* pair, T cutoff, Index k_size, T* f, T* slope) {
    const T smooth = pair[4], smooth_slope = pair[5];
    const T s = pair[3] / cutoff - 1, x = 2 * s * s - 1, x_slope = 4 * s / cutoff;
    T before = 1, now = x, before_slope = 0, now_slope = 1;
    f[0] = smooth;
    slope[0] = smooth_slope;
    for (Index k = 1; k < k_size; ++k) {
        f[k] = T(0.5) * (now + 1) * smooth;
        slope[k] = T(0.5) * ((now + 1) * smooth_slope + now_slope * x_slope * smooth);
        const T next = 2 * x * now - before, next_slope = 2 * (now + x * now_slope) - before_slope;
        before = now, now = next;
        before_slope = now_slope, now_slope = next_slope;
    }
}

constexpr Index most_l = 8;

// Real orthonormal spherical harmonics, m from -l to l behind one another for l = 1, 2, ..:
// N_lm Pi_lm(z) Re or Im (x + i y)^|m|.
template <typename T>
class Harmonics {
public:
    explicit Harmonics(Index l_max) : l_max_(l_max) {
        for (Index l = 0; l <= l_max; ++l) {
            double ratio = 1;  // (l - m)! / (l + m)!
            for (Index m = 0; m <= l; ++m) {
                if (m) ratio /= static_cast<double>((l + m) * (l - m + 1));
                const double square = (m ? 2 : 1) * (2 * l + 1) / (4 * 3.14159265358979323846) * ratio;
                norm_[l][m] = static_cast<T>(__builtin_sqrt(square));
            }
        }
    }

    // Of the unit vector of a pair: Y [m_stride], then its gradient (1/Å) [3, m_stride].
    void operator()(const T* pair, Index m_stride, T* y) const {
        T polynomial[most_l + 1][most_l + 1], slope[most_l + 1][most_l + 1];
        T cosine[most_l + 2], sine[most_l + 2];
        polynomials(pair[2], polynomial, slope);
        cosine[0] = 1, sine[0] = 0;
        for (Index m = 0; m < l_max_; ++m) {
            cosine[m + 1] = pair[0] * cosine[m] - pair[1] * sine[m];
            sine[m + 1] = pair[0] * sine[m] + pair[1] * cosine[m];
        }
        for (Index l = 1; l <= l_max_; ++l) {
            T* at = y + l * l - 1 + l;
            for (Index m = 0; m <= l; ++m) {
                const T p = norm_[l][m] * polynomial[l][m], dp = norm_[l][m] * slope[l][m];
                const T order = static_cast<T>(m) * p;
                const T c = m ? cosine[m - 1] : T(0), s = m ? sine[m - 1] : T(0);
                put(pair, at + m, m_stride, p * cosine[m], order * c, -order * s, dp * cosine[m]);
                if (m) put(pair, at - m, m_stride, p * sine[m], order * s, order * c, dp * sine[m]);
            }
        }
    }

private:
    // Without what changes the length of the vector, over the distance.
    static void put(const T* pair, T* at, Index stride, T value, T x, T y, T z) {
        const T along = pair[0] * x + pair[1] * y + pair[2] * z, inverse = 1 / pair[3];
        at[0] = value;
        at[stride] = (x - along * pair[0]) * inverse;
        at[2 * stride] = (y - along * pair[1]) * inverse;
        at[3 * stride] = (z - along * pair[2]) * inverse;
    }

    // Legendre functions over sin^m, and their slopes.
    void polynomials(T z, T (&p)[most_l + 1][most_l + 1], T (&slope)[most_l + 1][most_l + 1]) const {
        for (Index m = 0; m <= l_max_; ++m) {
            p[m][m] = m ? static_cast<T>(2 * m - 1) * p[m - 1][m - 1] : T(1);
            slope[m][m] = 0;
            for (Index l = m + 1; l <= l_max_; ++l) {
                const bool more = l > m + 1;
                const T a = static_cast<T>(2 * l - 1), b = static_cast<T>(l + m - 1);
                const T inverse = T(1) / static_cast<T>(l - m);
                p[l][m] = (a * z * p[l - 1][m] - (more ? b * p[l - 2][m] : 0)) * inverse;
                const T rise = p[l - 1][m] + z * slope[l - 1][m];
                slope[l][m] = (a * rise - (more ? b * slope[l - 2][m] : 0)) * inverse;
            }
        }
    }

    Index l_max_;
    T norm_[most_l + 1][most_l + 1];
};

// Where the geometry of an atom lies in its part of the scratch.
template <typename T>
struct Geometry {
    Index n_radial, n_angular;  // pairs
    T *radial_slopes;           // [n_radial, k_radial]
    T *radial_sums;             // [n_species, k_radial]: sums of f_k
    T *angular, *angular_slopes;  // [n_angular, k_angular]
    T *harmonics;               // [n_angular, 4, m_stride]
    T *angular_sums;            // [n_species, k_angular, m_stride]: sums of f_k Y

    static Index size(const Shape& shape, const Most& most) {
        const Index m_stride = padded(shape.n_harmonics());
        return most.radial * shape.k_radial + shape.n_species * shape.k_radial +
               most.angular * (2 * shape.k_angular + 4 * m_stride) +
               shape.n_species * shape.k_angular * m_stride;
    }

    Geometry(const Shape& shape, const Most& most, T* at) {
        const Index m_stride = padded(shape.n_harmonics());
        radial_slopes = at;
        radial_sums = radial_slopes + most.radial * shape.k_radial;
        angular = radial_sums + shape.n_species * shape.k_radial;
        angular_slopes = angular + most.angular * shape.k_angular;
        harmonics = angular_slopes + most.angular * shape.k_angular;
        angular_sums = harmonics + most.angular * 4 * m_stride;
    }
};

template <typename T>
void fill(T* values, Index n, T value) {
    for (Index q = 0; q < n; ++q) values[q] = value;
}

template <typename T>
void fill_radial(const Shape& shape, const Data<T>& data, Index atom, Geometry<T>& geometry) {
    const Pairs<T>& pairs = data.radial;
    const Index first = pairs.first[atom], k_size = shape.k_radial;
    T f[64];
    geometry.n_radial = pairs.count(atom);
    fill(geometry.radial_sums, shape.n_species * k_size, T(0));
    for (Index x = 0; x < geometry.n_radial; ++x) {
        const Index b = data.species[pairs.neighbors[first + x]];
        const T cutoff = pairs.cutoffs[data.species[atom] * shape.n_species + b];
        const T* pair = pairs.values + (first + x) * pair_size;
        radial_basis(pair, cutoff, k_size, f, geometry.radial_slopes + x * k_size);
        for (Index k = 0; k < k_size; ++k) geometry.radial_sums[b * k_size + k] += f[k];
    }
}

template <typename T>
void fill_angular(const Shape& shape, const Data<T>& data, const Harmonics<T>& harmonics, Index atom,
                  Geometry<T>& geometry) {
    const Pairs<T>& pairs = data.angular;
    const Index first = pairs.first[atom], k_size = shape.k_angular;
    const Index m_stride = padded(shape.n_harmonics());
    geometry.n_angular = pairs.count(atom);
    fill(geometry.harmonics, geometry.n_angular * 4 * m_stride, T(0));
    fill(geometry.angular_sums, shape.n_species * k_size * m_stride, T(0));
    for (Index x = 0; x < geometry.n_angular; ++x) {
        const Index b = data.species[pairs.neighbors[first + x]];
        const T cutoff = pairs.cutoffs[data.species[atom] * shape.n_species + b];
        const T* pair = pairs.values + (first + x) * pair_size;
        T *f = geometry.angular + x * k_size, *y = geometry.harmonics + x * 4 * m_stride;
        radial_basis(pair, cutoff, k_size, f, geometry.angular_slopes + x * k_size);
        harmonics(pair, m_stride, y);
        T* sums = geometry.angular_sums + b * k_size * m_stride;
        for (Index k = 0; k < k_size; ++k) {
            for (Index m = 0; m < m_stride; ++m) sums[k * m_stride + m] += f[k] * y[m];
        }
    }
}
