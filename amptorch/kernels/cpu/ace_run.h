// The products of all elements, by threads over blocks of atoms. Without Python, and not for kernels,
// see dispatch.h.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "ace.h"
#include "aligned.h"
#include "dispatch.h"

namespace amptorch::ace {

// The kernel for so many atoms of an element: vectors as long as the machine has where atoms fill more
// than half of one.
template <typename T>
const Kernel<T>& kernel([[maybe_unused]] std::size_t n_atoms) {
#ifdef AMPTORCH_HAS_AVX512
    const Kernel<T>& wide = AMPTORCH_OF_TYPE(T, Kernel, avx512::double_kernel, avx512::float_kernel);
    if (uses_avx512() && n_atoms > std::size_t(wide.width / 2)) return wide;
#endif
    return AMPTORCH_KERNEL(T, Kernel, double_kernel, float_kernel);
}

// The memory behind an Element.
template <typename T>
struct Tables {
    std::vector<T> radial, coefficients;
    std::vector<int> nodes, terms;
    std::vector<double> prefactors, exponents;
    bool shifted;
    double core_cutoff, core_width;

    Element<T> element() const {
        return {radial.data(), nodes.data(), terms.data(), coefficients.data(), prefactors.data(),
                exponents.data(), static_cast<int>(nodes.size() / 2),
                static_cast<int>(terms.size() / 2), static_cast<int>(exponents.size()), shifted,
                core_cutoff, core_width};
    }
};

template <typename T>
class Products {
public:
    Products(const Sizes& sizes, bool zbl) : sizes_(sizes), zbl_(zbl) {}

    // The next element.
    void add(Tables<T> tables) { tables_.push_back(std::move(tables)); }

    int n_terms(std::size_t element) const { return tables_[element].element().n_terms; }

    // Energies [n_atoms] and, unless null, the gradient [n_atoms, n_features] of features of atoms of
    // species [n_atoms].
    void run(const T* features, int n_features, const Index* species, Index n_atoms, T* energies,
             T* gradient, int threads) const {
        Task<T> task = task_of(features, n_features);
        task.energies = energies;
        task.gradient = gradient;
        for (std::size_t element = 0; element < tables_.size(); ++element) {
            const std::vector<Index> atoms = atoms_of(element, species, n_atoms);
            in_blocks(task, element, atoms, threads, [&](const Kernel<T>& kernel, auto... block) {
                kernel.run(block...);
            });
        }
    }

    static std::vector<Index> atoms_of(std::size_t element, const Index* species, Index n_atoms) {
        std::vector<Index> atoms;
        for (Index atom = 0; atom < n_atoms; ++atom) {
            if (species[atom] == Index(element)) atoms.push_back(atom);
        }
        return atoms;
    }

    // Real parts [atoms, n_terms] of the terms of some atoms of an element.
    void terms(const T* features, int n_features, std::size_t element,
               const std::vector<Index>& atoms, T* rows, int threads) const {
        in_blocks(task_of(features, n_features), element, atoms, threads,
                  [&](const Kernel<T>& kernel, auto... block) { kernel.terms(block..., rows); });
    }

    // Adds the derivatives of weights times energies plus changes times slopes in the coefficients and
    // radial coefficients of an element. Sums are of the same atoms in the same order every time.
    void differentiate(const T* features, int n_features, std::size_t element,
                       const std::vector<Index>& atoms, const T* weights, const T* changes,
                       T* coefficients, T* radial, int threads) const {
        Task<T> task = task_of(features, n_features);
        task.weights = weights;
        task.changes = changes;
        task.atoms = atoms.data();
        task.element = tables_[element].element();
        const Kernel<T>& compiled = kernel<T>(atoms.size());
        const auto n = static_cast<Index>(tables_[element].coefficients.size());
        const auto n_radial = static_cast<Index>(tables_[element].radial.size());
        const Index size = n + n_radial * compiled.width;
        std::vector<Aligned<T>> sums;
        for (int thread = 0; thread < std::max(threads, 1); ++thread) {
            sums.emplace_back(size);
            std::fill_n(sums.back().data(), size, T(0));
        }
        in_parts(threads, compiled.width, compiled.differentiation_size(task), atoms.size(),
                 [&](int thread, Index begin, int number, T* scratch) {
            Task<T> own = task;
            own.of_radial = sums[thread].data();
            own.of_coefficients = own.of_radial + n_radial * compiled.width;
            compiled.differentiate(own, begin, number, scratch);
        });
        for (const Aligned<T>& each : sums) {
            add_lanes(each.data(), n_radial, compiled.width, radial);
            add_lanes(each.data() + n_radial * compiled.width, n, 1, coefficients);
        }
    }

private:
    static void add_lanes(const T* from, Index n, int width, T* to) {
        for (Index i = 0; i < n; ++i) {
            for (int lane = 0; lane < width; ++lane) to[i] += from[i * width + lane];
        }
    }

    Task<T> task_of(const T* features, int n_features) const {
        Task<T> task{};
        task.sizes = sizes_;
        task.zbl = zbl_;
        task.n_features = n_features;
        task.features = features;
        return task;
    }

    // Calls each(kernel, task, begin, number, scratch) for blocks of atoms.
    template <typename Each>
    void in_blocks(Task<T> task, std::size_t element, const std::vector<Index>& atoms, int threads,
                   const Each& each) const {
        task.atoms = atoms.data();
        task.element = tables_[element].element();
        const Kernel<T>& compiled = kernel<T>(atoms.size());
        in_parts(threads, compiled.width, compiled.scratch_size(task), atoms.size(),
                 [&](int, Index begin, int number, T* scratch) {
            each(compiled, task, begin, number, scratch);
        });
    }

    // Calls each(thread, begin, number, scratch) for blocks of atoms, in turn.
    template <typename Each>
    static void in_parts(int threads, Index width, Index size, Index n_atoms, const Each& each) {
        const Index n_blocks = (n_atoms + width - 1) / width;
        const auto most = static_cast<int>(std::max<Index>(1, std::min<Index>(threads, n_blocks)));
#pragma omp parallel for schedule(static, 1) num_threads(most)
        for (int part = 0; part < most; ++part) {
            const Aligned<T> scratch(size);
            for (Index block = part; block < n_blocks; block += most) {
                const Index begin = block * width;
                each(part, begin, static_cast<int>(std::min(width, n_atoms - begin)), scratch.data());
            }
        }
    }

    Sizes sizes_;
    bool zbl_;
    std::vector<Tables<T>> tables_;
};

}  // namespace amptorch::ace
