// Sums over the neighbours of one atom, compiled once per instruction set: a source file sets
// AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the instruction set, and includes
// this. All code lies in the namespace of the instruction set, so the linker never mixes them up.

namespace amptorch::gmp::AMPTORCH_ISA {

#include "simd.h"

constexpr int r2_row = 3, weights_row = 4;

// Under this the direction of the derivative of a root is rounding noise: sqrt(machine epsilon).
template <typename T>
constexpr double smallest_root = sizeof(T) == 8 ? 0x1p-26 : 0x1.6a09e667f3bcdp-12;

template <int n>
struct Size {
    static constexpr int value = n;
};

template <typename T>
AMPTORCH_INLINE void add_to(T* numbers, Vec<T> value) {
    store<T>(numbers, load(numbers) + value);
}

// Calls f(n, start) for pieces of 0..count-1 of a size n that registers can hold.
template <typename F>
AMPTORCH_INLINE void in_pieces(int count, F f) {
    constexpr int largest = 6;
    const int pieces = (count + largest - 1) / largest;
    for (int piece = 0, start = 0; piece < pieces; ++piece) {
        const int size = (count - start) / (pieces - piece);
        switch (size) {
            case 1: f(Size<1>{}, start); break;
            case 2: f(Size<2>{}, start); break;
            case 3: f(Size<3>{}, start); break;
            case 4: f(Size<4>{}, start); break;
            case 5: f(Size<5>{}, start); break;
            default: f(Size<6>{}, start);
        }
        start += size;
    }
}

// One atom's view of its scratch memory.
template <typename T>
struct Work {
    const Task<T>& task;
    const Tables<T>& tables;
    const Center<T>& center;
    const Layout& place;

    T* row(Index index) const { return center.lanes + index * tile_lanes; }
    T* tile(int t) const { return row(place.tile * t); }
    T* weights(int t) const { return tile(t) + weights_row * tile_lanes; }
    T* weight_slopes(int t) const { return weights(t) + tables.n_slots * tile_lanes; }
    T* functions() const { return row(place.functions); }
    T* gradients(int axis) const { return row(place.gradients + Index(axis) * tables.n_functions); }
    T* results(int axis) const { return row(place.results + axis); }
    T* exponentials() const { return row(place.exponentials); }
    T* accumulators() const { return row(place.accumulators); }
    T* changed_accumulators() const { return accumulators() + tables.n_places * width<T>; }
    T* slopes() const { return row(place.slopes); }
    double* sums() const { return center.sums; }
    double* second_sums() const { return center.sums + tables.n_places; }
};

// Lanes of a tile that loops run over: whole vectors; lanes past the neighbours weigh nothing.
template <typename T>
AMPTORCH_INLINE int padded(const Tile& tile) {
    return (tile.n_pairs + width<T> - 1) / width<T> * width<T>;
}

template <typename T>
AMPTORCH_INLINE void gather(const T* triples, const Tile& tile, T* rows) {
    const T* from = triples + 3 * tile.first_pair;
    for (int axis = 0; axis < 3; ++axis) {
        T* to = rows + axis * tile_lanes;
        for (int k = 0; k < tile.n_pairs; ++k) to[k] = from[3 * k + axis];
        for (int k = tile.n_pairs; k < padded<T>(tile); ++k) to[k] = 0;
    }
}

template <typename T>
void load_tile(const Work<T>& work, const Tile& tile, T* rows) {
    gather(work.task.vectors, tile, rows);
    T* square = rows + r2_row * tile_lanes;
    for (int k = 0; k < padded<T>(tile); k += width<T>) {
        const Vec<T> x = load(rows + k), y = load(rows + tile_lanes + k);
        const Vec<T> z = load(rows + 2 * tile_lanes + k);
        store<T>(square + k, x * x + y * y + z * z);
    }
}

// Y of all lanes, by recurrence.
template <typename T>
void evaluate_functions(const Work<T>& work, const T* rows, int lanes) {
    T* functions = work.functions();
    for (int k = 0; k < lanes; k += width<T>) store<T>(functions + k, broadcast<T>(1));
    for (int n = 0; n < work.tables.n_recurrences; ++n) {
        const Recurrence<T>& step = work.tables.recurrences[n];
        const T* u = rows + step.variable[0] * tile_lanes;
        const T* v = rows + step.variable[1] * tile_lanes;
        const T *a = functions + step.source[0] * tile_lanes;
        const T *b = functions + step.source[1] * tile_lanes;
        T* to = functions + step.target * tile_lanes;
        for (int k = 0; k < lanes; k += width<T>) {
            const Vec<T> first = step.factor[0] * load(u + k) * load(a + k);
            store<T>(to + k, first + step.factor[1] * load(v + k) * load(b + k));
        }
    }
}

// dY along x, y, z of all lanes; those of Y_0 are zero and never read.
template <typename T>
void evaluate_gradients(const Work<T>& work, int lanes) {
    for (int n = 0; n < work.tables.n_derivatives; ++n) {
        const Derivative<T>& slope = work.tables.derivatives[n];
        const T* a = work.functions() + slope.source[0] * tile_lanes;
        const T* b = work.functions() + slope.source[1] * tile_lanes;
        T* to = work.gradients(slope.axis) + slope.function * tile_lanes;
        for (int k = 0; k < lanes; k += width<T>) {
            Vec<T> value = slope.factor[0] * load(a + k);
            if (slope.n == 2) value += slope.factor[1] * load(b + k);
            store<T>(to + k, value);
        }
    }
}

// r^2 for the weights: beyond every Gaussian in lanes from `n` on (all if n < 0), which hold no
// neighbour.
template <typename T>
AMPTORCH_INLINE Vec<T> reach(const T* square, int n) {
    Vec<T> value = load(square);
    for (int lane = n > 0 ? n : 0; lane < width<T>; ++lane) value[lane] = T(1e30);
    return value;
}

// exp(C2 r^2) for all probes and Gaussians of some vectors; what is under the smallest normal
// numbers is zero, as is all of a lane that holds no neighbour.
template <typename T>
AMPTORCH_INLINE void exponentials(const Tables<T>& tables, int species,
                                  const Vec<T> (&square)[abreast], T* to) {
    constexpr T negligible = sizeof(T) == 8 ? T(-690) : T(-80);
    const T* exponents = tables.exponents + species * tables.n_probes * tables.n_gaussians;
    for (int probe = 0; probe < tables.n_probes; ++probe) {
        for (int g = 0; g < tables.counts[species]; ++g) {
            const int n = probe * tables.n_gaussians + g;
            for (int i = 0; i < abreast; ++i) {
                const Vec<T> x = exponents[n] * square[i];
                const Vec<T> value = x > negligible ? exponential<T>(x) : Vec<T>{};
                store<T>(to + (n * abreast + i) * width<T>, value);
            }
        }
    }
}

// V of all slots and lanes, and V' if wanted.
template <typename T, bool sloped>
void evaluate_weights(const Work<T>& work, const Tile& tile, T* rows) {
    constexpr int step = abreast * width<T>;
    const Tables<T>& tables = work.tables;
    const int n = tables.n_gaussians, count = tables.counts[tile.species];
    const T* heights = tables.heights + tile.species * tables.n_slots * n;
    const T* slopes = tables.slopes + tile.species * tables.n_slots * n;
    for (int k = 0; k < tile.n_pairs; k += step) {
        Vec<T> square[abreast];
        for (int i = 0; i < abreast; ++i) {
            const int lane = k + i * width<T>;
            square[i] = reach(rows + r2_row * tile_lanes + lane, tile.n_pairs - lane);
        }
        exponentials(tables, tile.species, square, work.exponentials());
        for (int s = 0; s < tables.n_slots; ++s) {
            const T* term = work.exponentials() + tables.slots[s].probe * n * step;
            Vec<T> weight[abreast] = {}, slope[abreast] = {};
            for (int g = 0; g < count; ++g, term += step) {
                const Vec<T> height = broadcast<T>(heights[s * n + g]);
                const Vec<T> steep = broadcast<T>(sloped ? slopes[s * n + g] : 0);
                for (int i = 0; i < abreast; ++i) {
                    weight[i] += height * load(term + i * width<T>);
                    if (sloped) slope[i] += steep * load(term + i * width<T>);
                }
            }
            T* to = rows + (weights_row + s) * tile_lanes + k;
            for (int i = 0; i < abreast; ++i) {
                store<T>(to + i * width<T>, weight[i]);
                if (sloped) store<T>(to + tables.n_slots * tile_lanes + i * width<T>, slope[i]);
            }
        }
    }
}

// Adds sum_j V_slot Y_a to the accumulators, lane by lane.
template <typename T>
void accumulate(const Work<T>& work, const T* weights, const T* functions, int lanes, T* sums) {
    for (int d = 0; d < work.tables.n_degrees; ++d) {
        const Degree& degree = work.tables.degrees[d];
        for (int s = degree.first_slot; s < degree.first_slot + degree.n_slots; ++s) {
            const T* weight = weights + s * tile_lanes;
            in_pieces(degree.n_functions, [&](auto size, int start) {
                constexpr int n = decltype(size)::value;
                const T* function = functions + (degree.first_function + start) * tile_lanes;
                T* sum = sums + (work.tables.slots[s].place + start) * width<T>;
                Vec<T> total[n];
                for (int i = 0; i < n; ++i) total[i] = load(sum + i * width<T>);
                for (int k = 0; k < lanes; k += width<T>) {
                    const Vec<T> v = load(weight + k);
                    for (int i = 0; i < n; ++i) total[i] += v * load(function + i * tile_lanes + k);
                }
                for (int i = 0; i < n; ++i) store<T>(sum + i * width<T>, total[i]);
            });
        }
    }
}

template <typename T>
void clear(const Work<T>& work, T* accumulators) {
    for (int i = 0; i < work.tables.n_places * width<T>; ++i) accumulators[i] = 0;
}

template <typename T>
void sum_lanes(const Work<T>& work, const T* accumulators, double* sums) {
    for (int place = 0; place < work.tables.n_places; ++place) {
        double total = 0;
        for (int lane = 0; lane < width<T>; ++lane) total += accumulators[place * width<T> + lane];
        sums[place] = total;
    }
}

// Adds the first-order changes of V Y under changes of the pair vectors to the accumulators of dQ.
// The rows of V' and of dY along x are used up.
template <typename T>
void accumulate_changes(const Work<T>& work, const Tile& tile, int t) {
    const int lanes = padded<T>(tile);
    gather(work.task.changes, tile, work.results(0));
    evaluate_gradients(work, lanes);
    T* const weights = work.weights(t);
    T* const slopes = work.weight_slopes(t);
    for (int k = 0; k < lanes; k += width<T>) {
        Vec<T> change[3], along{};
        for (int axis = 0; axis < 3; ++axis) {
            change[axis] = load(work.results(axis) + k);
            along += change[axis] * load(work.tile(t) + axis * tile_lanes + k);
        }
        for (int s = 0; s < work.tables.n_slots; ++s) {
            T* slope = slopes + s * tile_lanes + k;
            store<T>(slope, along * load(slope));
        }
        store<T>(work.gradients(0) + k, Vec<T>{});
        for (int a = 1; a < work.tables.n_functions; ++a) {
            Vec<T> total{};
            for (int axis = 0; axis < 3; ++axis) {
                total += change[axis] * load(work.gradients(axis) + a * tile_lanes + k);
            }
            store<T>(work.gradients(0) + a * tile_lanes + k, total);
        }
    }
    accumulate(work, weights, work.gradients(0), lanes, work.changed_accumulators());
    accumulate(work, slopes, work.functions(), lanes, work.changed_accumulators());
}

// Q of the atom from its neighbours and itself; for jvp dQ too. Tiles stay if needed again.
template <typename T, Operation op>
void sum_neighbors(const Work<T>& work) {
    constexpr bool keep = op == Operation::vjp || op == Operation::jacobian;
    clear(work, work.accumulators());
    clear(work, work.changed_accumulators());
    for (int t = 0; t < work.center.n_tiles; ++t) {
        const Tile& tile = work.center.tiles[t];
        const int at = keep ? t : 0, lanes = padded<T>(tile);
        load_tile(work, tile, work.tile(at));
        evaluate_functions(work, work.tile(at), lanes);
        evaluate_weights<T, op != Operation::forward>(work, tile, work.tile(at));
        accumulate(work, work.weights(at), work.functions(), lanes, work.accumulators());
        if constexpr (op == Operation::jvp) accumulate_changes(work, tile, at);
    }
    sum_lanes(work, work.accumulators(), work.sums());
    sum_lanes(work, work.changed_accumulators(), work.second_sums());
    add_own(*work.task.plan, work.task.species[work.center.atom], work.sums());
}

// Adds sum_slots dG/dQ d(V Y)/dR to the results: of `n_slots` slots of one degree.
template <typename T>
void pull_slots(const Work<T>& work, int t, int first_slot, int n_slots, const T* slopes,
                int lanes) {
    const Slot* slots = work.tables.slots + first_slot;
    const Degree& degree = work.tables.degrees[slots->degree];
    const T* weights = work.weights(t) + first_slot * tile_lanes;
    const T* weight_slopes = work.weight_slopes(t) + first_slot * tile_lanes;
    in_pieces(degree.n_functions, [&](auto size, int start) {
        constexpr int n = decltype(size)::value;
        const int first = (degree.first_function + start) * tile_lanes;
        for (int k = 0; k < lanes; k += width<T>) {
            Vec<T> across[n] = {}, along[n] = {};
            for (int s = 0; s < n_slots; ++s) {
                const T* slope = slopes + slots[s].place + start;
                const Vec<T> v = load(weights + s * tile_lanes + k);
                const Vec<T> dv = load(weight_slopes + s * tile_lanes + k);
                for (int i = 0; i < n; ++i) {
                    across[i] += v * slope[i];
                    along[i] += dv * slope[i];
                }
            }
            Vec<T> total{};
            for (int i = 0; i < n; ++i) {
                total += along[i] * load(work.functions() + first + i * tile_lanes + k);
            }
            add_to(work.results(3) + k, total);
            if (slots->degree == 0) continue;
            for (int axis = 0; axis < 3; ++axis) {
                total = Vec<T>{};
                for (int i = 0; i < n; ++i) {
                    total += across[i] * load(work.gradients(axis) + first + i * tile_lanes + k);
                }
                add_to(work.results(axis) + k, total);
            }
        }
    });
}

// Writes the results of a tile's pairs, `stride` numbers from pair to pair, and clears them.
template <typename T>
void write_results(const Work<T>& work, int t, T* to, Index stride) {
    const Tile& tile = work.center.tiles[t];
    for (int axis = 0; axis < 3; ++axis) {
        T* result = work.results(axis);
        const T* along = work.results(3);
        const T* coordinate = work.tile(t) + axis * tile_lanes;
        for (int k = 0; k < padded<T>(tile); k += width<T>) {
            store<T>(result + k, load(result + k) + load(along + k) * load(coordinate + k));
        }
        for (int k = 0; k < tile.n_pairs; ++k) {
            to[(tile.first_pair + k) * stride + axis] = result[k];
        }
    }
}

template <typename T>
void clear_results(const Work<T>& work) {
    for (int k = 0; k < 4 * tile_lanes; k += width<T>) store<T>(work.results(0) + k, Vec<T>{});
}

template <typename T>
void pull_gradient(const Work<T>& work, int t, int lanes) {
    clear_results(work);
    for (int d = 0; d < work.tables.n_degrees; ++d) {
        const Degree& degree = work.tables.degrees[d];
        if (degree.n_slots == 0) continue;
        pull_slots(work, t, degree.first_slot, degree.n_slots, work.slopes(), lanes);
    }
    write_results(work, t, work.task.pulled, 3);
}

template <typename T>
void write_blocks(const Work<T>& work, int t, int lanes) {
    for (int f = 0; f < work.tables.n_features; ++f) {
        const Feature& feature = work.tables.features[f];
        clear_results(work);
        for (int n = 0; n < feature.n_slots_of; ++n) {
            const int slot = work.tables.slots_of[feature.first_slot_of + n];
            pull_slots(work, t, slot, 1, work.slopes() + f * work.tables.n_places, lanes);
        }
        write_results(work, t, work.task.blocks + 3 * f, Index(3) * work.tables.n_features);
    }
}

// dG/dQ: of every feature apart for the Jacobian, weighted with dE/dG and summed for vjp.
template <typename T, Operation op>
void prepare_slopes(const Work<T>& work) {
    const int n = work.tables.n_features, n_places = work.tables.n_places;
    double* slopes = work.second_sums();
    for (int place = 0; place < n_places; ++place) slopes[place] = 0;
    for (int f = 0; f < n; ++f) {
        const double weight =
            op == Operation::vjp ? work.task.gradient[work.center.atom * n + f] : 1;
        add_slopes(*work.task.plan, f, work.sums(), weight, smallest_root<T>, slopes);
        if (op == Operation::vjp && f + 1 < n) continue;
        T* to = work.slopes() + (op == Operation::vjp ? 0 : f * n_places);
        for (int place = 0; place < n_places; ++place) {
            to[place] = static_cast<T>(slopes[place]);
            slopes[place] = 0;
        }
    }
}

template <typename T>
void write_features(const Work<T>& work) {
    const int n = work.tables.n_features;
    T* features = work.task.features + work.center.atom * n;
    for (int f = 0; f < n; ++f) {
        features[f] = static_cast<T>(value(*work.task.plan, f, work.sums()));
    }
}

template <typename T>
void write_changes(const Work<T>& work) {
    const int n = work.tables.n_features;
    T* features = work.task.features + work.center.atom * n;
    for (int f = 0; f < n; ++f) {
        features[f] = static_cast<T>(
            change(*work.task.plan, f, work.sums(), work.second_sums(), smallest_root<T>));
    }
}

template <typename T, Operation op>
void run_center(const Work<T>& work) {
    sum_neighbors<T, op>(work);
    if constexpr (op == Operation::forward || op == Operation::jacobian) write_features(work);
    if constexpr (op == Operation::jvp) write_changes(work);
    if constexpr (op == Operation::vjp || op == Operation::jacobian) {
        prepare_slopes<T, op>(work);
        for (int t = 0; t < work.center.n_tiles; ++t) {
            const int lanes = padded<T>(work.center.tiles[t]);
            evaluate_functions(work, work.tile(t), lanes);
            evaluate_gradients(work, lanes);
            if constexpr (op == Operation::vjp) pull_gradient(work, t, lanes);
            else write_blocks(work, t, lanes);
        }
    }
}

template <typename T>
void run_operation(const Task<T>& task, Operation operation, const Center<T>& center) {
    const Work<T> work{task, task.tables, center, task.layout};
    switch (operation) {
        case Operation::forward: return run_center<T, Operation::forward>(work);
        case Operation::jacobian: return run_center<T, Operation::jacobian>(work);
        case Operation::vjp: return run_center<T, Operation::vjp>(work);
        case Operation::jvp: return run_center<T, Operation::jvp>(work);
    }
}

void run(const Task<double>& task, Operation operation, const Center<double>& center) {
    run_operation(task, operation, center);
}

void run(const Task<float>& task, Operation operation, const Center<float>& center) {
    run_operation(task, operation, center);
}

}  // namespace amptorch::gmp::AMPTORCH_ISA
