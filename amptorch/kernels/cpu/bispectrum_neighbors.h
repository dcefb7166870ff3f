// The neighbours of a block's atoms as points on the sphere of four dimensions, with weights.
// Included once per instruction set, inside its namespace.

// What is known of each neighbour, a row of places each.
enum Row {
    x_row, y_row, z_row, cosine_row, sine_row, turn_row, inverse_row, weight_row, slope_row,
    dx_row, dy_row, dz_row, n_rows
};

// An atom's neighbours lie by density, each density filled up to whole vectors with neighbours that
// weigh nothing.
template <typename T>
struct Neighbors {
    const Task<T>& task;
    Index atom, begin, stride;
    int *start, *neighbor, *kind;  // [n_densities + 1], [stride] (-1: filling), [stride]
    T* rows;                       // [n_rows, stride]

    T* row(Row which) const { return rows + which * stride; }
    Vec<T> get(Row which, int place) const { return load(row(which) + place); }
    void set(Row which, int place, Vec<T> value) const { store<T>(row(which) + place, value); }
    int density_of(Index species) const {
        return task.tables.n_densities > 1 ? static_cast<int>(species) : 0;
    }
};

template <typename T>
const PairKind<T>& kind_of(const Neighbors<T>& n, Index pair) {
    const Index center = n.task.species[n.atom];
    return n.task.tables.kinds[center * n.task.n_species + n.task.species[n.task.neighbors[pair]]];
}

template <typename T>
bool is_inside(const Neighbors<T>& n, Index pair) {
    const T *v = n.task.vectors + 3 * pair, cutoff = kind_of(n, pair).cutoff;
    return v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < cutoff * cutoff;
}

template <typename T>
void count_places(const Neighbors<T>& n) {
    const Task<T>& task = n.task;
    const int n_densities = task.tables.n_densities;
    for (int e = 0; e <= n_densities; ++e) n.start[e] = 0;
    for (Index pair = n.begin; pair < task.first[n.atom + 1]; ++pair) {
        if (is_inside(n, pair)) ++n.start[n.density_of(task.species[task.neighbors[pair]]) + 1];
    }
    for (int e = 0; e < n_densities; ++e) {
        n.start[e + 1] = n.start[e] + (n.start[e + 1] + width<T> - 1) / width<T> * width<T>;
    }
}

template <typename T>
void fill_place(const Neighbors<T>& n, int place, Index pair) {
    const Task<T>& task = n.task;
    const T* vector = task.vectors + 3 * pair;
    n.neighbor[place] = static_cast<int>(pair - n.begin);
    n.kind[place] = static_cast<int>(&kind_of(n, pair) - task.tables.kinds);
    for (int axis = 0; axis < 3; ++axis) {
        n.rows[axis * n.stride + place] = vector[axis];
        if (task.changes) n.rows[(dx_row + axis) * n.stride + place] = task.changes[3 * pair + axis];
    }
}

// The order within a density stays.
template <typename T>
void assign_places(const Neighbors<T>& n) {
    count_places(n);
    const Task<T>& task = n.task;
    for (int e = 0; e < task.tables.n_densities; ++e) {
        int place = n.start[e];
        for (Index pair = n.begin; pair < task.first[n.atom + 1]; ++pair) {
            const Index species = task.species[task.neighbors[pair]];
            if (n.density_of(species) == e && is_inside(n, pair)) fill_place(n, place++, pair);
        }
        for (; place < n.start[e + 1]; ++place) {
            n.neighbor[place] = -1;
            n.kind[place] = 0;
            for (int row = 0; row < n_rows; ++row) n.rows[row * n.stride + place] = 0;
            n.rows[place] = 2 * task.tables.kinds[0].cutoff;
        }
    }
}

// sin(pi f)/f and cos(pi f) for |f| <= 1/4 as series in f^2.
template <typename T>
struct HalfTurn;
template <>
struct HalfTurn<double> {
    static constexpr double sine[] = {3.141592653589793,     -5.16771278004997,
                                      2.550164039877345,     -0.5992645293207921,
                                      0.08214588661112823,   -0.00737043094571435,
                                      0.00046630280576761255, -2.1915353447830217e-05,
                                      7.952054001475513e-07};
    static constexpr double cosine[] = {1.0,
                                        -4.934802200544679,
                                        4.0587121264167685,
                                        -1.3352627688545895,
                                        0.2353306303588935,
                                        -0.02580689139001406,
                                        0.0019295743094039231,
                                        -0.00010463810492484570,
                                        4.303069587032947e-06};
};
template <>
struct HalfTurn<float> {
    static constexpr float sine[] = {3.1415927f, -5.1677128f, 2.550164f,
                                     -0.59926453f, 0.082145887f, -0.0073704309f};
    static constexpr float cosine[] = {1.0f, -4.9348022f, 4.0587121f,
                                       -1.3352628f, 0.23533063f, -0.025806891f};
};

template <typename T>
struct Angle {
    Vec<T> sine, cosine;
};

// sin and cos of pi y.
template <typename T>
AMPTORCH_INLINE Angle<T> half_turns(Vec<T> y) {
    const Vec<T> shifted = T(2) * y + Lanes<T>::round;
    const Vec<T> f = y - T(0.5) * (shifted - Lanes<T>::round), square = f * f;
    const Vec<T> s = f * polynomial<T>(HalfTurn<T>::sine, square);
    const Vec<T> c = polynomial<T>(HalfTurn<T>::cosine, square);
    const Mask<T> quarter = reinterpret_cast<Mask<T>>(shifted);
    const Mask<T> odd = (quarter & 1) != 0;
    const Vec<T> sine = odd ? c : s, cosine = odd ? s : c;
    return {(quarter & 2) != 0 ? -sine : sine, ((quarter + 1) & 2) != 0 ? -cosine : cosine};
}

// A switch and its slope.
template <typename T>
struct Switch {
    Vec<T> value, slope;
};

template <typename T>
AMPTORCH_INLINE Switch<T> outer_switch(Vec<T> phase, Vec<T> inverse_span) {
    const Vec<T> zero{};
    const Angle<T> angle = half_turns<T>(phase > zero ? phase : zero);
    return {T(0.5) + T(0.5) * angle.cosine, T(-0.5 * 3.141592653589793) * inverse_span * angle.sine};
}

template <typename T>
AMPTORCH_INLINE Switch<T> inner_switch(Vec<T> r, Vec<T> inner, Vec<T> inverse_width) {
    const Vec<T> zero{}, one = broadcast<T>(1);
    const Vec<T> phase = T(0.5) + T(0.5) * (r - inner) * inverse_width;
    const Mask<T> within = (phase > zero) & (phase < one);
    const Angle<T> angle = half_turns<T>(within ? phase : zero);
    const Vec<T> slope = T(0.25 * 3.141592653589793) * inverse_width * angle.sine;
    const Vec<T> value = T(0.5) - T(0.5) * angle.cosine;
    return {within ? value : (phase >= one ? one : zero), within ? slope : zero};
}

template <typename T>
struct Kinds {
    Vec<T> cutoff, inverse_span, inner, inverse_width, weight;
};

template <typename T>
AMPTORCH_INLINE Kinds<T> gather_kinds(const Neighbors<T>& n, int place) {
    Kinds<T> k{};
    for (int lane = 0; lane < width<T>; ++lane) {
        const PairKind<T>& kind = n.task.tables.kinds[n.kind[place + lane]];
        k.cutoff[lane] = kind.cutoff;
        k.inverse_span[lane] = kind.inverse_span;
        k.inner[lane] = kind.inner;
        k.inverse_width[lane] = kind.inverse_width;
        k.weight[lane] = kind.weight;
    }
    return k;
}

template <typename T>
AMPTORCH_INLINE Switch<T> weigh(const Task<T>& task, const Kinds<T>& k, Vec<T> r, Vec<T> phase) {
    const Vec<T> zero{};
    Switch<T> f{k.weight, zero};
    if (task.outer) {
        const Switch<T> outer = outer_switch<T>(phase, k.inverse_span);
        f = {k.weight * outer.value, k.weight * outer.slope};
    }
    if (task.inner) {
        const Switch<T> inner = inner_switch<T>(r, k.inner, k.inverse_width);
        f = {f.value * inner.value, f.slope * inner.value + f.value * inner.slope};
    }
    const Mask<T> inside = r < k.cutoff;
    return {inside ? f.value : zero, inside ? f.slope : zero};
}

// Where z0 is negative, alpha and beta have the sign of theta.
template <typename T>
void prepare_neighbors(const Neighbors<T>& n) {
    assign_places(n);
    const Vec<T> zero{};
    for (int place = 0; place < n.start[n.task.tables.n_densities]; place += width<T>) {
        const Vec<T> x = n.get(x_row, place), y = n.get(y_row, place), z = n.get(z_row, place);
        const Vec<T> r = square_root<T>(x * x + y * y + z * z), reciprocal = T(1) / r;
        const Kinds<T> k = gather_kinds(n, place);
        const Vec<T> phase = (r - n.task.rmin0) * k.inverse_span;
        const Angle<T> theta = half_turns<T>(n.task.rfac0 * phase);
        const Mask<T> negative = theta.sine < zero;
        const Switch<T> f = weigh(n.task, k, r, phase);
        n.set(x_row, place, x * reciprocal);
        n.set(y_row, place, y * reciprocal);
        n.set(z_row, place, z * reciprocal);
        n.set(cosine_row, place, negative ? -theta.cosine : theta.cosine);
        n.set(sine_row, place, negative ? -theta.sine : theta.sine);
        n.set(turn_row, place, n.task.rfac0 * T(3.141592653589793) * k.inverse_span);
        n.set(inverse_row, place, reciprocal);
        n.set(weight_row, place, f.value);
        n.set(slope_row, place, f.slope);
    }
}
