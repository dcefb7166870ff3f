// The neighbours of one centre laid out for vectors, and the sums over single neighbours.
// Included once per instruction set, inside its namespace.

constexpr bool needs_slope(Operation op) { return op != Operation::forward; }
constexpr bool needs_gradient(Operation op) {
    return op == Operation::jacobian || op == Operation::vjp;
}

// Neighbours of a centre as rows of places: species after species, each species filled up to whole
// vectors with neighbours that are too far away to weigh anything. One more place takes what is
// computed for no neighbour.
template <typename T>
struct Center {
    const Task<T>& task;
    const CenterPlan& plan;
    Index atom, begin, stride;
    int n_neighbors;
    int *start, *next, *neighbor;  // [n_species + 1] and [n_species] places; [places], -1: filling
    T *x, *y, *z, *r, *inverse;
    T *dx, *dy, *dz, *dot;  // jvp: change of R, and R . dR
    T* packed;              // [packed_rows, stride]: the triples of one neighbour
    T* vectors;             // [places + 1, 4]: 1, x, y, z
    T* channels;            // [n_channels, 2, stride]: weight and its slope
    T* slots;               // [n_touched, places + 1, 4]: dG/dR = first * R + the other three

    Center(const Task<T>& task, Index atom, const Scratch<T>& scratch)
        : task(task),
          plan(task.plans[task.species[atom]]),
          atom(atom),
          begin(task.first[atom]),
          stride(scratch.stride),
          n_neighbors(static_cast<int>(task.first[atom + 1] - begin)),
          start(scratch.places),
          next(start + task.n_species + 1),
          neighbor(next + task.n_species) {
        T* row = scratch.values;
        T** const rows[] = {&x, &y, &z, &r, &inverse, &dx, &dy, &dz, &dot};
        for (T** array : rows) {
            *array = row;
            row += stride;
        }
        packed = row;
        vectors = packed + packed_rows * stride;
        channels = vectors + 4 * stride;
        slots = channels + task.max_channels * rows_per_channel * stride;
    }

    int places() const { return start[task.n_species]; }
    T* weight(int channel) const { return channels + channel * rows_per_channel * stride; }
    T* slope(int channel) const { return weight(channel) + stride; }
    T* slot(int index) const { return slots + index * rows_per_slot * stride; }
    T* features() const { return task.features + atom * task.n_features; }
    const T* gradient() const { return task.gradient + atom * task.n_features; }
};

// Sorts the neighbours by species into their places; the order within a species stays.
template <typename T>
void assign_places(Center<T>& c) {
    const Index *neighbors = c.task.neighbors + c.begin, *species = c.task.species;
    for (int s = 0; s < c.task.n_species; ++s) c.next[s] = 0;
    for (int n = 0; n < c.n_neighbors; ++n) ++c.next[species[neighbors[n]]];
    c.start[0] = 0;
    for (int s = 0; s < c.task.n_species; ++s) {
        c.start[s + 1] = c.start[s] + (c.next[s] + width<T> - 1) / width<T> * width<T>;
        c.next[s] = c.start[s];
    }
    for (int place = 0; place < c.places(); ++place) c.neighbor[place] = -1;
    for (int n = 0; n < c.n_neighbors; ++n) c.neighbor[c.next[species[neighbors[n]]]++] = n;
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
        const Cutoff<T> cutoff(channel.cutoff, c.task.gamma);
        const T eta = static_cast<T>(channel.eta);
        for (int place = 0; place < c.places(); place += width<T>) {
            const Vec<T> r = load(c.r + place);
            const Radial<T> w = weight<T, needs_slope(op)>(cutoff, eta, r * r);
            store<T>(c.weight(index) + place, w.value);
            if constexpr (needs_slope(op)) store<T>(c.slope(index) + place, w.slope);
        }
    }
}

// Clears the sums over gradients, and lays out what they multiply.
template <typename T, Operation op>
void prepare_gradients(Center<T>& c) {
    for (int place = 0; place <= c.places(); ++place) {
        const bool real = place < c.places();
        quad(c.vectors, place) = real ? Quad<T>{1, c.x[place], c.y[place], c.z[place]} : Quad<T>{};
    }
    const int n_slots = op == Operation::jacobian ? c.task.n_touched : 1;
    for (int slot = 0; slot < n_slots; ++slot) {
        for (int place = 0; place < c.places(); ++place) quad(c.slot(slot), place) = Quad<T>{};
    }
}

// G2: adds one function over the neighbours of its species.
template <typename T, Operation op>
void sum_radial(Center<T>& c, const RadialTerm& term) {
    const Cutoff<T> cutoff(term.cutoff, c.task.gamma);
    const T eta = static_cast<T>(term.eta), rs = static_cast<T>(term.rs);
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
            if constexpr (op == Operation::vjp) slope *= c.gradient()[term.feature];
            if constexpr (needs_gradient(op)) {
                T* rows = c.slot(op == Operation::vjp ? 0 : term.slot) + 4 * place;
                for (int lane = 0; lane < width<T>; ++lane) rows[4 * lane] += slope[lane];
            }
        }
    }
    if constexpr (op != Operation::vjp) c.features()[term.feature] += sum<T>(total);
}

// Writes the gradients of n_slots slots for every neighbour.
template <typename T>
void write_gradients(const Center<T>& c, int n_slots, T* out) {
    for (int place = 0; place < c.places(); ++place) {
        const int n = c.neighbor[place];
        if (n < 0) continue;
        T* vector = out + (c.begin + n) * n_slots * 3;
        const Quad<T> r = quad(c.vectors, place);
        for (int slot = 0; slot < n_slots; ++slot, vector += 3) {
            const Quad<T> sums = quad(c.slot(slot), place);
            const Quad<T> gradient = pair_quad<T>(sums[0], sums[0]) * r + sums;
            for (int axis = 0; axis < 3; ++axis) vector[axis] = gradient[axis + 1];
        }
    }
}
