// Potentials of the atomic cluster expansion, by the kernels of the package.
#include <algorithm>
#include <string>
#include <vector>

#include "ace_grades.h"
#include "ace_run.h"
#include "core_repulsion.h"
#include "energy_scale.h"
#include "potential.h"
#include "spherical_expansion_run.h"

namespace amptorch::plugin {
namespace {

// Processes share the work.
constexpr int threads = 1;

int integer(const Entries& entries, const std::string& name) {
    return static_cast<int>(entries.integer("ace." + name));
}

std::vector<int> places(const Entries& entries, const std::string& name) {
    const auto& from = entries.integers(name);
    return {from.begin(), from.end()};
}

ace::Tables<double> tables_of(const Entries& entries, const std::string& element) {
    const std::string own = "ace." + element + ".";
    const auto& core = entries.numbers(own + "core");
    return {entries.numbers(own + "radial"),     entries.numbers(own + "coefficients"),
            places(entries, own + "nodes"),      places(entries, own + "terms"),
            entries.numbers(own + "prefactors"), entries.numbers(own + "exponents"),
            entries.integer(own + "shifted") != 0, core.at(0), core.at(1)};
}

spherical::Tables<double> expansion_of(const Entries& entries) {
    const auto n_species = static_cast<int>(entries.words("elements").size());
    const auto &parts = entries.integers("ace.parts"), &kinds = entries.integers("ace.kinds");
    const auto& values = entries.numbers("ace.values");
    return {parts.data(), static_cast<int>(parts.size()) / 3, kinds.data(), values.data(),
            static_cast<int>(values.size() / kinds.size()), n_species};
}

class Ace : public Potential {
public:
    explicit Ace(const Entries& entries)
        : energy_(entries), constants_(entries.numbers("ace.constants")),
          expansion_(expansion_of(entries)), core_(entries),
          products_({static_cast<int>(entries.words("elements").size()), integer(entries, "n_radial"),
                     integer(entries, "harmonics"), integer(entries, "n_max"),
                     integer(entries, "l_max")},
                    core_.is_zbl()),
          width_(integer(entries, "n_features")) {
        for (const std::string& each : entries.words("elements")) {
            products_.add(tables_of(entries, each));
            grades_.emplace_back(entries, each);
        }
    }

    Index evaluate(const Environment<double>& atoms, double* energies,
                   double* gradients) override {
        const Index n = atoms.n_atoms;
        features_.resize(n * width_);
        slopes_.resize(n * width_);
        spherical::Task<double> task{};
        task.stride = width_;
        task.features = features_.data();
        spherical::run(expansion_, atoms, threads, spherical::Operation::forward, task);
        core_.forward(atoms, features_.data(), width_);
        products_.run(features_.data(), static_cast<int>(width_), atoms.species, n, energies,
                      slopes_.data(), threads);
        for (Index i = 0; i < n; ++i) energies[i] += constants_[atoms.species[i]];
        task.gradient = slopes_.data();
        task.pulled = gradients;
        spherical::run(expansion_, atoms, threads, spherical::Operation::vjp, task);
        core_.add_pulled(atoms, slopes_.data(), width_, gradients);
        energy_.apply(atoms, energies, gradients);
        return 0;
    }

    bool has_grades() const override {
        return std::any_of(grades_.begin(), grades_.end(), [](auto& each) { return each.known(); });
    }

    void grades(const Environment<double>& atoms, double* grades) override {
        std::vector<Index> own;
        for (std::size_t element = 0; element < grades_.size(); ++element) {
            own.clear();
            for (Index i = 0; i < atoms.n_atoms; ++i) {
                if (atoms.species[i] == Index(element)) own.push_back(i);
            }
            const Index n_terms = products_.n_terms(element);
            terms_.resize(own.size() * n_terms);
            products_.terms(features_.data(), static_cast<int>(width_), element, own, terms_.data(),
                            threads);
            grades_[element].evaluate(own, terms_.data(), n_terms, grades);
        }
    }

private:
    const EnergyScale energy_;
    const std::vector<double> constants_;  // [n_species]
    const spherical::Tables<double> expansion_;
    CoreRepulsion core_;
    ace::Products<double> products_;
    const Index width_;  // features of an atom, with the two of the core
    std::vector<Grades> grades_;  // of elements
    std::vector<double> features_, slopes_, terms_;
};

}  // namespace

std::unique_ptr<Potential> make_ace(const Entries& entries) {
    return std::make_unique<Ace>(entries);
}

}  // namespace amptorch::plugin
