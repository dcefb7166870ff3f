// The kernel of one instruction set: a block of atoms.
// A source file sets AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the
// instruction set, and includes this: all code lies in the namespace of the instruction set, so
// that the linker never mixes them up.

namespace amptorch::bispectrum::AMPTORCH_ISA {

#include "simd.h"
#include "bispectrum_neighbors.h"
#include "bispectrum_density.h"
#include "bispectrum_products.h"
#include "bispectrum_jacobian.h"

constexpr bool makes_features(Operation op) { return op != Operation::vjp; }

// Hands out parts of a thread's memory, each aligned; without memory it counts.
template <typename T>
struct Parts {
    T* numbers;
    Index used = 0;

    T* take(Index count, bool wanted = true) {
        T* part = numbers ? numbers + used : nullptr;
        if (wanted) used += (count + width<T> - 1) / width<T> * width<T>;
        return part;
    }
};

// A block of atoms, one a lane, and the memory it takes.
template <typename T>
struct Block {
    const Task<T>& task;
    const Tables<T>& tables;
    Index first;
    int n_atoms;
    Index stride;     // places of an atom
    T* rows;          // [width, n_rows, stride]
    T* densities;     // [n_densities, n_full, re and im, width]
    T* changes;       // the same: jvp
    T* slopes;        // Y, [n_densities, n_half, re and im, width]: vjp
    T* features;      // G or dE/dG, [n_features, width]
    T* z;             // [n_held, re and im, width]
    T* diagonals;
    Sums<T> sums;
    T *packed, *gradients, *block;
    int* places;
    Index size;

    Block(const Task<T>& task, Operation op, Index first, const Scratch<T>& scratch)
        : task(task), tables(task.tables), first(first), places(scratch.places) {
        const Index left = task.n_atoms - first, lanes = width<T>;
        n_atoms = static_cast<int>(left < lanes ? left : lanes);
        stride = (scratch.max_neighbors / lanes + 1 + tables.n_densities) * lanes;
        const bool jvp = op == Operation::jvp, jacobian = op == Operation::jacobian;
        const Index row = 2 * lanes, n_sums = 4 * tables.n_polynomials * lanes;
        Parts<T> parts{scratch.numbers};
        rows = parts.take(lanes * n_rows * stride);
        densities = parts.take(tables.n_densities * tables.n_full * row);
        changes = parts.take(tables.n_densities * tables.n_full * row, jvp);
        slopes = parts.take(tables.n_densities * tables.n_half * row, op == Operation::vjp);
        features = parts.take(task.n_features * lanes);
        z = parts.take(tables.n_held * row);
        diagonals = parts.take((highest + 1) * (highest + 1) * row);
        sums.values = parts.take(n_sums);
        sums.changes = parts.take(n_sums, jvp);
        packed = parts.take(jacobian ? packed_length(tables) : n_sums, !makes_features(op) || jacobian);
        gradients = parts.take(tables.n_half * 6 * lanes, jacobian);
        block = parts.take(3 * task.n_touched * lanes, jacobian);
        size = parts.used;
    }

    Index n_places() const { return width<T> * (tables.n_densities + 1 + 2 * stride); }

    Neighbors<T> neighbors(int lane) const {
        int* start = places + lane * (tables.n_densities + 1 + 2 * stride);
        int* neighbor = start + tables.n_densities + 1;
        const Index atom = first + lane;
        return {task, atom, task.first[atom], stride, start, neighbor, neighbor + stride,
                rows + lane * n_rows * stride};
    }

    // Whether an atom is part of its own density.
    bool has_own(int lane, int density) const {
        return tables.n_densities == 1 || task.self_all || task.species[first + lane] == density;
    }
};

template <typename T>
void clear(T* numbers, Index count) {
    for (Index i = 0; i < count; i += width<T>) store<T>(numbers + i, Vec<T>{});
}

template <typename T, Operation op>
void sum_density(const Block<T>& b, const Neighbors<T>& n, int lane, int density) {
    const Index at = 2 * Index(density) * b.tables.n_full * width<T>;
    const Index n_sums = Index(b.tables.n_polynomials) * b.sums.step;
    clear(b.sums.values, n_sums);
    if constexpr (op == Operation::jvp) clear(b.sums.changes, n_sums);
    for (int place = n.start[density]; place < n.start[density + 1]; place += width<T>) {
        if constexpr (op == Operation::jvp) add_changes(n, place, b.sums);
        else add_densities(n, place, b.sums);
    }
    spread_sums(b.tables, b.sums.values, b.densities + at, lane);
    if constexpr (op == Operation::jvp) spread_sums(b.tables, b.sums.changes, b.changes + at, lane);
    if (!b.has_own(lane, density)) return;
    for (int j = 0; j <= b.tables.twojmax; ++j) {
        for (int a = 0; a <= j; ++a) {
            const int element = b.tables.levels[j].full + a * (j + 2);
            b.densities[at + 2 * element * width<T> + lane] += T(1);
        }
    }
}

template <typename T, Operation op>
void sum_densities(const Block<T>& b) {
    const Index size = 2 * Index(b.tables.n_densities) * b.tables.n_full * width<T>;
    if (b.n_atoms < width<T>) {
        clear(b.densities, size);
        if constexpr (op == Operation::jvp) clear(b.changes, size);
    }
    for (int lane = 0; lane < b.n_atoms; ++lane) {
        const Neighbors<T> n = b.neighbors(lane);
        prepare_neighbors(n);
        for (int density = 0; density < b.tables.n_densities; ++density) {
            sum_density<T, op>(b, n, lane, density);
        }
    }
}

template <typename T>
void read_gradient(const Block<T>& b) {
    const Index n = b.task.n_features;
    clear(b.features, n * width<T>);
    for (int lane = 0; lane < b.n_atoms; ++lane) {
        const T* from = b.task.gradient + (b.first + lane) * n;
        for (Index feature = 0; feature < n; ++feature) {
            b.features[feature * width<T> + lane] = from[feature];
        }
    }
}

template <typename T, Operation op>
void write_features(const Block<T>& b) {
    const int n = b.tables.n_densities, n_components = b.tables.n_components;
    for (int lane = 0; lane < b.n_atoms; ++lane) {
        T* to = b.task.features + (b.first + lane) * b.task.n_features;
        const T* from = b.features + lane;
        for (int triple = 0; triple < n * n * n; ++triple) {
            const bool lonely = op != Operation::jvp && b.has_own(lane, triple / (n * n)) &&
                                b.has_own(lane, triple / n % n) && b.has_own(lane, triple % n);
            for (int at = 0; at < n_components; ++at, from += width<T>) {
                *to++ = *from - (lonely ? b.tables.lonely[at] : T(0));
            }
        }
    }
}

template <typename T, Operation op>
void use_product(const Block<T>& b, const Product<T>& product) {
    const Tables<T>& t = b.tables;
    const Term<T>*values = t.values + product.first_value, *slopes = t.slopes + product.first_slope;
    if constexpr (op == Operation::vjp) add_slopes(t, product, b.z, b.features, b.slopes);
    else if constexpr (op == Operation::jvp)
        add_features(t, product, slopes, product.n_slopes, b.z, b.changes, b.features);
    else add_features(t, product, values, product.n_values, b.z, b.densities, b.features);
}

template <typename T, Operation op>
void use_products(const Block<T>& b) {
    const Tables<T>& t = b.tables;
    for (int at = 0; at < t.n_couples; ++at) {
        const Couple& couple = t.couples[at];
        const int n = op == Operation::forward ? couple.n_values : couple.n_products;
        if (n == 0) continue;
        CoupleProducts<T> products(t, couple, n, b.diagonals);
        products.run(b.densities + 2 * Index(couple.density1) * t.n_full * width<T>,
                     b.densities + 2 * Index(couple.density2) * t.n_full * width<T>, b.z);
        for (int m = 0; m < n; ++m) use_product<T, op>(b, t.products[couple.first_product + m]);
    }
}

template <typename T>
void pull_lane(const Block<T>& b, int lane) {
    const Neighbors<T> n = b.neighbors(lane);
    const Index count = b.task.first[n.atom + 1] - n.begin;
    for (Index i = 0; i < 3 * count; ++i) b.task.pulled[3 * n.begin + i] = 0;
    for (int density = 0; density < b.tables.n_densities; ++density) {
        const Index at = 2 * Index(density) * b.tables.n_half * width<T>;
        pack_slopes(b.tables, b.slopes + at, lane, b.packed);
        for (int place = n.start[density]; place < n.start[density + 1]; place += width<T>) {
            write_pulled(n, place, b.packed);
        }
    }
}

template <typename T>
void write_lane(const Block<T>& b, int lane) {
    const Neighbors<T> n = b.neighbors(lane);
    const Index length = 3 * b.task.n_touched, count = b.task.first[n.atom + 1] - n.begin;
    Index inside = 0;
    for (int place = 0; place < n.start[b.tables.n_densities]; ++place) {
        inside += n.neighbor[place] >= 0;
    }
    if (inside < count) {  // some are beyond the cutoff of their elements
        for (Index i = 0; i < length * count; ++i) b.task.blocks[length * n.begin + i] = 0;
    }
    for (int density = 0; density < b.tables.n_densities; ++density) {
        write_blocks(n, density, b.z, lane, b.packed, b.gradients, b.block);
    }
}

template <typename T, Operation op>
void run(const Task<T>& task, Index block, const Scratch<T>& scratch) {
    const Block<T> b(task, op, block * width<T>, scratch);
    sum_densities<T, op>(b);
    if constexpr (op == Operation::vjp) {
        read_gradient(b);
        clear(b.slopes, 2 * Index(b.tables.n_densities) * b.tables.n_half * width<T>);
    } else {
        clear(b.features, Index(task.n_features) * width<T>);
    }
    use_products<T, op>(b);
    if constexpr (makes_features(op)) write_features<T, op>(b);
    for (int lane = 0; lane < b.n_atoms; ++lane) {
        if constexpr (op == Operation::vjp) pull_lane(b, lane);
        if constexpr (op == Operation::jacobian) write_lane(b, lane);
    }
}

template <typename T>
void run_any(const Task<T>& task, Operation op, Index block, const Scratch<T>& scratch) {
    switch (op) {
        case Operation::forward: return run<T, Operation::forward>(task, block, scratch);
        case Operation::jacobian: return run<T, Operation::jacobian>(task, block, scratch);
        case Operation::vjp: return run<T, Operation::vjp>(task, block, scratch);
        case Operation::jvp: return run<T, Operation::jvp>(task, block, scratch);
    }
}

template <typename T>
Sizes sizes(const Task<T>& task, Operation op, Index max_neighbors) {
    const Block<T> block(task, op, 0, {nullptr, nullptr, max_neighbors});
    return {block.size, block.n_places()};
}

const Kernel<double> double_kernel{run_any<double>, sizes<double>, width<double>};
#ifndef AMPTORCH_FLOAT64_ONLY
const Kernel<float> float_kernel{run_any<float>, sizes<float>, width<float>};
#endif

}  // namespace amptorch::bispectrum::AMPTORCH_ISA
