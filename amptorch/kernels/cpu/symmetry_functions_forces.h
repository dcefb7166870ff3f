// A force call around one centre in two halves: its features, and from dE/dG the gradients of its
// pairs. Distances, cutoffs, exponentials and triples of the first half are kept for the second.
// Included once per instruction set, inside its namespace.

// Hands out what is kept of a centre, in the order in which both halves ask for it.
template <typename T>
class Keeper {
public:
    explicit Keeper(Kept<T> kept) : next_(kept) {}

    T* numbers(Index n) {
        T* from = next_.numbers;
        next_.numbers += whole(n);
        return from;
    }

    Triangles<T> triangles(const Center<T>& c, const Set& set) {
        const KeptSize size = size_of(c, set);
        const Triangles<T> found{next_.numbers, row_of(size), next_.lanes, next_.counts};
        next_.numbers += (2 + set.n) * found.stride;
        next_.lanes += size.lanes;
        ++next_.counts;
        return found;
    }

    // Of a set: triples at most, and vectors of neighbours k.
    static KeptSize size_of(const Center<T>& c, const Set& set) {
        const Index n_j = c.start[set.j + 1] - c.start[set.j];
        const Index n_k = c.start[set.k + 1] - c.start[set.k];
        return {set.same() ? n_j * (n_j + 1) / 2 : n_j * n_k, n_j * n_k / width<T>, 1};
    }

    // Of a row, which is read and written in whole vectors that begin anywhere.
    static Index row_of(const KeptSize& size) {
        return whole(size.numbers + n_abreast * width<T>);
    }

    static Index whole(Index n) {
        constexpr Index step = alignment / Index(sizeof(T));
        return (n + step - 1) / step * step;
    }

private:
    Kept<T> next_;
};

// Radial terms over the same neighbours: those from `begin` to `end`.
inline int end_of_run(const CenterPlan& plan, int begin) {
    const RadialTerm& first = plan.radial[begin];
    int end = begin + 1;
    while (end < plan.n_radial && plan.radial[end].species == first.species &&
           plan.radial[end].cutoff == first.cutoff) {
        ++end;
    }
    return end;
}

// Calls radial(begin, end) for runs of radial terms, set(Set) for sets and group(Group) for those of
// the groups that are summed by moments.
template <typename T, typename Radials, typename Sets, typename Groups>
AMPTORCH_INLINE void for_each_part(const Center<T>& c, Radials radial, Sets of_set, Groups of_group) {
    for (int begin = 0, end; begin < c.plan.n_radial; begin = end) {
        end = end_of_run(c.plan, begin);
        radial(begin, end);
    }
    const auto apart = [&](const Group& group) {
        return !group.closed && prefers_moments<T, Operation::vjp>(c, group);
    };
    for (int n = 0; n < c.plan.n_groups;) {
        if (apart(c.plan.groups[n])) {
            of_group(c.plan.groups[n++]);
            continue;
        }
        const Set set = next_set(c, n, apart);
        of_set(set);
        n += set.n;
    }
}

template <typename T>
Index run_length(const Center<T>& c, int term) {
    const int species = c.plan.radial[term].species;
    return c.start[species + 1] - c.start[species];
}

// Rows of a run: f'(r)/(r f) of the cutoff function, and the value of each term.
template <typename T>
void add_radial_features(Center<T>& c, int begin, int end, T* kept) {
    const RadialTerm& first = c.plan.radial[begin];
    const Cutoff<T> cutoff(first.cutoff, c.task.cutoff_function);
    const Index n = run_length(c, begin), from = c.start[first.species];
    T* const values = kept + n;
    for (Index at = 0; at < n; at += width<T>) {
        const Vec<T> r = load(c.r + from + at);
        const Radial<T> f = cutoff.template operator()<true>(r * r);
        store<T>(kept + at, quotient<T>(f));
        store<T>(values + at, f.value);
    }
    for (int t = end - 1; t >= begin; --t) {
        const RadialTerm& term = c.plan.radial[t];
        const T eta = static_cast<T>(term.eta), rs = static_cast<T>(term.rs);
        Vec<T> total{};
        for (Index at = 0; at < n; at += width<T>) {
            const Vec<T> off = load(c.r + from + at) - rs;
            const Vec<T> value = load(values + at) * exponential<T>(-eta * off * off);
            store<T>(values + (t - begin) * n + at, value);
            total += value;
        }
        c.features()[term.feature] += static_cast<T>(term.weight) * sum<T>(total);
    }
}

template <typename T>
void add_radial_gradients(Center<T>& c, int begin, int end, const T* kept) {
    const RadialTerm& first = c.plan.radial[begin];
    const Index n = run_length(c, begin), from = c.start[first.species];
    for (Index at = 0; at < n; at += width<T>) {
        const Vec<T> r = load(c.r + from + at);
        Vec<T> value{}, off{};
        for (int t = begin; t < end; ++t) {
            const RadialTerm& term = c.plan.radial[t];
            const T factor = static_cast<T>(term.weight) * c.gradient()[term.feature];
            const Vec<T> own = factor * load(kept + (1 + t - begin) * n + at);
            value += own;
            off += 2 * static_cast<T>(term.eta) * (r - static_cast<T>(term.rs)) * own;
        }
        const Vec<T> slope = value * load(kept + at) - off * load(c.inverse + from + at);
        store<T>(c.dot + from + at, load(c.dot + from + at) + slope);
    }
}

template <typename T>
void prepare_ratios(Center<T>& c) {
    for (int index = 0; index < c.plan.n_channels; ++index) {
        for (int place = 0; place < c.places(); place += width<T>) {
            const Radial<T> w{load(c.weight(index) + place), load(c.slope(index) + place)};
            store<T>(c.ratio(index) + place, quotient<T>(w));
        }
    }
}

// Lays out the neighbours of a centre; returns what its features will keep.
template <typename T>
KeptSize prepare(const Task<T>& task, Index atom, const Scratch<T>& scratch) {
    Center<T> c(task, atom, scratch);
    assign_places(c);
    KeptSize total{};
    for_each_part(
        c,
        [&](int begin, int end) {
            total.numbers += Keeper<T>::whole((end - begin + 1) * run_length(c, begin));
        },
        [&](const Set& set) {
            const KeptSize size = Keeper<T>::size_of(c, set);
            total.numbers += (2 + set.n) * Keeper<T>::row_of(size);
            total.lanes += size.lanes;
            total.counts += 1;
        },
        [&](const Group&) {});
    return total;
}

template <typename T>
void features(const Task<T>& task, Index atom, const Scratch<T>& scratch, Kept<T> kept) {
    Center<T> c(task, atom, scratch);
    prepare_distances<T, Operation::vjp>(c);
    prepare_channels<T, Operation::vjp>(c);
    prepare_ratios(c);
    for (int feature = 0; feature < task.n_features; ++feature) c.features()[feature] = 0;
    Keeper<T> keeper(kept);
    for_each_part(
        c,
        [&](int begin, int end) {
            const Index rows = end - begin + 1;
            add_radial_features(c, begin, end, keeper.numbers(rows * run_length(c, begin)));
        },
        [&](const Set& set) {
            add_features(c, set, keeper.triangles(c, set));
        },
        [&](const Group& group) { sum_by_moments<T, Operation::forward>(c, group); });
}

// The gradient of a pair: along R, and the rest, of both what the rows and what the slots hold.
template <typename T>
void write_gradients(const Center<T>& c) {
    for (int place = 0; place < c.places(); place += width<T>) {
        const Vec<T> along = load(c.dot + place);
        store<T>(c.dx + place, along * load(c.x + place) + load(c.dx + place));
        store<T>(c.dy + place, along * load(c.y + place) + load(c.dy + place));
        store<T>(c.dz + place, along * load(c.z + place) + load(c.dz + place));
    }
    for (int place = 0; place < c.places(); ++place) {
        const int n = c.neighbor[place];
        if (n < 0) continue;
        const Quad<T> sums = c.sums(place, 0);
        T* to = c.task.pulled + 3 * (c.begin + n);
        to[0] = c.dx[place] + sums[0] * c.x[place] + sums[1];
        to[1] = c.dy[place] + sums[0] * c.y[place] + sums[2];
        to[2] = c.dz[place] + sums[0] * c.z[place] + sums[3];
    }
}

// Whole vectors of zeros.
template <typename T>
AMPTORCH_INLINE void clear(T* row, int n) {
    for (int at = 0; at < n; at += width<T>) store<T>(row + at, Vec<T>{});
}

template <typename T>
void pull(const Task<T>& task, Index atom, const Scratch<T>& scratch, Kept<T> kept) {
    Center<T> c(task, atom, scratch);
    T* const rows[] = {c.dx, c.dy, c.dz, c.dot};
    for (T* row : rows) clear(row, c.places());
    clear(c.slots, c.places() * 4);  // of one slot
    Keeper<T> keeper(kept);
    for_each_part(
        c,
        [&](int begin, int end) {
            const Index rows = end - begin + 1;
            add_radial_gradients(c, begin, end, keeper.numbers(rows * run_length(c, begin)));
        },
        [&](const Set& set) {
            add_gradients(c, set, keeper.triangles(c, set));
        },
        [&](const Group& group) { sum_by_moments<T, Operation::vjp>(c, group); });
    write_gradients(c);
}
