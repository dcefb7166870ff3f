#include "fingerprints.h"

#include <map>
#include <stdexcept>
#include <string>

#include "bispectrum_run.h"
#include "gmp_run.h"

namespace amptorch::plugin {
namespace {

// Threads of an operation: processes share the work.
constexpr int threads = 1;

int integer(const Entries& entries, const char* name) {
    return static_cast<int>(entries.integer(std::string("descriptor.") + name));
}

bool flag(const Entries& entries, const char* name) { return integer(entries, name) != 0; }

double number(const Entries& entries, const char* name) {
    return entries.number(std::string("descriptor.") + name);
}

const double* numbers(const Entries& entries, const char* name) {
    return entries.numbers(std::string("descriptor.") + name).data();
}

const Index* integers(const Entries& entries, const char* name) {
    return entries.integers(std::string("descriptor.") + name).data();
}

// Parameters point into entries, which are kept.
template <typename Kernel>
class Of : public Descriptor {
public:
    explicit Of(const Entries& entries) : entries_(entries), kernel_(entries_) {}

    void forward(const Environment<double>& atoms, double* features) const override {
        typename Kernel::Task task{};
        task.features = features;
        kernel_.run(atoms, Kernel::Operation::forward, task);
    }

    void vjp(const Environment<double>& atoms, const double* slopes,
             double* gradients) const override {
        typename Kernel::Task task{};
        task.gradient = slopes;
        task.pulled = gradients;
        kernel_.run(atoms, Kernel::Operation::vjp, task);
    }

private:
    const Entries entries_;
    const Kernel kernel_;
};

struct Symmetry {
    using Task = symmetry::Task<double>;
    using Operation = symmetry::Operation;

    explicit Symmetry(const Entries& entries) : of(entries) {}

    void run(const Environment<double>& atoms, Operation operation, const Task& task) const {
        symmetry::run(of.plan, of.functions, atoms, threads, operation, task);
    }

    SymmetryFunctions of;
};

struct Multipoles {
    using Task = gmp::Task<double>;
    using Operation = gmp::Operation;

    explicit Multipoles(const Entries& entries)
        : plan(gmp::make_plan(parameters_of(entries))), tables(plan) {}

    static gmp::Parameters parameters_of(const Entries& entries) {
        const int n_species = integer(entries, "n_species");
        const auto n_densities = entries.numbers("descriptor.densities").size();
        return {integers(entries, "orders"), integers(entries, "groups"),
                numbers(entries, "sigmas"), numbers(entries, "prefactors"),
                numbers(entries, "inverse_rs"), numbers(entries, "densities"),
                integer(entries, "n_features"), n_species,
                static_cast<int>(n_densities) / (2 * n_species), flag(entries, "solid"),
                flag(entries, "square")};
    }

    void run(const Environment<double>& atoms, Operation operation, const Task& task) const {
        gmp::run(plan, tables, atoms, threads, operation, task);
    }

    gmp::Plan plan;
    gmp::PlanTables<double> tables;
};

struct Bispectrum {
    using Task = bispectrum::Task<double>;
    using Operation = bispectrum::Operation;

    explicit Bispectrum(const Entries& entries)
        : parameters{numbers(entries, "couplings"), numbers(entries, "pairs"),
                     numbers(entries, "weights"), integer(entries, "twojmax"),
                     number(entries, "rfac0"), number(entries, "rmin0"), flag(entries, "switch"),
                     flag(entries, "zero"), flag(entries, "normalize"), flag(entries, "chemical"),
                     flag(entries, "self_all"), integer(entries, "n_species"),
                     integer(entries, "n_features")},
          plan(parameters, nullptr, 0) {}

    void run(const Environment<double>& atoms, Operation operation, const Task& task) const {
        bispectrum::run(plan, parameters, atoms, threads, operation, task);
    }

    bispectrum::Parameters parameters;
    bispectrum::Plan<double> plan;
};

template <typename Kernel>
std::unique_ptr<Descriptor> make(const Entries& entries) {
    return std::make_unique<Of<Kernel>>(entries);
}

using Maker = std::unique_ptr<Descriptor> (*)(const Entries&);

// By what a file calls "descriptor": stems of kernels.
const std::map<std::string, Maker> makers{
    {"symmetry_functions", make<Symmetry>},
    {"gmp", make<Multipoles>},
    {"bispectrum", make<Bispectrum>},
};

}  // namespace

SymmetryFunctions::SymmetryFunctions(const Entries& entries)
    : plan({integers(entries, "kinds"), numbers(entries, "values"), nullptr,
            static_cast<Index>(entries.integers("descriptor.kinds").size()) / 5,
            integer(entries, "n_species"), 0}),
      functions{{number(entries, "gamma"), integer(entries, "cutoff_type"),
                 number(entries, "alpha")},
                integer(entries, "n_species"),
                integer(entries, "n_features")} {}

std::unique_ptr<Descriptor> make_descriptor(const Entries& entries) {
    const std::string& name = entries.word("descriptor");
    const auto maker = makers.find(name);
    if (maker == makers.end()) {
        throw std::runtime_error("this plugin knows no descriptor " + name +
                                 ": build it with the amptorch that wrote the file");
    }
    return maker->second(entries);
}

}  // namespace amptorch::plugin
