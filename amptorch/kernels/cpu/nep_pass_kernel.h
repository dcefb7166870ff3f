// The kernel of one instruction set: an atom.
// A source file sets AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the
// instruction set, and includes this: all code lies in the namespace of the instruction set, so
// that the linker never mixes them up.

namespace amptorch::spherical::nep::AMPTORCH_ISA {

#include "simd.h"
#include "spherical_expansion_radial.h"
#include "spherical_expansion_harmonics.h"
#include "spherical_expansion_pairs.h"
#include "spherical_expansion_sums.h"
#include "nep_pass_network.h"
#include "nep_pass_invariants.h"
#include "nep_model_kernel.h"

// Vectors that are kept of some pairs: units and 1/r, then what follows.
constexpr int n_heads = 4;

template <typename T>
int of_radial(const Model<T>& model) {
    return n_heads + model.n_functions[0];
}

template <typename T>
int of_angular(const Model<T>& model) {
    return n_heads + 2 * model.n_descriptors[1] + place_of(model.l_max, model.l_max) + 1 +
           2 * (model.l_max + 1);
}

template <typename T>
Index kept(const Model<T>& model, Index most_neighbors) {
    const Index groups = most_neighbors / width<T> + model.n_species;
    return groups * (of_radial(model) + of_angular(model) + 2) * width<T>;
}

// An atom: from its pairs to descriptors, and back.
template <typename T>
class Center {
public:
    Center(const Model<T>& model, const Task<T>& task, Index atom, T* kept)
        : model_(model), task_(task), atom_(atom), own_(task.species[atom]),
          next_(reinterpret_cast<Vec<T>*>(kept)) {}

    void run() {
        radial_begin_ = next_;
        for_elements([&](Index other, Index begin, Index end) { add_radial(other, begin, end); });
        angular_begin_ = next_;
        sums_.start(model_.n_descriptors[1], model_.n_harmonics);
        for_elements([&](Index other, Index begin, Index end) { add_angular(other, begin, end); });
        describe();
        const bool pull = task_.pulled != nullptr;
        task_.energies[atom_] = evaluate(model_.networks[own_], q_, pull, slopes_);
        if (!pull) return;
        for (Index i = 3 * task_.first[atom_]; i < 3 * task_.first[atom_ + 1]; ++i) task_.pulled[i] = 0;
        next_ = radial_begin_;
        for_elements([&](Index other, Index begin, Index end) { pull_radial(other, begin, end); });
        weigh();
        for_elements([&](Index other, Index begin, Index end) { pull_angular(other, begin, end); });
    }

private:
    template <typename Each>
    void for_elements(const Each& each) const {
        const Index end = task_.first[atom_ + 1];
        Index begin = task_.first[atom_];
        while (begin < end) {
            const Index other = task_.species[task_.neighbors[begin]];
            Index next = begin + 1;
            while (next < end && task_.species[task_.neighbors[next]] == other) ++next;
            each(other, begin, next);
            begin = next;
        }
    }

    Index pair_of(Index other) const { return own_ * model_.n_species + other; }

    const Radial<T>& radial(int part, Index other) const {
        return model_.radials[part * model_.n_species * model_.n_species + pair_of(other)];
    }

    // Coefficients [n, k].
    const T* coefficients(int part, Index other) const {
        const int size = model_.n_functions[part] * model_.n_descriptors[part];
        return model_.coefficients[part] + pair_of(other) * size;
    }

    void keep(const Vec<T>* values, int number) {
        for (int i = 0; i < number; ++i) *next_++ = values[i];
    }

    void add_radial(Index other, Index begin, Index end) {
        const int number = model_.n_functions[0];
        const Radial<T>& kind = radial(0, other);
        Vec<T> totals[most_functions] = {};
        for_near<T>(task_.vectors, begin, end, kind.cutoff, [&](const Pairs<T>& pairs) {
            make_functions<T>(kind, load(pairs.distance), functions_);
            for (int k = 0; k < number; ++k) totals[k] += functions_.values[k];
            for (int a = 0; a < 3; ++a) *next_++ = load(pairs.unit[a]);
            *next_++ = load(pairs.inverse);
            keep(functions_.slopes, number);
        });
        const T* c = coefficients(0, other);
        for (int k = 0; k < number; ++k) {
            const T total = sum<T>(totals[k]);
            for (int n = 0; n < model_.n_descriptors[0]; ++n) q_[n] += c[n * number + k] * total;
        }
    }

    void add_angular(Index other, Index begin, Index end) {
        const Radial<T>& kind = radial(1, other);
        const int number = model_.n_functions[1], n_out = model_.n_descriptors[1];
        const T* c = coefficients(1, other);
        for_near<T>(task_.vectors, begin, end, kind.cutoff, [&](const Pairs<T>& pairs) {
            Vec<T> unit[3], g[most_functions + 4], dg[most_functions];
            for (int a = 0; a < 3; ++a) unit[a] = load(pairs.unit[a]);
            make_functions<T>(kind, load(pairs.distance), functions_);
            make_harmonics<T>(model_.l_max, unit, harmonics_);
            for (int n = 0; n < n_out; ++n, c += number) {
                g[n] = dg[n] = Vec<T>{};
                for (int k = 0; k < number; ++k) {
                    g[n] += c[k] * functions_.values[k];
                    dg[n] += c[k] * functions_.slopes[k];
                }
            }
            c -= n_out * number;
            keep(unit, 3);
            *next_++ = load(pairs.inverse);
            keep(g, n_out);
            keep(dg, n_out);
            keep(harmonics_.legendre, place_of(model_.l_max, model_.l_max) + 1);
            keep(harmonics_.cosine, model_.l_max + 1);
            keep(harmonics_.sine, model_.l_max + 1);
            fill<T>(1, model_.l_max, harmonics_, rows_);
            sums_.add(n_out, g, rows_);
        });
    }

    // All descriptors, zero up to whole rows.
    void describe() {
        const int n_radial = model_.n_descriptors[0], n_angular = model_.n_descriptors[1];
        for (int n = 0; n < n_angular; ++n) {
            invariants(model_, sums_.values + n * sums_.n_columns, n_angular, q_ + n_radial + n);
        }
        const int number = n_radial + n_angular * (model_.l_max + model_.n_invariants);
        if (task_.descriptors) {
            for (int d = 0; d < number; ++d) task_.descriptors[atom_ * number + d] = q_[d];
        }
    }

    void pull_radial(Index other, Index begin, Index end) {
        const int number = model_.n_functions[0];
        const T* c = coefficients(0, other);
        T weights[most_functions] = {};
        for (int n = 0; n < model_.n_descriptors[0]; ++n) {
            for (int k = 0; k < number; ++k) weights[k] += slopes_[n] * c[n * number + k];
        }
        for_kept(radial(0, other).cutoff, begin, end, [&](const Pairs<T>& pairs) {
            const Vec<T>* slopes = next_ + n_heads;
            Vec<T> slope{}, pulled[3];
            for (int k = 0; k < number; ++k) slope += weights[k] * slopes[k];
            for (int a = 0; a < 3; ++a) pulled[a] = slope * next_[a];
            pairs.add_to(task_.pulled, pulled);
            next_ += of_radial(model_);
        });
    }

    // dU/dA times the norms of the harmonics, [n_harmonics, n].
    void weigh() {
        const int n_out = model_.n_descriptors[1];
        const Norms<T>& norm = norms<T>();
        T slopes[most_harmonics];
        for (int n = 0; n < n_out; ++n) {
            pull_invariants(model_, sums_.values + n * sums_.n_columns, n_out,
                            slopes_ + model_.n_descriptors[0] + n, slopes);
            for (int l = 1, i = 0; l <= model_.l_max; ++l) {
                for (int m = -l; m <= l; ++m, ++i) {
                    weights_[i * n_out + n] = norm.values[place_of(l, m < 0 ? -m : m)] * slopes[i];
                }
            }
        }
    }

    void pull_angular(Index other, Index begin, Index end) {
        const int n_out = model_.n_descriptors[1];
        for_kept(radial(1, other).cutoff, begin, end, [&](const Pairs<T>& pairs) {
            const Vec<T>* values = next_ + n_heads;
            const Vec<T>* legendre = values + 2 * n_out;
            const Vec<T>* cosine = legendre + place_of(model_.l_max, model_.l_max) + 1;
            const View<T> view{values, values + n_out,             legendre, cosine,
                               cosine + model_.l_max + 1, next_, next_[3]};
            Vec<T> pulled[3];
            pull<T>(1, model_.l_max, n_out, weights_, view, pulled);
            pairs.add_to(task_.pulled, pulled);
            next_ += of_angular(model_);
        });
    }

    // The groups of pairs as before, without what is kept of them.
    template <typename Each>
    AMPTORCH_INLINE void for_kept(T cutoff, Index begin, Index end, const Each& each) const {
        for_near<T, false>(task_.vectors, begin, end, cutoff, each);
    }

    const Model<T>& model_;
    const Task<T>& task_;
    const Index atom_, own_;
    Vec<T>* next_;
    Vec<T>*radial_begin_ = nullptr, *angular_begin_ = nullptr;
    Functions<T> functions_;
    Harmonics<T> harmonics_;
    Rows<T> rows_;
    Sums<T> sums_;
    alignas(64) T q_[most_descriptors] = {};
    alignas(64) T slopes_[most_descriptors];
    alignas(64) T weights_[most_functions * most_harmonics];
};

template <typename T>
void run(const Model<T>& model, const Task<T>& task, Index atom, T* kept) {
    Center<T>(model, task, atom, kept).run();
}

const Kernel<double> double_kernel{run<double>, kept<double>, energy_of_sums<double>,
                                   gradient_of_sums<double>};
#ifndef AMPTORCH_FLOAT64_ONLY
const Kernel<float> float_kernel{run<float>, kept<float>, energy_of_sums<float>,
                                 gradient_of_sums<float>};
#endif

}  // namespace amptorch::spherical::nep::AMPTORCH_ISA
