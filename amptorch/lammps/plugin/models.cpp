#include "models.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace amptorch::plugin {
namespace {

class Networks : public Model {
public:
    explicit Networks(const Entries& entries)
        : model_(networks_of(entries)), evaluator_(model_) {}

    void evaluate(Index n, const Index* species, const double* features, double* energies,
                  double* slopes) override {
        const Index n_features = model_.widths[0];
        for (Index begin = 0; begin < n; begin += networks::tile_atoms) {
            const auto of = [&](Index k) { return species[begin + k]; };
            evaluator_.run(std::min(networks::tile_atoms, n - begin), of,
                           features + begin * n_features, true, energies + begin,
                           slopes + begin * n_features);
        }
    }

private:
    const networks::Model<double> model_;
    networks::Evaluator<double> evaluator_;
};

// E = c_0 + sum_k c_k G_k and, if quadratic, + sum_k c_kk G_k^2 / 2 + sum_(k<l) c_kl G_k G_l; equations
// and order of the coefficients: potentials/linear/model.py.
template <bool quadratic>
class Polynomial : public Model {
public:
    explicit Polynomial(const Entries& entries)
        : coefficients_(entries.numbers("model.coefficients")),
          n_features_(entries.integer("model.n_features")),
          n_terms_(1 + n_features_ + (quadratic ? n_features_ * (n_features_ + 1) / 2 : 0)) {}

    void evaluate(Index n, const Index* species, const double* features, double* energies,
                  double* slopes) override {
        for (Index k = 0; k < n; ++k) {
            energies[k] = of_atom(coefficients_.data() + species[k] * n_terms_,
                                  features + k * n_features_, slopes + k * n_features_);
        }
    }

private:
    double of_atom(const double* c, const double* G, double* slope) const {
        double energy = *c++;
        std::copy_n(c, n_features_, slope);
        for (Index k = 0; k < n_features_; ++k) energy += *c++ * G[k];
        if (!quadratic) return energy;
        for (Index k = 0; k < n_features_; ++k) {
            double own = *c++ * G[k];
            energy += 0.5 * own * G[k];
            for (Index l = k + 1; l < n_features_; ++l, ++c) {
                own += *c * G[l];
                slope[l] += *c * G[k];
                energy += *c * G[k] * G[l];
            }
            slope[k] += own;
        }
        return energy;
    }

    const std::vector<double> coefficients_;  // [n_species, n_terms]
    const Index n_features_, n_terms_;
};

template <typename Kind>
std::unique_ptr<Model> make(const Entries& entries) {
    return std::make_unique<Kind>(entries);
}

using Maker = std::unique_ptr<Model> (*)(const Entries&);

// By what a file calls "model".
const std::map<std::string, Maker> makers{
    {"networks", make<Networks>},
    {"linear", make<Polynomial<false>>},
    {"quadratic", make<Polynomial<true>>},
};

}  // namespace

networks::Model<double> networks_of(const Entries& entries) {
    return {networks::kernel<double>(entries.word("model.activation")),
            static_cast<int>(entries.words("elements").size()),
            entries.numbers("model.shares"),
            entries.numbers("model.constants"),
            entries.numbers("model.parameters"),
            entries.integers("model.widths")};
}

std::unique_ptr<Model> make_model(const Entries& entries) {
    const std::string& name = entries.word("model");
    const auto maker = makers.find(name);
    if (maker == makers.end()) {
        throw std::runtime_error("this plugin knows no model " + name +
                                 ": build it with the amptorch that wrote the file");
    }
    return maker->second(entries);
}

}  // namespace amptorch::plugin
