// Products of pair Jacobians with the centres of one part, for one instruction set.
//
// Three numbers an entry do not fit vectors, but three vectors do: in what follows a vector of space
// is repeated until it fills them, lane l holding axis l % 3, so that nothing is summed across lanes
// before the end of an atom.

namespace amptorch::jacobian::AMPTORCH_ISA {

// Of any alignment: blocks begin where they do.
template <typename T>
struct Lanes;
template <>
struct Lanes<double> {
    typedef double Vector __attribute__((vector_size(AMPTORCH_SIMD_BYTES), aligned(8), may_alias));
};
template <>
struct Lanes<float> {
    typedef float Vector __attribute__((vector_size(AMPTORCH_SIMD_BYTES), aligned(4), may_alias));
};
template <typename T>
using Vec = typename Lanes<T>::Vector;

template <typename T>
constexpr Index width = AMPTORCH_SIMD_BYTES / static_cast<Index>(sizeof(T));
template <typename T>
constexpr Index period = 3 * width<T>;
static_assert(period<float> <= longest_period && period<double> <= longest_period);

#define AMPTORCH_INLINE inline __attribute__((always_inline))

// Vector ``v`` of the three, or of any more that follow.
template <typename T>
AMPTORCH_INLINE Vec<T>& lanes(T* from, Index v) {
    return *reinterpret_cast<Vec<T>*>(from + v * width<T>);
}
template <typename T>
AMPTORCH_INLINE const Vec<T>& lanes(const T* from, Index v) {
    return *reinterpret_cast<const Vec<T>*>(from + v * width<T>);
}

template <typename T>
void repeat(const T* vector, T* lanes) {
    for (Index l = 0; l < period<T>; ++l) lanes[l] = vector[l % 3];
}

template <typename T>
T sum_of_axis(const T* lanes, int axis) {
    T sum = 0;
    for (Index l = axis; l < period<T>; l += 3) sum += lanes[l];
    return sum;
}

// Neighbours of one species: their blocks hold the same features.
template <typename T>
struct Run {
    Index begin, end;       // pairs
    const Index* features;
    Index count;
    Index n;                // numbers of a block, in whole periods
    Index safe_end;         // of the pairs whose n numbers all lie in memory, if not in the block
};

// Calls visit(run) for all runs among the neighbours of a centre.
template <typename T, typename Visit>
AMPTORCH_INLINE void for_each_run(const Frame<T>& frame, const Touch& touch, Index center,
                                  Visit visit) {
    const Index stride = 3 * touch.n_touched, total = frame.first[frame.n_atoms] * stride;
    Index pair = frame.first[center];
    const Index end = frame.first[center + 1];
    while (pair < end) {
        const Index species = frame.species[frame.neighbors[pair]], begin = pair;
        while (pair < end && frame.species[frame.neighbors[pair]] == species) ++pair;
        const Index* features = touch.row(frame.species[center], species);
        const Index count = touch.count(features);
        if (!count) continue;
        const Index n = (3 * count + period<T> - 1) / period<T> * period<T>;
        const Index last = (total - n) / stride + 1;  // pairs before this one are safe
        const Index safe_end = total < n ? begin : last < begin ? begin : last < pair ? last : pair;
        visit(Run<T>{begin, pair, features, count, n, safe_end});
    }
}

// Asks for what lies some blocks ahead: the processor itself does not look beyond a page of memory.
template <typename T>
AMPTORCH_INLINE void prefetch(const T* block, Index n) {
    constexpr Index line = 64 / sizeof(T), ahead = 4096 / sizeof(T);
    for (Index q = 0; q < n; q += line) __builtin_prefetch(block + ahead + q);
}

// The block of a pair, or a copy with zeros behind it where memory ends.
template <typename T>
AMPTORCH_INLINE const T* whole_block(const Frame<T>& frame, const Touch& touch, const Run<T>& run,
                                     Index pair, T* copy) {
    const T* block = frame.values + 3 * pair * touch.n_touched;
    if (pair < run.safe_end) return block;
    for (Index q = 0; q < run.n; ++q) copy[q] = q < 3 * run.count ? block[q] : T(0);
    return copy;
}

// W += R (x) g of a pair.
template <typename T>
void add_virial(const T* vector, const T* lanes, T* virial) {
    for (int k = 0; k < 9; ++k) virial[k] += vector[k / 3] * sum_of_axis(lanes, k % 3);
}

template <typename T, bool with_virials>
void pull_part(const Frame<T>& frame, const Part& part, const Touch& touch, const T* weights,
               Index n_features, T* forces, T* virials, T* scratch) {
    T *tripled = scratch, *copy = scratch + padded(touch), *repeated = copy + padded(touch);
    for (Index q = 0; q < frame.n_atoms * period<T>; ++q) repeated[q] = 0;
    for (Index i = part.begin; i < part.end; ++i) {
        const T* own = weights + (frame.offset + i) * n_features;
        Vec<T> total[3] = {};
        for_each_run(frame, touch, i, [&](const Run<T>& run) {
            for (Index q = 0; q < run.n; ++q) {
                tripled[q] = q < 3 * run.count ? own[run.features[q / 3]] : T(0);
            }
            for (Index pair = run.begin; pair < run.end; ++pair) {
                const T* block = whole_block(frame, touch, run, pair, copy);
                prefetch(block, run.n);
                Vec<T> g[3] = {};
                for (Index q = 0; q < run.n; q += period<T>) {
                    for (int v = 0; v < 3; ++v) g[v] += lanes(block + q, v) * lanes(tripled + q, v);
                }
                T* other = repeated + frame.neighbors[pair] * period<T>;
                for (int v = 0; v < 3; ++v) {
                    total[v] += g[v];
                    lanes(other, v) -= g[v];
                }
                if constexpr (with_virials) {
                    const T* at = reinterpret_cast<const T*>(g);
                    add_virial(frame.vectors + 3 * pair, at, virials + 9 * (frame.offset + i));
                }
            }
        });
        for (int v = 0; v < 3; ++v) lanes(repeated + i * period<T>, v) += total[v];
    }
    for (Index q = 0; q < 3 * frame.n_atoms; ++q) {
        forces[q] += sum_of_axis(repeated + q / 3 * period<T>, static_cast<int>(q % 3));
    }
}

template <typename T>
void pull(const Frame<T>& frame, const Part& part, const Touch& touch, const T* weights,
          Index n_features, T* forces, T* virials, T* scratch) {
    const auto run = virials ? pull_part<T, true> : pull_part<T, false>;
    run(frame, part, touch, weights, n_features, forces, virials, scratch);
}

// dW_i R_ij repeated.
template <typename T>
void virial_change(const T* virial, const T* vector, T* lanes) {
    T change[3] = {};
    for (int k = 0; k < 9; ++k) change[k % 3] += virial[k] * vector[k / 3];
    repeat(change, lanes);
}

// dL/dF_i - dL/dF_j repeated, and what dL/dW_i adds.
template <typename T>
AMPTORCH_INLINE void change_of(const Frame<T>& frame, Index pair, const T* own, const T* repeated,
                               const T* virial, Vec<T> (&change)[3]) {
    const T* other = repeated + frame.neighbors[pair] * period<T>;
    for (int v = 0; v < 3; ++v) change[v] = lanes(own, v) - lanes(other, v);
    if (!virial) return;
    T more[period<T>];
    virial_change(virial, frame.vectors + 3 * pair, more);
    for (int v = 0; v < 3; ++v) change[v] += lanes(more, v);
}

// The sums over the pairs of a run of n_periods periods from ``at`` on, few enough for registers.
template <typename T, int n_periods>
void push_periods(const Frame<T>& frame, const Touch& touch, const Run<T>& run, Index at,
                  const T* own, const T* repeated, const T* virial, T* copy, T* sums) {
    constexpr int n = 3 * n_periods;
    Vec<T> totals[n] = {};
    for (Index pair = run.begin; pair < run.end; ++pair) {
        const T* block = whole_block(frame, touch, run, pair, copy) + at;
        prefetch(block, n * width<T>);
        Vec<T> change[3];
        change_of(frame, pair, own, repeated, virial, change);
#pragma GCC unroll 12
        for (int v = 0; v < n; ++v) totals[v] += lanes(block, v) * change[v % 3];
    }
#pragma GCC unroll 12
    for (int v = 0; v < n; ++v) lanes(sums + at, v) = totals[v];
}

template <typename T>
void push(const Frame<T>& frame, const Part& part, const Touch& touch, const T* forces,
          const T* virials, Index n_features, T* changes, T* scratch) {
    constexpr decltype(&push_periods<T, 1>) of[] = {push_periods<T, 1>, push_periods<T, 2>,
                                                    push_periods<T, 3>, push_periods<T, 4>};
    T *sums = scratch, *copy = scratch + padded(touch), *repeated = copy + padded(touch);
    for (Index j = 0; j < frame.n_atoms; ++j) {
        repeat(forces + 3 * (frame.offset + j), repeated + j * period<T>);
    }
    for (Index i = part.begin; i < part.end; ++i) {
        const T* own = repeated + i * period<T>;
        const T* virial = virials ? virials + 9 * (frame.offset + i) : nullptr;
        T* out = changes + (frame.offset + i) * n_features;
        for_each_run(frame, touch, i, [&](const Run<T>& run) {
            for (Index at = 0; at < run.n; at += 4 * period<T>) {
                const Index left = (run.n - at) / period<T>;
                of[left < 4 ? left - 1 : 3](frame, touch, run, at, own, repeated, virial, copy, sums);
            }
            for (Index q = 0; q < 3 * run.count; ++q) out[run.features[q / 3]] += sums[q];
        });
    }
}

const Kernel<double> of_double{pull<double>, push<double>};
const Kernel<float> of_float{pull<float>, push<float>};

}  // namespace amptorch::jacobian::AMPTORCH_ISA
