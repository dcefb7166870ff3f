// What is shared between the binding and the kernels of every instruction set (equations:
// kernels/ace.py). Plain data only: the kernels are compiled several times, so nothing inline may
// live here.
#pragma once

#include <cstdint>

#include "instruction_sets.h"

namespace amptorch::ace {

using Index = std::int64_t;

// Of the densities and their harmonics, before and after contraction.
struct Sizes {
    int n_elements, n_radial, harmonics;  // of an element of neighbours, as features
    int n_max, l_max;                     // after contraction
};

// What atoms of one element have of their own.
template <typename T>
struct Element {
    const T* radial;           // [n_elements, l_max + 1, n_max, n_radial]
    const int* nodes;          // [n_nodes, 2], the two that each is the product of
    const int* terms;          // [n_terms, 2], likewise
    const T* coefficients;     // [n_terms, n_densities], of the real part
    const double* prefactors;  // [n_densities]
    const double* exponents;   // [n_densities]
    int n_nodes, n_terms, n_densities;
    bool shifted;
    double core_cutoff, core_width;
};

// One call for atoms of one element; `gradient` may be null. The last four are those of derivatives
// in parameters.
template <typename T>
struct Task {
    Sizes sizes;
    Element<T> element;
    bool zbl;
    int n_features;
    const Index* atoms;
    const T* features;  // [., n_features], the last two of the core repulsion
    T* energies;
    T* gradient;        // [., n_features]
    const T* weights;   // of energies
    const T* changes;   // [., n_features], weights of slopes
    T* of_coefficients;  // as in Element
    T* of_radial;        // likewise, as many numbers for each as there are lanes
};

template <typename T>
struct Kernel {
    // Works on `number` atoms from place `begin` on, at most `width`.
    void (*run)(const Task<T>&, Index begin, int number, T* scratch);
    // Of these atoms alone the real parts of all terms, into rows [., n_terms] by place.
    void (*terms)(const Task<T>&, Index begin, int number, T* scratch, T* rows);
    // Adds the derivatives of weights times energies plus changes times slopes.
    void (*differentiate)(const Task<T>&, Index begin, int number, T* scratch);
    // Numbers of scratch memory, which is aligned, of the first two and of the last.
    Index (*scratch_size)(const Task<T>&);
    Index (*differentiation_size)(const Task<T>&);
    int width;
};

#define AMPTORCH_ACE_KERNELS(isa)              \
    namespace isa {                            \
    extern const Kernel<double> double_kernel; \
    extern const Kernel<float> float_kernel;   \
    }
AMPTORCH_ACE_KERNELS(baseline)
#ifdef AMPTORCH_HAS_AVX2
AMPTORCH_ACE_KERNELS(avx2)
#endif
#ifdef AMPTORCH_HAS_AVX512
AMPTORCH_ACE_KERNELS(avx512)
#endif
#undef AMPTORCH_ACE_KERNELS

}  // namespace amptorch::ace
