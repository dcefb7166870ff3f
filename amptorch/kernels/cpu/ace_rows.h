// Rows of least squares of functions of cluster products, for the binding and the kernels of every
// instruction set (equations: kernels/ace_rows.py). Plain data only.
#pragma once

#include "spherical_expansion.h"

namespace amptorch::ace_rows {

using spherical::Index;

constexpr int most_factors = 8;

// A factor A_(mu n l m) of a product, as real sums: size (C + i sign S), signed.
template <typename T>
struct Factor {
    int cosine, sine;  // places of sums; sine is -1 where m = 0
    int at_cosine, at_sine;  // among those of the group
    T re, im;          // by what they are multiplied
};

// Functions of the same products.
struct Group {
    int order, n_slots;
    int first_product, n_products;
    int first_function, n_functions;
    int first_slot;    // of places of sums
    int first_weight;  // [n_functions, n_products]
    int first_slope;   // [n_functions, n_slots]
};

template <typename T>
struct Element {
    const T* radial;  // [n_elements, l_max + 1, n_max, n_radial]
    const Group* groups;
    const Factor<T>* factors;  // by product
    const int* slots;
    const T* weights;
    const unsigned char* used;  // whether a function has a sum among its factors
    int n_groups, n_functions, n_slopes;
    Index first_row;  // of its functions among all
};

// Sums of an element of neighbours: of n_radial functions for l = 0, then of n_max by l and m.
struct Sizes {
    int n_elements, n_radial, n_max, l_max;

    int of_element() const { return n_radial + n_max * (l_max + 1) * (l_max + 1); }
};

// A density rho of atoms that energies depend on in another way than linearly, for rows of
// dE/dc_f = E' B_f; all null where energies are the sum of the functions.
template <typename T>
struct Density {
    const T *slopes, *bends;  // [n_atoms], E' and E''
    const T* coefficients;    // [n_functions of all elements], of rho
};

// A frame, whose atoms and pairs are those of the whole batch from `begin` to `end`.
template <typename T>
struct Task {
    Sizes sizes;
    const Element<T>* elements;
    spherical::Part part;
    const spherical::Radial<T>* radials;  // [n_elements, n_elements]
    Index begin, end, frame;
    const T* vectors;
    const Index *first, *neighbors, *species;
    Density<T> density;
    T *energies, *forces, *virials;  // [n_functions, .], transposed; the last two may be null
    Index n_frames, n_atoms;         // of the batch
};

template <typename T>
struct Kernel {
    void (*frame)(const Task<T>&, T* scratch);
    Index (*scratch_size)(const Task<T>&);  // numbers, aligned
};

#define AMPTORCH_ACE_ROWS_KERNELS(isa)         \
    namespace isa {                            \
    extern const Kernel<double> double_kernel; \
    extern const Kernel<float> float_kernel;   \
    }
AMPTORCH_ACE_ROWS_KERNELS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_ACE_ROWS_KERNELS(avx2)
#endif
#ifdef AMPTORCH_HAS_AVX512
AMPTORCH_ACE_ROWS_KERNELS(avx512)
#endif
#undef AMPTORCH_ACE_ROWS_KERNELS

}  // namespace amptorch::ace_rows
