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

template <typename T>
const Kernel<T>& kernel() {
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
        std::vector<Index> atoms;
        for (std::size_t element = 0; element < tables_.size(); ++element) {
            atoms.clear();
            for (Index atom = 0; atom < n_atoms; ++atom) {
                if (species[atom] == Index(element)) atoms.push_back(atom);
            }
            in_blocks(task, element, atoms, threads, [&](const Kernel<T>& kernel, auto... block) {
                kernel.run(block...);
            });
        }
    }

    // Real parts [atoms, n_terms] of the terms of some atoms of an element.
    void terms(const T* features, int n_features, std::size_t element,
               const std::vector<Index>& atoms, T* rows, int threads) const {
        in_blocks(task_of(features, n_features), element, atoms, threads,
                  [&](const Kernel<T>& kernel, auto... block) { kernel.terms(block..., rows); });
    }

private:
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
        const Kernel<T>& compiled = kernel<T>();
        const auto n_atoms = static_cast<Index>(atoms.size());
        const Index width = compiled.width, n_blocks = (n_atoms + width - 1) / width;
        const Index size = compiled.scratch_size(task);
        threads = static_cast<int>(std::max<Index>(1, std::min<Index>(threads, n_blocks)));
#pragma omp parallel num_threads(threads)
        {
            const Aligned<T> scratch(size);
#pragma omp for schedule(dynamic, 1)
            for (Index block = 0; block < n_blocks; ++block) {
                const Index begin = block * width;
                const int number = static_cast<int>(std::min(width, n_atoms - begin));
                each(compiled, task, begin, number, scratch.data());
            }
        }
    }

    Sizes sizes_;
    bool zbl_;
    std::vector<Tables<T>> tables_;
};

}  // namespace amptorch::ace
