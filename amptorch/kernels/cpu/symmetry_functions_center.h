// The neighbours of one centre laid out for vectors, and the sums over single neighbours.
// Included once per instruction set, inside its namespace.

constexpr bool needs_slope(Operation op) { return op != Operation::forward; }
constexpr bool needs_gradient(Operation op) {
    return op == Operation::jacobian || op == Operation::vjp;
}

// Neighbours of a centre as rows of places: species after species, each species filled up to whole
// vectors with neighbours that are too far away to weigh anything.
template <typename T>
struct Center {
    const Task<T>& task;
    const CenterPlan& plan;
    Index atom, begin, stride;
    int n_neighbors;
    int *start, *next, *neighbor;  // [n_species + 1] and [n_species] places; [places], -1: filling
    T *x, *y, *z, *r, *inverse;
    T *dx, *dy, *dz, *dot;  // jvp: change of R, and R . dR
    T* packed;              // [packed_rows + gradient_rows * max_terms, packed_stride]: triples
    Run* runs;              // [packed_length]: the packed triples of the same j
    T* vectors;             // [places, 4]: 1, x, y, z
    T* channels;            // [n_channels, 3, stride]: weight, its slope, and their ratio
    T* slots;               // [places, n_slots, 4]: dG/dR = first * R + the other three
    int n_slots;            // 1 for the vjp, which needs no more

    Center(const Task<T>& task, Index atom, const Scratch<T>& scratch)
        : task(task),
          plan(task.plans[task.species[atom]]),
          atom(atom),
          begin(task.first[atom]),
          stride(scratch.stride),
          n_neighbors(static_cast<int>(task.first[atom + 1] - begin)),
          start(scratch.places),
          next(start + task.n_species + 1),
          neighbor(next + task.n_species),
          packed(scratch.packed),
          runs(scratch.runs) {
        T* row = scratch.values;
        T** const rows[] = {&x, &y, &z, &r, &inverse, &dx, &dy, &dz, &dot};
        for (T** array : rows) {
            *array = row;
            row += stride;
        }
        vectors = row;
        channels = vectors + 4 * stride;
        slots = channels + task.max_channels * rows_per_channel * stride;
        n_slots = task.n_touched ? task.n_touched : 1;
    }

    int places() const { return start[task.n_species]; }
    T* weight(int channel) const { return channels + channel * rows_per_channel * stride; }
    T* slope(int channel) const { return weight(channel) + stride; }
    T* ratio(int channel) const { return slope(channel) + stride; }
    Quad<T>& sums(Index place, int slot) const { return quad(slots, place * n_slots + slot); }
    T* features() const { return task.features + atom * task.n_features; }
    const T* gradient() const { return task.gradient + atom * task.n_features; }
};

// Calls visit(species, begin, end) for runs of neighbours of one species: in lists that are sorted by
// species one each.
template <typename T, typename Visit>
AMPTORCH_INLINE void for_each_species(const Center<T>& c, Visit visit) {
    const Index *neighbors = c.task.neighbors + c.begin, *species = c.task.species;
    for (int begin = 0, end; begin < c.n_neighbors; begin = end) {
        const Index own = species[neighbors[begin]];
        for (end = begin + 1; end < c.n_neighbors && species[neighbors[end]] == own;) ++end;
        visit(own, begin, end);
    }
}

// Sorts the neighbours by species into their places; the order within a species stays.
template <typename T>
void assign_places(Center<T>& c) {
    for (int s = 0; s < c.task.n_species; ++s) c.next[s] = 0;
    for_each_species(c, [&](Index s, int begin, int end) { c.next[s] += end - begin; });
    c.start[0] = 0;
    for (int s = 0; s < c.task.n_species; ++s) {
        c.start[s + 1] = c.start[s] + (c.next[s] + width<T> - 1) / width<T> * width<T>;
        c.next[s] = c.start[s];
    }
    for (int place = 0; place < c.places(); ++place) c.neighbor[place] = -1;
    for_each_species(c, [&](Index s, int begin, int end) {
        int* to = c.neighbor + c.next[s];
        for (int n = begin; n < end; ++n) *to++ = n;
        c.next[s] += end - begin;
    });
}

// Copies [n_pairs, 3] vectors of the centre's pairs into three rows; `filling` in the first one.
template <typename T>
void spread(const Center<T>& c, const T* vectors, T filling, T* x, T* y, T* z) {
    for (int place = 0; place < c.places(); ++place) {
        const int n = c.neighbor[place];
        const T* vector = vectors + 3 * (c.begin + n);
        x[place] = n < 0 ? filling : vector[0];
        y[place] = n < 0 ? 0 : vector[1];
        z[place] = n < 0 ? 0 : vector[2];
    }
}

template <typename T, Operation op>
void prepare_distances(Center<T>& c) {
    constexpr T far_away = T(1e10);
    spread(c, c.task.vectors, far_away, c.x, c.y, c.z);
    if constexpr (op == Operation::jvp) spread(c, c.task.changes, T(0), c.dx, c.dy, c.dz);
    for (int place = 0; place < c.places(); place += width<T>) {
        const Vec<T> x = load(c.x + place), y = load(c.y + place), z = load(c.z + place);
        const Vec<T> r = square_root<T>(x * x + y * y + z * z);
        store<T>(c.r + place, r);
        store<T>(c.inverse + place, T(1) / r);
        if constexpr (op == Operation::jvp) {
            const Vec<T> dx = load(c.dx + place), dy = load(c.dy + place), dz = load(c.dz + place);
            store<T>(c.dot + place, x * dx + y * dy + z * dz);
        }
    }
}

template <typename T, Operation op>
void prepare_channels(Center<T>& c) {
    for (int index = 0; index < c.plan.n_channels; ++index) {
        const Channel& channel = c.plan.channels[index];
        const Cutoff<T> cutoff(channel.cutoff, c.task.cutoff_function);
        const Shape<T> shape(channel);
        for (int place = 0; place < c.places(); place += width<T>) {
            const Vec<T> r = load(c.r + place);
            const Radial<T> w = weight<T, needs_slope(op)>(cutoff, shape, r * r);
            store<T>(c.weight(index) + place, w.value);
            if constexpr (needs_slope(op)) store<T>(c.slope(index) + place, w.slope);
        }
    }
}

// Clears the sums over gradients, and lays out what they multiply.
template <typename T, Operation op>
void prepare_gradients(Center<T>& c) {
    for (int place = 0; place < c.places(); ++place) {
        quad(c.vectors, place) = Quad<T>{1, c.x[place], c.y[place], c.z[place]};
    }
    for (int index = 0; index < c.places() * c.n_slots; ++index) quad(c.slots, index) = Quad<T>{};
}

// G2: adds one function over the neighbours of its species.
template <typename T, Operation op>
void sum_radial(Center<T>& c, const RadialTerm& term) {
    const Cutoff<T> cutoff(term.cutoff, c.task.cutoff_function);
    const T eta = static_cast<T>(term.eta), rs = static_cast<T>(term.rs);
    const T factor = static_cast<T>(term.weight);
    Vec<T> total{};
    for (int place = c.start[term.species]; place < c.start[term.species + 1]; place += width<T>) {
        const Vec<T> r = load(c.r + place), off = r - rs;
        const Radial<T> f = cutoff.template operator()<needs_slope(op)>(r * r);
        const Vec<T> e = exponential<T>(-eta * off * off);
        const Vec<T> value = f.value * e;
        if constexpr (op == Operation::forward || op == Operation::jacobian) total += value;
        if constexpr (needs_slope(op)) {
            Vec<T> slope = f.slope * e - 2 * eta * off * load(c.inverse + place) * value;
            if constexpr (op == Operation::jvp) total += slope * load(c.dot + place);
            if constexpr (op == Operation::jacobian) slope *= factor;
            if constexpr (op == Operation::vjp) slope *= factor * c.gradient()[term.feature];
            if constexpr (needs_gradient(op)) {
                for (int lane = 0; lane < width<T>; ++lane) {
                    c.sums(place + lane, term.slot)[0] += slope[lane];
                }
            }
        }
    }
    if constexpr (op != Operation::vjp) c.features()[term.feature] += factor * sum<T>(total);
}

// The gradients of the features in all slots of a neighbour: along x, y, z, and a fourth number.
template <typename T>
AMPTORCH_INLINE Quad<T> gradient(const Center<T>& c, int place, int slot) {
    const Quad<T> sums = c.sums(place, slot);
    const Quad<T> whole = broadcast_quad<T>(sums[0]) * quad(c.vectors, place) + sums;
    return Quad<T>{whole[1], whole[2], whole[3], whole[0]};
}

template <typename T>
AMPTORCH_INLINE void write_vector(T* to, Quad<T> vector) {
    for (int axis = 0; axis < 3; ++axis) to[axis] = vector[axis];
}

template <typename T>
void write_pulled(const Center<T>& c) {
    for (int place = 0; place < c.places(); ++place) {
        const int n = c.neighbor[place];
        if (n >= 0) write_vector(c.task.pulled + 3 * (c.begin + n), gradient(c, place, 0));
    }
}

template <typename T>
void write_blocks(const Center<T>& c) {
    const int n_touched = c.task.n_touched;
    for (int species = 0; species < c.task.n_species; ++species) {
        const int* slots = c.plan.slots + species * n_touched;
        const int n_slots = c.plan.n_slots[species];
        for (int place = c.start[species]; place < c.start[species + 1]; ++place) {
            const int n = c.neighbor[place];
            if (n < 0) continue;
            T* block = c.task.blocks + (c.begin + n) * n_touched * 3;
            for (int at = 0; at < n_slots; ++at) {
                const Quad<T> vector = gradient(c, place, slots[at]);
                // A whole vector is written at once where what it spills over comes next.
                if (at + 1 < n_touched) __builtin_memcpy(block + 3 * at, &vector, sizeof(vector));
                else write_vector(block + 3 * at, vector);
            }
            for (int at = 3 * n_slots; at < 3 * n_touched; ++at) block[at] = 0;
        }
    }
}
