// The kernel of one instruction set: rows of a frame, atom by atom.
// A source file sets AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the
// instruction set, and includes this: all code lies in the namespace of the instruction set, so
// that the linker never mixes them up.

namespace amptorch::ace_rows::AMPTORCH_ISA {

using namespace amptorch::spherical;
using ace_rows::Kernel;
using ace_rows::Task;

#include "simd.h"
#include "spherical_expansion_radial.h"
#include "spherical_expansion_harmonics.h"
#include "spherical_expansion_pairs.h"

template <typename T>
struct AllNorms {
    static const Norms<T> norms;
};
template <typename T>
const Norms<T> AllNorms<T>::norms{};

template <typename T>
T norm_of(int l, int m) {
    return AllNorms<T>::norms.values[place_of(l, m)];
}

// Vectors of columns at a time, and those of the virial.
constexpr int tile = 6;
template <typename T>
constexpr int virial = (6 + width<T> - 1) / width<T>;

// Columns: three for each atom of the frame in tiles of whole atoms, then six of the virial.
template <typename T>
struct Columns {
    static constexpr int step = tile * width<T>, atoms = step / 3;
    Index n_tiles;

    explicit Columns(const Task<T>& task) : n_tiles((task.end - task.begin + atoms - 1) / atoms) {}

    static int within(Index atom) { return 3 * static_cast<int>(atom % atoms); }
};

// Some atoms of one element of a frame, at most as many as a vector has lanes.
template <typename T>
struct Block {
    const Task<T>& task;
    const Columns<T> columns;
    const ace_rows::Element<T>& element;
    const Index* atoms;
    int number;
    Index n_sums;
    Vec<T> *sums, *values, *pulled;  // of functions, and in their sums [n_slopes]: an atom a lane
    Vec<T>* turns;  // slopes of the density in sums: an atom a lane
    T* slopes;   // of one atom, [n_tiles + 1, n_sums, step]
    T* along;    // slopes of the density of one atom, [n_tiles + 1, step]
    T* found;    // of all atoms of the frame, [n_tiles + 1, functions of all elements, step]
    T* touched;  // [n_tiles], whether a neighbour of that atom lies there
    Index atom = 0;
    int lane = 0;

    Block(const Task<T>& task, T* scratch, const Index* atoms, int number, Index species)
        : task(task), columns(task), element(task.elements[species]), atoms(atoms), number(number) {
        const Sizes sizes(task);
        n_sums = sizes.n_sums;
        found = scratch;
        slopes = found + sizes.found;
        along = slopes + sizes.slopes;
        sums = reinterpret_cast<Vec<T>*>(along + sizes.along);
        turns = sums + n_sums;
        values = turns + n_sums;
        pulled = values + sizes.functions;
        touched = reinterpret_cast<T*>(pulled + sizes.pulled);
    }

    static Index padded(Index n) { return (n + 15) / 16 * 16; }

    struct Sizes {
        Index n_sums, functions = 0, pulled = 0, slopes, along, found, n_tiles;

        explicit Sizes(const Task<T>& task)
            : n_sums(task.sizes.n_elements * task.sizes.of_element()),
              n_tiles(Columns<T>(task).n_tiles) {
            for (int e = 0; e < task.sizes.n_elements; ++e) {
                const auto& element = task.elements[e];
                functions = element.first_row + element.n_functions;
                pulled = pulled > element.n_slopes ? pulled : element.n_slopes;
            }
            along = (n_tiles + 1) * Columns<T>::step;
            slopes = n_sums * along;
            found = functions * along;
        }

        Index total() const {
            return found + slopes + along + (2 * n_sums + functions + pulled) * width<T> +
                   padded(n_tiles);
        }
    };

    T* slopes_of(Index which, Index sum) const {
        return slopes + (which * n_sums + sum) * Columns<T>::step;
    }

    void run() {
        for (Index i = 0; i < n_sums; ++i) sums[i] = Vec<T>{};
        for (lane = 0; lane < number; ++lane) {
            atom = atoms[lane];
            add_all<false>();
        }
        multiply();
        for (int f = 0; f < element.n_functions; ++f) {
            T* to = task.energies + (element.first_row + f) * task.n_frames + task.frame;
            for (int k = 0; k < number; ++k) *to += slope_of(atoms[k]) * values[f][k];
        }
        if (task.forces && task.density.slopes) add_turns();
        for (lane = 0; task.forces && lane < number; ++lane) {
            atom = atoms[lane];
            clear();
            add_all<true>();
            if (task.density.slopes) add_along();
            spread();
        }
    }

    T slope_of(Index which) const {
        return task.density.slopes ? task.density.slopes[which] : T(1);
    }

    // Slopes of the density in sums.
    void add_turns() const {
        for (Index i = 0; i < n_sums; ++i) turns[i] = Vec<T>{};
        for (int g = 0; g < element.n_groups; ++g) {
            const ace_rows::Group& group = element.groups[g];
            const T* c = task.density.coefficients + element.first_row + group.first_function;
            for (int f = 0; f < group.n_functions; ++f) {
                if (c[f] == 0) continue;
                const Vec<T>* from = pulled + group.first_slope + f * group.n_slots;
                const int* slots = element.slots + group.first_slot;
                for (int s = 0; s < group.n_slots; ++s) turns[slots[s]] += c[f] * from[s];
            }
        }
    }

    // The density's slopes in all columns, from those in sums.
    void add_along() const {
        for (Index i = 0; i <= columns.n_tiles; ++i) {
            if (i < columns.n_tiles && !touched[i]) continue;
            T* to = along + i * Columns<T>::step;
            for (int k = 0; k < Columns<T>::step; k += width<T>) {
                Vec<T> total{};
                for (Index sum = 0; sum < n_sums; ++sum) {
                    if (!element.used[sum]) continue;
                    total += turns[sum][lane] * load(slopes_of(i, sum) + k);
                }
                store(to + k, total);
            }
        }
    }

    void clear() {
        for (Index i = 0; i < columns.n_tiles; ++i) touched[i] = 0;
        touched[(atom - task.begin) / Columns<T>::atoms] = 1;
        for (Index pair = task.first[atom]; pair < task.first[atom + 1]; ++pair) {
            touched[(task.neighbors[pair] - task.begin) / Columns<T>::atoms] = 1;
        }
        for (Index i = 0; i <= columns.n_tiles; ++i) {
            if (i < columns.n_tiles && !touched[i]) continue;
            T* to = slopes_of(i, 0);
            for (Index k = 0; k < n_sums * Columns<T>::step; k += width<T>) store(to + k, Vec<T>{});
        }
    }

    // Adds the neighbours of an atom to its sums, or to slopes of these.
    template <bool with_slopes>
    void add_all() {
        Index begin = task.first[atom];
        for (int mu = 0; mu < task.sizes.n_elements; ++mu) {
            Index end = begin;
            while (end < task.first[atom + 1] && task.species[task.neighbors[end]] == mu) ++end;
            add_neighbors<with_slopes>(mu, begin, end);
            begin = end;
        }
    }

    template <bool with_slopes>
    void add_neighbors(int mu, Index begin, Index end) {
        const Index own = task.species[atom];
        const Radial<T>& radial = task.radials[own * task.sizes.n_elements + mu];
        Factors<T> factors;
        for_near<T>(task.vectors, begin, end, radial.cutoff, [&](const Pairs<T>& pairs) {
            factors.make(task.part, radial, pairs);
            add_pairs<with_slopes>(mu, pairs, factors);
        });
    }

    template <bool with_slopes>
    void add_pairs(int mu, const Pairs<T>& pairs, const Factors<T>& factors) {
        const ace_rows::Sizes& s = task.sizes;
        const int start = mu * s.of_element(), harmonics = (s.l_max + 1) * (s.l_max + 1);
        Mask<T> lanes = count<T>();
        const Vec<T> there = lanes < pairs.number ? broadcast<T>(1) : Vec<T>{};
        for (int k = 0; k < s.n_radial; ++k) {
            if (!element.used[start + k]) continue;
            const Vec<T> y = broadcast<T>(norm_of<T>(0, 0)), none[3] = {};
            add<with_slopes>(start + k, pairs, factors, there * factors.functions.values[k],
                there * factors.functions.slopes[k], y, none);
        }
        Vec<T> values[most_functions], slopes[most_functions];
        for (int l = 0; l <= s.l_max; ++l) {
            contract(mu, l, factors, there, values, slopes);
            for (int m = -l; m <= l; ++m) {
                Vec<T> y, turn[3];
                harmonic(factors, l, m, y, turn);
                for (int n = 0; n < s.n_max; ++n) {
                    const int to = start + s.n_radial + n * harmonics + l * (l + 1) + m;
                    if (!element.used[to]) continue;
                    add<with_slopes>(to, pairs, factors, values[n], slopes[n], y, turn);
                }
            }
        }
    }

    void contract(int mu, int l, const Factors<T>& factors, Vec<T> there, Vec<T>* values,
                  Vec<T>* slopes) const {
        const ace_rows::Sizes& s = task.sizes;
        for (int n = 0; n < s.n_max; ++n) {
            const T* c = element.radial + ((mu * (s.l_max + 1) + l) * s.n_max + n) * s.n_radial;
            values[n] = slopes[n] = Vec<T>{};
            for (int k = 0; k < s.n_radial; ++k) {
                if (c[k] == 0) continue;
                values[n] += c[k] * factors.functions.values[k];
                slopes[n] += c[k] * factors.functions.slopes[k];
            }
            values[n] *= there;
            slopes[n] *= there;
        }
    }

    // Y_lm and its slope in R, times r.
    static void harmonic(const Factors<T>& factors, int l, int m, Vec<T>& y, Vec<T> (&turn)[3]) {
        const auto& h = factors.harmonics;
        const int a = m < 0 ? -m : m;
        const T norm = norm_of<T>(l, a);
        const Vec<T> p = norm * h.legendre[place_of(l, a)], dp = norm * h.slope(l, a);
        y = p * (m < 0 ? h.sine[a] : h.cosine[a]);
        turn[0] = turn[1] = Vec<T>{};
        turn[2] = dp * (m < 0 ? h.sine[a] : h.cosine[a]);
        if (a) {
            const Vec<T> c = T(a) * p * h.cosine[a - 1], s = T(a) * p * h.sine[a - 1];
            turn[0] = m < 0 ? s : c;
            turn[1] = m < 0 ? c : -s;
        }
        const auto& u = factors.unit;
        const Vec<T> along = u[0] * turn[0] + u[1] * turn[1] + u[2] * turn[2];
        for (int i = 0; i < 3; ++i) turn[i] -= along * u[i];
    }

    template <bool with_slopes>
    AMPTORCH_INLINE void add(int to, const Pairs<T>& pairs, const Factors<T>& factors,
                             Vec<T> value, Vec<T> slope, Vec<T> y, const Vec<T> (&turn)[3]) {
        if constexpr (!with_slopes) {
            reinterpret_cast<T*>(sums + to)[lane] += sum<T>(value * y);
            return;
        }
        const auto& u = factors.unit;
        const Vec<T> across = value * factors.inverse, along = slope * y;
        Vec<T> g[3];
        for (int i = 0; i < 3; ++i) g[i] = along * u[i] + across * turn[i];
        for (int k = 0; k < pairs.number; ++k) {
            T* other = at(to, task.neighbors[pairs.pair[k]]);
            for (int i = 0; i < 3; ++i) other[i] -= g[i][k];
        }
        T* own = at(to, atom);
        for (int i = 0; i < 3; ++i) own[i] += sum<T>(g[i]);
        if (!task.virials) return;
        Vec<T> r[3];
        for (int i = 0; i < 3; ++i) r[i] = u[i] * load(pairs.distance);
        T* row = slopes_of(columns.n_tiles, to);
        for (int i = 0; i < 3; ++i) row[i] += sum<T>(r[i] * g[i]);
        row[3] += T(0.5) * sum<T>(r[1] * g[2] + r[2] * g[1]);
        row[4] += T(0.5) * sum<T>(r[0] * g[2] + r[2] * g[0]);
        row[5] += T(0.5) * sum<T>(r[0] * g[1] + r[1] * g[0]);
    }

    // The columns of an atom in the slopes of a sum.
    T* at(Index sum, Index which) const {
        const Index place = which - task.begin;
        return slopes_of(place / Columns<T>::atoms, sum) + Columns<T>::within(place);
    }

    void multiply() {
        for (int g = 0; g < element.n_groups; ++g) {
            const ace_rows::Group& group = element.groups[g];
            for (int f = 0; f < group.n_functions; ++f) values[group.first_function + f] = Vec<T>{};
            Vec<T>* to = pulled + group.first_slope;
            for (int i = 0; i < group.n_functions * group.n_slots; ++i) to[i] = Vec<T>{};
            for (int p = 0; p < group.n_products; ++p) multiply(group, p);
        }
    }

    void multiply(const ace_rows::Group& group, int p) {
        const Factor<T>* factors = element.factors + (group.first_product + p) * most_factors;
        Vec<T> re[most_factors], im[most_factors];
        Vec<T> left_re[most_factors + 1], left_im[most_factors + 1];
        const int order = group.order;
        left_re[0] = broadcast<T>(1);
        left_im[0] = Vec<T>{};
        for (int t = 0; t < order; ++t) {
            re[t] = factors[t].re * sums[factors[t].cosine];
            im[t] = Vec<T>{};
            if (factors[t].sine >= 0) im[t] = factors[t].im * sums[factors[t].sine];
            left_re[t + 1] = left_re[t] * re[t] - left_im[t] * im[t];
            left_im[t + 1] = left_re[t] * im[t] + left_im[t] * re[t];
        }
        const T* weights = element.weights + group.first_weight + p;
        for (int f = 0; f < group.n_functions; ++f) {
            values[group.first_function + f] += weights[f * group.n_products] * left_re[order];
        }
        if (!task.forces) return;
        Vec<T> right_re = broadcast<T>(1), right_im{};
        for (int t = order - 1; t >= 0; --t) {
            const Vec<T> other_re = left_re[t] * right_re - left_im[t] * right_im;
            const Vec<T> other_im = left_re[t] * right_im + left_im[t] * right_re;
            const Vec<T> cosine = factors[t].re * other_re, sine = -factors[t].im * other_im;
            for (int f = 0; f < group.n_functions; ++f) {
                const T weight = weights[f * group.n_products];
                Vec<T>* to = pulled + group.first_slope + f * group.n_slots;
                to[factors[t].at_cosine] += weight * cosine;
                if (factors[t].sine >= 0) to[factors[t].at_sine] += weight * sine;
            }
            const Vec<T> next = right_re * re[t] - right_im * im[t];
            right_im = right_re * im[t] + right_im * re[t];
            right_re = next;
        }
    }

    // Slopes of functions in sums times those of sums, and of the energy in the density.
    void spread() const {
        for (Index i = 0; i < columns.n_tiles; ++i) {
            if (touched[i]) spread<tile>(i);
        }
        if (task.virials) spread<virial<T>>(columns.n_tiles);
    }

    template <int n>
    void spread(Index which) const {
        for (int g = 0; g < element.n_groups; ++g) {
            const ace_rows::Group& group = element.groups[g];
            for (int f = 0; f < group.n_functions; ++f) spread<n>(group, f, which);
        }
    }

    template <int n>
    AMPTORCH_INLINE void spread(const ace_rows::Group& group, int f, Index which) const {
        const T* weights =
            reinterpret_cast<const T*>(pulled + group.first_slope + f * group.n_slots) + lane;
        const int* slots = element.slots + group.first_slot;
        Vec<T> total[n];
        for (int i = 0; i < n; ++i) total[i] = Vec<T>{};
        for (int s = 0; s < group.n_slots; ++s) {
            const T* from = slopes_of(which, slots[s]);
            for (int i = 0; i < n; ++i) total[i] += weights[s * width<T>] * load(from + i * width<T>);
        }
        T* to = row_of(which, element.first_row + group.first_function + f);
        if (task.density.slopes) {
            const T slope = task.density.slopes[atom];
            const T bend = task.density.bends[atom] * values[group.first_function + f][lane];
            const T* by = along + which * Columns<T>::step;
            for (int i = 0; i < n; ++i) {
                total[i] = slope * total[i] + bend * load(by + i * width<T>);
            }
        }
        for (int i = 0; i < n; ++i) store(to + i * width<T>, load(to + i * width<T>) + total[i]);
    }

    Index n_rows() const {
        const auto& last = task.elements[task.sizes.n_elements - 1];
        return last.first_row + last.n_functions;
    }

    T* row_of(Index which, Index function) const {
        return found + (which * n_rows() + function) * Columns<T>::step;
    }

    // Copies what was found of all atoms of the frame.
    void write() const {
        for (Index row = 0; row < n_rows(); ++row) {
            T* to = task.forces + row * 3 * task.n_atoms + 3 * task.begin;
            const Index n = 3 * (task.end - task.begin);
            for (Index i = 0; i < columns.n_tiles; ++i) {
                const Index first = i * 3 * Columns<T>::atoms, last = first + 3 * Columns<T>::atoms;
                const T* from = row_of(i, row);
                for (Index k = first; k < (last < n ? last : n); ++k) to[k] = from[k - first];
            }
            const T* from = row_of(columns.n_tiles, row);
            for (int i = 0; task.virials && i < 6; ++i) {
                task.virials[(row * task.n_frames + task.frame) * 6 + i] = from[i];
            }
        }
    }
};

template <typename T>
void frame(const Task<T>& task, T* scratch) {
    const typename Block<T>::Sizes sizes(task);
    for (Index i = 0; task.forces && i < sizes.found; ++i) scratch[i] = 0;
    for (int species = 0; species < task.sizes.n_elements; ++species) {
        Index atoms[width<T>];
        int number = 0;
        for (Index atom = task.begin; atom < task.end; ++atom) {
            if (task.species[atom] == species) atoms[number++] = atom;
            if (number == width<T> || (number && atom + 1 == task.end)) {
                Block<T>(task, scratch, atoms, number, species).run();
                number = 0;
            }
        }
    }
    if (task.forces) Block<T>(task, scratch, nullptr, 0, 0).write();
}

template <typename T>
Index scratch_size(const Task<T>& task) {
    return typename Block<T>::Sizes(task).total();
}

const Kernel<double> double_kernel{frame<double>, scratch_size<double>};
const Kernel<float> float_kernel{frame<float>, scratch_size<float>};

}  // namespace amptorch::ace_rows::AMPTORCH_ISA
