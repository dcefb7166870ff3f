// The kernel of one instruction set: an atom.
// A source file sets AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the
// instruction set, and includes this: all code lies in the namespace of the instruction set, so
// that the linker never mixes them up.

namespace amptorch::spherical::AMPTORCH_ISA {

#include "simd.h"
#include "spherical_expansion_radial.h"
#include "spherical_expansion_harmonics.h"
#include "spherical_expansion_pairs.h"
#include "spherical_expansion_sums.h"

// Neighbours of one element, and what they have to do with one part.
template <typename T>
struct Block {
    const Task<T>& task;
    const Part& part;
    const Radial<T>& radial;
    Index begin, end;
    Index at;  // of its features

    template <typename Each>
    AMPTORCH_INLINE void for_pairs(const Each& each) const {
        Factors<T> factors;
        for_near<T>(task.vectors, begin, end, radial.cutoff, [&](const Pairs<T>& pairs) {
            factors.make(part, radial, pairs);
            each(pairs, factors);
        });
    }
};

// Changes of distance and of the unit vector with those of R.
template <typename T>
AMPTORCH_INLINE Vec<T> split(const Factors<T>& factors, Vec<T> (&changes)[3]) {
    const auto& u = factors.unit;
    const Vec<T> stretch = u[0] * changes[0] + u[1] * changes[1] + u[2] * changes[2];
    for (int a = 0; a < 3; ++a) changes[a] = factors.inverse * (changes[a] - stretch * u[a]);
    return stretch;
}

template <typename T, bool push>
void sum(const Block<T>& block) {
    const Part& part = block.part;
    Sums<T> sums;
    Rows<T> rows;
    sums.start(part.number, part.n_harmonics);
    block.for_pairs([&](const Pairs<T>& pairs, Factors<T>& factors) {
        Functions<T>& f = factors.functions;
        if constexpr (push) {
            Vec<T> changes[3];
            pairs.read(block.task.changes, changes);
            const Vec<T> stretch = split(factors, changes);
            fill_changes<T>(part.lowest, part.highest, factors.harmonics, changes, rows);
            sums.add(part.number, f.values, rows);
            for (int k = 0; k < part.number; ++k) f.values[k] = f.slopes[k] * stretch;
        }
        fill<T>(part.lowest, part.highest, factors.harmonics, rows);
        sums.add(part.number, f.values, rows);
    });
    T* features = block.task.features + block.at;
    for (int k = 0; k < part.number; ++k) {
        for (int i = 0; i < part.n_harmonics; ++i) *features++ = sums.values[k * sums.n_columns + i];
    }
}

// The gradient of a block, transposed, times the norms of the harmonics.
template <typename T>
void weigh(const Block<T>& block, T* weights) {
    const Part& part = block.part;
    const T* gradient = block.task.gradient + block.at;
    const Norms<T>& norm = norms<T>();
    for (int l = part.lowest, i = 0; l <= part.highest; ++l) {
        for (int m = -l; m <= l; ++m, ++i) {
            const T factor = norm.values[place_of(l, m < 0 ? -m : m)];
            for (int k = 0; k < part.number; ++k) {
                weights[i * part.number + k] = factor * gradient[k * part.n_harmonics + i];
            }
        }
    }
}

template <typename T>
void pull_block(const Block<T>& block) {
    const Part& part = block.part;
    alignas(64) T weights[most_functions * most_harmonics];
    weigh(block, weights);
    block.for_pairs([&](const Pairs<T>& pairs, const Factors<T>& factors) {
        Vec<T> pulled[3];
        pull<T>(part.lowest, part.highest, part.number, weights, factors.view(), pulled);
        pairs.add_to(block.task.pulled, pulled);
    });
}

template <typename T>
void run_block(const Block<T>& block, Operation operation) {
    switch (operation) {
    case Operation::forward: sum<T, false>(block); break;
    case Operation::vjp: pull_block(block); break;
    case Operation::jvp: sum<T, true>(block); break;
    }
}

template <typename T>
void run_atom(const Task<T>& task, Operation operation, Index atom) {
    const Index end = task.first[atom + 1], n = task.n_species, own = task.species[atom];
    if (operation == Operation::vjp) {
        for (Index i = 3 * task.first[atom]; i < 3 * end; ++i) task.pulled[i] = 0;
    }
    Index begin = task.first[atom];
    for (Index other = 0; other < n; ++other) {
        Index next = begin;
        while (next < end && task.species[task.neighbors[next]] == other) ++next;
        for (int p = 0; p < task.n_parts; ++p) {
            const Index at = atom * task.stride + other * (task.n_features / n) + task.parts[p].offset;
            const Radial<T>& radial = task.radials[(p * n + own) * n + other];
            run_block<T>({task, task.parts[p], radial, begin, next, at}, operation);
        }
        begin = next;
    }
}

void run(const Task<double>& task, Operation operation, Index atom) {
    run_atom(task, operation, atom);
}
void run(const Task<float>& task, Operation operation, Index atom) {
    run_atom(task, operation, atom);
}

}  // namespace amptorch::spherical::AMPTORCH_ISA
