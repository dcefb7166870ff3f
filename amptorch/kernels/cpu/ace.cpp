// Binding of the cluster products: tables, and threads over blocks of atoms.
#include "ace.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "aligned.h"
#include "arrays.h"
#include "dispatch.h"

namespace amptorch {
namespace ace {
namespace {

template <typename T>
const Kernel<T>& kernel() {
    return AMPTORCH_KERNEL(T, Kernel, double_kernel, float_kernel);
}

template <typename T>
using Matrix = Array<T, -1, -1>;
using Indices = Array<const Index, -1>;
using Numbers = Array<const double, -1>;
using Pairs = Array<const int, -1, 2>;

template <typename Values>
auto copied(const Values& values) {
    return std::vector<std::remove_const_t<std::remove_reference_t<decltype(*values.data())>>>(
        values.data(), values.data() + values.size());
}

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
    Products(int n_elements, int n_radial, int harmonics, int n_max, int l_max, bool zbl)
        : sizes_{n_elements, n_radial, harmonics, n_max, l_max}, zbl_(zbl) {}

    void add(Array<const T, -1, -1, -1, -1> radial, Pairs nodes, Pairs terms,
             Matrix<const T> coefficients, Numbers prefactors, Numbers exponents, bool shifted,
             double core_cutoff, double core_width) {
        tables_.push_back({copied(radial), copied(coefficients), copied(nodes), copied(terms),
                           copied(prefactors), copied(exponents), shifted, core_cutoff, core_width});
    }

    void run(Matrix<const T> features, Indices species, Array<T, -1> energies, Matrix<T> gradient,
             int threads) const {
        const nb::gil_scoped_release release;
        Task<T> task{};
        task.sizes = sizes_;
        task.zbl = zbl_;
        task.n_features = static_cast<int>(features.shape(1));
        task.features = features.data();
        task.energies = energies.data();
        task.gradient = gradient.shape(0) ? gradient.data() : nullptr;
        for (std::size_t element = 0; element < tables_.size(); ++element) {
            std::vector<Index> atoms;
            for (Index atom = 0; atom < Index(species.shape(0)); ++atom) {
                if (species.data()[atom] == Index(element)) atoms.push_back(atom);
            }
            task.atoms = atoms.data();
            task.element = tables_[element].element();
            run(task, static_cast<Index>(atoms.size()), threads);
        }
    }

private:
    static void run(const Task<T>& task, Index n_atoms, int threads) {
        const Kernel<T>& compiled = kernel<T>();
        const Index width = compiled.width, n_blocks = (n_atoms + width - 1) / width;
        const Index size = compiled.scratch_size(task);
#pragma omp parallel num_threads(static_cast<int>(std::max<Index>(1, std::min<Index>(threads, n_blocks))))
        {
            const Aligned<T> scratch(size);
#pragma omp for schedule(dynamic, 1)
            for (Index block = 0; block < n_blocks; ++block) {
                const Index begin = block * width;
                const int number = static_cast<int>(std::min(width, n_atoms - begin));
                compiled.run(task, begin, number, scratch.data());
            }
        }
    }

    Sizes sizes_;
    bool zbl_;
    std::deque<Tables<T>> tables_;
};

template <typename T>
void bind(nb::module_& module, const char* name) {
    const auto strict = nb::arg().noconvert();
    nb::class_<Products<T>>(module, name)
        .def(nb::init<int, int, int, int, int, bool>())
        .def("add", &Products<T>::add, strict, strict, strict, strict, strict, strict, nb::arg(),
             nb::arg(), nb::arg())
        .def("run",
             static_cast<void (Products<T>::*)(Matrix<const T>, Indices, Array<T, -1>, Matrix<T>,
                                               int) const>(&Products<T>::run),
             strict, strict, strict, strict, nb::arg());
}

}  // namespace
}  // namespace ace

void bind_ace(nanobind::module_& module) {
    ace::bind<double>(module, "ClusterProducts64");
    ace::bind<float>(module, "ClusterProducts32");
}

}  // namespace amptorch
