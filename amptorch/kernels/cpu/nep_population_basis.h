// What the neighbours of an atom are to all members alike: radial functions, spherical harmonics, and
// their sums. Included once per instruction set, inside its namespace, after the headers of
// spherical_expansion.

// Where the geometry of an atom lies in its part of the scratch.
template <typename T>
struct Geometry {
    Index n_radial, n_angular;            // pairs
    T *radial_places, *angular_places;    // unit vectors and distances (Å) [pairs, 4]
    T* radial_slopes;                     // [n_radial, k_radial]
    T* radial_sums;                       // [n_species, k_radial]: sums of f_k
    T *angular, *angular_slopes;          // [n_angular, k_angular]
    T* harmonics;                         // Y and its gradient (1/Å) [n_angular, 4, m_stride]
    T* angular_sums;                      // [n_species, k_angular, m_stride]: sums of f_k Y

    static Index size(const Shape& shape, const Most& most) {
        const Index m_stride = padded(shape.n_harmonics());
        return most.radial * (shape.k_radial + 4) + shape.n_species * shape.k_radial +
               most.angular * (2 * shape.k_angular + 4 * m_stride + 4) +
               shape.n_species * shape.k_angular * m_stride;
    }

    Geometry(const Shape& shape, const Most& most, T* at) : n_radial(0), n_angular(0) {
        const auto take = [&at](Index n) {
            T* taken = at;
            at += n;
            return taken;
        };
        radial_places = take(4 * most.radial);
        angular_places = take(4 * most.angular);
        radial_slopes = take(most.radial * shape.k_radial);
        radial_sums = take(shape.n_species * shape.k_radial);
        angular = take(most.angular * shape.k_angular);
        angular_slopes = take(most.angular * shape.k_angular);
        harmonics = take(most.angular * 4 * padded(shape.n_harmonics()));
        angular_sums = take(shape.n_species * shape.k_angular * padded(shape.n_harmonics()));
    }
};

template <typename T>
void fill(T* values, Index n, T value) {
    for (Index q = 0; q < n; ++q) values[q] = value;
}

template <typename T>
Radial<T> radial_functions(const Neighbors<T>& neighbors, Index pair_of_species, Index k_size) {
    const T cutoff = neighbors.cutoffs[pair_of_species];
    return {Kind::nep, static_cast<int>(k_size), cutoff, 1 / cutoff, 0, 0, 0, nullptr};
}

// Calls each(species, radial functions, pairs side by side) for all neighbours of an atom.
template <typename T, typename Each>
void for_neighbors(const Shape& shape, const Data<T>& data, const Neighbors<T>& neighbors, Index k_size,
                   Index atom, const Each& each) {
    const Index own = data.species[atom] * shape.n_species;
    for (Index begin = neighbors.first[atom], end; begin < neighbors.first[atom + 1]; begin = end) {
        const Index species = data.species[neighbors.atoms[begin]];
        end = begin + 1;
        while (end < neighbors.first[atom + 1] && data.species[neighbors.atoms[end]] == species) ++end;
        const Radial<T> radial = radial_functions(neighbors, own + species, k_size);
        for_near<T>(neighbors.vectors, begin, end, radial.cutoff,
                    [&](const Pairs<T>& pairs) { each(species, radial, pairs); });
    }
}

template <typename T>
void put_place(const Pairs<T>& pairs, int lane, T* place) {
    for (int axis = 0; axis < 3; ++axis) place[axis] = pairs.unit[axis][lane];
    place[3] = pairs.distance[lane];
}

template <typename T>
void fill_radial(const Shape& shape, const Data<T>& data, Index atom, Geometry<T>& geometry) {
    const Index first = data.radial.first[atom], k_size = shape.k_radial;
    geometry.n_radial = data.radial.count(atom);
    fill(geometry.radial_sums, shape.n_species * k_size, T(0));
    const auto each = [&](Index species, const Radial<T>& radial, const Pairs<T>& pairs) {
        Functions<T> f;
        make_functions<T>(radial, load(pairs.distance), f);
        for (int lane = 0; lane < pairs.number; ++lane) {
            const Index x = pairs.pair[lane] - first;
            put_place(pairs, lane, geometry.radial_places + 4 * x);
            for (Index k = 0; k < k_size; ++k) {
                geometry.radial_slopes[x * k_size + k] = f.slopes[k][lane];
                geometry.radial_sums[species * k_size + k] += f.values[k][lane];
            }
        }
    };
    for_neighbors(shape, data, data.radial, k_size, atom, each);
}

// Y, then its slopes along x, y and z.
template <typename T>
void fill_harmonics(const Shape& shape, const Factors<T>& factors, int part, Rows<T>& rows) {
    const int highest = static_cast<int>(shape.l_max);
    if (part == 0) return fill<T>(1, highest, factors.harmonics, rows);
    const auto& u = factors.unit;
    Vec<T> turn[3];
    for (int axis = 0; axis < 3; ++axis) {
        const Vec<T> own = broadcast<T>(axis == part - 1 ? 1 : 0);
        turn[axis] = (own - u[axis] * u[part - 1]) * factors.inverse;
    }
    fill_changes<T>(1, highest, factors.harmonics, turn, rows);
}

template <typename T>
void fill_angular(const Shape& shape, const Data<T>& data, Index atom, Geometry<T>& geometry) {
    const Index first = data.angular.first[atom], k_size = shape.k_angular;
    const Index n = shape.n_harmonics(), m_stride = padded(n);
    geometry.n_angular = data.angular.count(atom);
    fill(geometry.harmonics, geometry.n_angular * 4 * m_stride, T(0));
    fill(geometry.angular_sums, shape.n_species * k_size * m_stride, T(0));
    const spherical::Part part{static_cast<int>(k_size), 1, static_cast<int>(shape.l_max),
                               static_cast<int>(n), 0};
    const auto each = [&](Index species, const Radial<T>& radial, const Pairs<T>& pairs) {
        Factors<T> factors;
        Rows<T> rows;
        factors.make(part, radial, pairs);
        for (int q = 0; q < 4; ++q) {
            fill_harmonics(shape, factors, q, rows);
            for (int lane = 0; lane < pairs.number; ++lane) {
                T* to = geometry.harmonics + ((pairs.pair[lane] - first) * 4 + q) * m_stride;
                for (Index m = 0; m < n; ++m) to[m] = rows.values[lane * Rows<T>::stride + m];
            }
        }
        for (int lane = 0; lane < pairs.number; ++lane) {
            const Index x = pairs.pair[lane] - first;
            put_place(pairs, lane, geometry.angular_places + 4 * x);
            const T* y = geometry.harmonics + x * 4 * m_stride;
            T* sums = geometry.angular_sums + species * k_size * m_stride;
            for (Index k = 0; k < k_size; ++k) {
                const T f = factors.functions.values[k][lane];
                geometry.angular[x * k_size + k] = f;
                geometry.angular_slopes[x * k_size + k] = factors.functions.slopes[k][lane];
                for (Index m = 0; m < m_stride; ++m) sums[k * m_stride + m] += f * y[m];
            }
        }
    };
    for_neighbors(shape, data, data.angular, k_size, atom, each);
}
