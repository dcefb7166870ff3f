// Forces and virials from the gradients of pairs.
#include <array>
#include <cstring>
#include <vector>

#include "arrays.h"

namespace amptorch {
namespace {

using Index = std::int64_t;
using Indices = Array<const Index, -1>;

// Numbers are taken by twos, which every processor adds at once.
typedef double Two __attribute__((vector_size(16)));

template <typename T>
void subtract(double* from, const T* vector) {
    Two xy;
    std::memcpy(&xy, from, sizeof(xy));
    xy -= Two{double(vector[0]), double(vector[1])};
    std::memcpy(from, &xy, sizeof(xy));
    from[2] -= vector[2];
}

// What the pairs of one atom add up to.
class Sums {
public:
    template <typename T>
    void add(const T* r, const T* g) {
        const Two xy{double(g[0]), double(g[1])};
        const double z = g[2];
        total_xy_ += xy;
        total_z_ += z;
        for (int a = 0; a < 3; ++a) virial_xy_[a] += double(r[a]) * xy;
        virial_z_ += Two{double(r[0]), double(r[1])} * z;
        virial_zz_ += double(r[2]) * z;
    }

    void add_to(double* force, double* virial) const {
        for (int a = 0; a < 2; ++a) force[a] += total_xy_[a];
        force[2] += total_z_;
        for (int b = 0; b < 9; ++b) {
            const int a = b / 3;
            virial[b] += b % 3 < 2 ? virial_xy_[a][b % 3] : a < 2 ? virial_z_[a] : virial_zz_;
        }
    }

private:
    Two total_xy_{}, virial_xy_[3]{}, virial_z_{};
    double total_z_ = 0, virial_zz_ = 0;
};

// The pairs of the atoms of a frame, some of them or all; atoms are numbered in the frame.
template <typename T>
struct Pairs {
    const T *vectors, *gradients;     // of all frames
    const Index *first, *neighbors;
    Index begin, n, before;           // of the first of these atoms, how many, and atoms in earlier frames
    double *forces, *virial;          // of the frame

    // Adds what the pairs say of atoms from `from` to `to`, in the order of the pairs. Atoms whose own
    // pairs are all there add to the virials of their blocks.
    void add(Index from, Index to, double (*virials)[9]) const {
        for (Index k = 0; k < n; ++k) {
            const Index i = begin + k;
            const bool own = from <= i && i < to;
            Sums sums;
            for (Index pair = first[k]; pair < first[k + 1]; ++pair) {
                const Index j = neighbors[pair] - before;
                const T *r = vectors + 3 * pair, *g = gradients + 3 * pair;
                if (from <= j && j < to) subtract(forces + 3 * j, g);
                if (own) sums.add(r, g);
            }
            if (own) sums.add_to(forces + 3 * i, virials[k / block]);
        }
    }

    static constexpr Index block = 64;
};

// Threads have atoms of their own, of which each adds up all, whoever's pairs they are in.
template <typename T>
void sum_frame(const Pairs<T>& pairs, Index n_atoms, int threads) {
    std::vector<std::array<double, 9>> virials(pairs.n / Pairs<T>::block + 1);
    const auto rows = reinterpret_cast<double(*)[9]>(virials.data());
    // Borders where blocks begin: no virial is of two threads.
    const Index step = (pairs.n / threads / Pairs<T>::block + 1) * Pairs<T>::block;
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int thread = 0; thread < threads; ++thread) {
        const Index from = thread ? pairs.begin + thread * step : 0;
        const Index to = thread + 1 < threads ? pairs.begin + (thread + 1) * step : n_atoms;
        pairs.add(from, to, rows);
    }
    for (const auto& each : virials) {
        for (int b = 0; b < 9; ++b) pairs.virial[b] += each[b];
    }
}

// Adds to forces and virials of frames what the gradients of pairs make of them, in the order of the
// pairs, whatever the number of threads. Of a part of one frame, `begin` is the number of its first atom.
template <typename T>
void sum_pairs(Array<const T, -1, 3> vectors, Indices first, Indices neighbors,
               Array<const T, -1, 3> gradients, Indices first_atoms, Index begin,
               Array<double, -1, 3> forces, Array<double, -1, 3, 3> virials, int threads) {
    const nb::gil_scoped_release release;
    const auto n_frames = static_cast<Index>(virials.shape(0));
    const auto n_atoms = static_cast<Index>(forces.shape(0));
    const bool over_frames = n_frames >= threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (over_frames && threads > 1)
    for (Index frame = 0; frame < n_frames; ++frame) {
        const Index from = first_atoms.data()[frame], n = first_atoms.data()[frame + 1] - from;
        const Pairs<T> pairs{vectors.data(), gradients.data(), first.data() + from, neighbors.data(),
                             begin, n, from, forces.data() + 3 * from, virials.data() + 9 * frame};
        sum_frame(pairs, n_frames == 1 ? n_atoms : n, over_frames ? 1 : threads);
    }
}

template <typename T>
void bind(nb::module_& module) {
    const auto strict = nb::arg().noconvert();
    module.def("sum_pairs", sum_pairs<T>, strict, strict, strict, strict, strict, nb::arg(), strict,
               strict, nb::arg());
}

}  // namespace

void bind_pair_sums(nb::module_& module) {
    bind<double>(module);
    bind<float>(module);
}

}  // namespace amptorch
