// What the kernel of a population of neuroevolution potentials knows of their shape and of a frame. For
// the equations see kernels/nep_population.py.
#pragma once

#include <cstdint>

#include "spherical_expansion.h"

namespace amptorch::population {

using Index = std::int64_t;

// Components of spherical harmonics are taken so many at once; there are this many or a multiple.
constexpr Index block = 8;
// Atoms of one species that go through the networks of some members one after the other.
constexpr Index tile_atoms = 8;

inline Index padded(Index n) { return (n + block - 1) / block * block; }

// A product of three components of one radial function's A, added to an invariant.
struct Product {
    Index line, a, b, c;
    double factor;
};

struct Shape {
    Index n_species, n_radial, k_radial, n_angular, k_angular, l_max;  // n: functions; k: of their basis
    Index n_lines;                   // invariants of one radial function
    Index hidden, hidden_2, n_nets;  // hidden_2: 0 where there is one layer
    bool species_bias;
    Index quartic;                   // line of the square of line 0, or -1
    Index n_products;
    const Product* products;

    Index n_harmonics() const { return l_max * (l_max + 2); }
    Index dim() const { return n_radial + n_angular * n_lines; }
    Index last_width() const { return hidden_2 ? hidden_2 : hidden; }
    Index net_size() const {
        const Index first = hidden * (dim() + 1);
        const Index second = hidden_2 ? hidden_2 * (hidden + 1) : 0;
        return first + second + last_width() + (species_bias ? 1 : 0);
    }
    Index radial_at() const { return n_nets * net_size() + 1; }
    Index angular_at() const { return radial_at() + n_radial * k_radial * n_species * n_species; }
    Index n_variables() const { return angular_at() + n_angular * k_angular * n_species * n_species; }
};

// Of all atoms, ordered by centre, then by species of the neighbour; all within the cutoffs.
template <typename T>
struct Neighbors {
    const T* vectors;           // [n_pairs, 3]
    const Index* first;         // [n_atoms + 1]
    const std::int32_t* atoms;  // [n_pairs]
    const T* cutoffs;           // [n_species, n_species]

    Index count(Index atom) const { return first[atom + 1] - first[atom]; }
};

template <typename T>
struct Data {
    const Index* species;       // [n_atoms]
    Neighbors<T> radial, angular;
    const T* targets;           // forces, [n_atoms, 3]
    const T* weights;           // of the squared error of an atom's force
    const T* scale;             // [dim]
};

// What comes out for one frame: a row of all members, to which is added.
template <typename T>
struct Row {
    T *energy, *force_error, *virial;  // [members], [members], [6, members] or null
    T* forces;                         // [n_atoms of all, 3, members] or null
};

// Most pairs of an atom, and most atoms of a frame.
struct Most {
    Index radial, angular, atoms;
};

template <typename T>
struct Kernel {
    Index width;  // members side by side; ``members`` below is a multiple
    Index (*scratch_size)(const Shape&, const Most&, Index members);
    // ``parameters``: [members / width, n_variables, width].
    void (*run)(const Shape&, const Data<T>&, const T* parameters, Index members, Index first_atom,
                Index end_atom, const Most&, const Row<T>&, T* scratch);
};

#define AMPTORCH_POPULATION(isa)           \
    namespace isa {                        \
    extern const Kernel<double> of_double; \
    extern const Kernel<float> of_float;   \
    }
AMPTORCH_POPULATION(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_POPULATION(avx2)
#endif
#undef AMPTORCH_POPULATION

}  // namespace amptorch::population
