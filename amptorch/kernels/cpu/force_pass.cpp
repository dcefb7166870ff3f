// Energies of atoms and gradients of their pairs in one pass: symmetry functions, scaling, networks,
// and back. See kernels/force_pass.py.
#include <nanobind/stl/string.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "arrays.h"
#include "operations.h"
#include "networks_tiles.h"
#include "symmetry_functions_plan.h"
#include "symmetry_functions_workspace.h"

namespace amptorch {
namespace {

using symmetry::Index;
using Indices = Array<const Index, -1>;

// Bytes that a thread has for what is kept between the two halves of a tile, unless one centre needs
// more. They are for all triples; those within the cutoff are half. Less would cost whole tiles of
// networks for few atoms, more would not stay in the second cache.
constexpr Index budget = Index{4} << 20;

template <typename T>
using Matrix = Array<T, -1, -1>;

template <typename T>
std::vector<T> copied(const T* from, std::size_t size) {
    return std::vector<T>(from, from + size);
}

// What does not change from call to call.
template <typename T>
struct Model {
    symmetry::Plan plan;
    symmetry::CutoffFunction cutoff_function;
    int n_species, n_features;
    std::vector<T> factors, shifts;  // [n_species, n_features], of the features
    std::vector<T> low, high;        // [n_species, n_features], the range seen in training
    std::vector<T> shares;           // [n_species, n_networks]
    const networks::Kernel<T>& run;
    std::vector<T> constants, parameters;  // of the activation, of the networks
    std::vector<Index> widths;

    networks::Networks<T> nets() const {
        const Index n_hidden = std::accumulate(widths.begin() + 1, widths.end() - 1, Index{0});
        const Index n_networks = static_cast<Index>(shares.size()) / n_species;
        return {parameters.data(), constants.data(), widths.data(), n_networks,
                static_cast<Index>(parameters.size()) / n_networks,
                static_cast<int>(widths.size()) - 1, n_hidden, n_hidden * (run.kept + 2)};
    }

    // Whether the atoms of every element have a share of one network at most.
    bool one_network() const {
        const std::size_t n = shares.size() / n_species;
        for (std::size_t begin = 0; begin < shares.size(); begin += n) {
            const auto from = shares.begin() + begin;
            if (std::count(from, from + n, T(0)) < static_cast<std::ptrdiff_t>(n) - 1) return false;
        }
        return true;
    }
};

// One call.
template <typename T>
struct Call {
    symmetry::Task<T> task;  // `gradient` is what the networks write to `slopes`
    bool one_network, forces;
    const Index* order;      // [n_atoms], of those of one network together
    T *energies, *slopes;
    std::atomic<Index>* outside;  // atoms with a feature outside the range
};

// One thread, with the memory that it reuses.
template <typename T>
class Worker {
public:
    explicit Worker(const Model<T>& model)
        : model_(model), nets_(model.nets()), compiled_(symmetry::kernel<T>()),
          scratch_(networks::scratch_size(nets_)), inputs_(tile * model.n_features),
          shares_(tile * nets_.n_networks), outputs_(tile * nets_.n_networks),
          tape_(nets_.n_networks * nets_.tape_rows * tile), energies_(tile),
          slopes_(tile * model.n_features), numbers_(0) {}

    // Begins a call, with room for so many neighbours of an atom.
    void start(const Call<T>& call, Index most) {
        call_ = &call;
        if (most > most_) centers_.clear();
        most_ = std::max(most, most_);
        while (Index(centers_.size()) < std::min(tile, call.task.n_atoms)) {
            centers_.emplace_back(call.task, most_, compiled_.width, shared_);
        }
    }

    // Works on some atoms from place `begin` of the order on; returns where they end.
    Index run(Index begin, Index end) {
        atoms_ = call_->order + begin;
        const Index n = prepare(std::min(end - begin, tile));
        for (Index k = 0; k < n; ++k) features(k);
        evaluate(n);
        for (Index k = 0; k < n; ++k) write(k);
        return begin + n;
    }

private:
    static constexpr Index tile = networks::tile_atoms;

    // Finds memory for what is kept of atoms; returns of how many there is some, one at least.
    Index prepare(Index most) {
        symmetry::KeptSize total{}, sizes[tile];
        Index n = 0;
        for (; n < most; ++n) {
            const auto size = compiled_.prepare(call_->task, atoms_[n], centers_[n].scratch());
            if (n && (total.numbers + size.numbers) * Index(sizeof(T)) > budget) break;
            sizes[n] = size;
            total = {total.numbers + size.numbers, total.lanes + size.lanes,
                     total.counts + size.counts};
        }
        reserve(total);
        symmetry::Kept<T> next{numbers_.data(), lanes_.data(), counts_.data()};
        for (Index k = 0; k < n; ++k) {
            kept_[k] = next;
            next = {next.numbers + sizes[k].numbers, next.lanes + sizes[k].lanes,
                    next.counts + sizes[k].counts};
        }
        return n;
    }

    void reserve(const symmetry::KeptSize& size) {
        if (size.numbers > n_numbers_) {
            numbers_ = Aligned<T>(size.numbers);
            n_numbers_ = size.numbers;
        }
        if (size.lanes > Index(lanes_.size())) lanes_.resize(size.lanes);
        if (size.counts > Index(counts_.size())) counts_.resize(size.counts);
    }

    void features(Index k) {
        const Index atom = atoms_[k], n = model_.n_features, species = call_->task.species[atom];
        compiled_.features(call_->task, atom, centers_[k].scratch(), kept_[k]);
        const T *factor = model_.factors.data() + species * n, *from = call_->task.features + atom * n;
        const T* shift = model_.shifts.data() + species * n;
        const T *low = model_.low.data() + species * n, *high = model_.high.data() + species * n;
        bool outside = false;
        for (Index f = 0; f < n; ++f) {
            inputs_.data()[k * n + f] = factor[f] * from[f] + shift[f];
            outside |= from[f] < low[f] || from[f] > high[f];
        }
        if (outside) ++*call_->outside;
        std::memcpy(shares_.data() + k * nets_.n_networks,
                    model_.shares.data() + species * nets_.n_networks, sizeof(T) * nets_.n_networks);
    }

    void evaluate(Index n) {
        std::fill_n(energies_.data(), n, T(0));
        std::fill_n(slopes_.data(), call_->forces ? n * model_.n_features : 0, T(0));
        const networks::Tiles tiles =
            networks::tiles_of(shares_.data(), 0, n, nets_.n_networks, call_->one_network);
        for (const networks::Range& range : tiles.ranges) {
            const networks::Tile<T> some{range.end - range.begin, tiles.order.data() + range.begin,
                                         range.first, range.last, call_->forces, inputs_.data(),
                                         shares_.data(), outputs_.data(), tape_.data()};
            model_.run.forward(nets_, some, energies_.data(), slopes_.data(), scratch_.data());
        }
    }

    void write(Index k) {
        const Index atom = atoms_[k], n = model_.n_features;
        call_->energies[atom] = energies_.data()[k];
        if (!call_->forces) return;
        const T* factor = model_.factors.data() + call_->task.species[atom] * n;
        for (Index f = 0; f < n; ++f) {
            call_->slopes[atom * n + f] = factor[f] * slopes_.data()[k * n + f];
        }
        compiled_.pull(call_->task, atom, centers_[k].scratch(), kept_[k]);
    }

    const Model<T>& model_;
    const Call<T>* call_ = nullptr;
    Index most_ = -1;
    const networks::Networks<T> nets_;
    const symmetry::Kernel<T>& compiled_;
    symmetry::Shared<T> shared_;
    std::deque<symmetry::Workspace<T>> centers_;
    symmetry::Kept<T> kept_[tile];
    Aligned<T> scratch_, inputs_, shares_, outputs_, tape_, energies_, slopes_, numbers_;
    Index n_numbers_ = 0;
    const Index* atoms_ = nullptr;
    std::vector<std::uint8_t> lanes_;
    std::vector<int> counts_;
};

template <typename T>
class ForcePass {
public:
    ForcePass(Array<const Index, -1, 5> kinds, Array<const double, -1, 6> values, double gamma,
              int n_species, int n_features, int cutoff_type, double alpha, Matrix<const T> factors, Matrix<const T> shifts,
              Matrix<const T> low, Matrix<const T> high, Matrix<const T> shares, const std::string& activation, Array<const T, -1> constants,
              Array<const T, -1> parameters, Indices widths)
        : model_{symmetry::Plan({kinds.data(), values.data(), nullptr,
                                 static_cast<Index>(kinds.shape(0)), n_species, 0}),
                 {gamma, cutoff_type, alpha},
                 n_species,
                 n_features,
                 copied(factors.data(), factors.size()),
                 copied(shifts.data(), shifts.size()),
                 copied(low.data(), low.size()),
                 copied(high.data(), high.size()),
                 copied(shares.data(), shares.size()),
                 networks::kernel<T>(activation),
                 copied(constants.data(), constants.size()),
                 copied(parameters.data(), parameters.size()),
                 copied(widths.data(), widths.size())} {}

    // Returns how many atoms have a feature outside the range.
    Index run(Array<const T, -1, 3> vectors, Indices first, Indices neighbors, Indices species,
             Matrix<T> features, Array<T, -1> energies, Matrix<T> slopes, Array<T, -1, 3> pulled,
             int threads) const {
        const nb::gil_scoped_release release;
        const auto n_atoms = static_cast<Index>(energies.shape(0));
        const std::vector<Index> order = order_of(species.data(), n_atoms);
        std::atomic<Index> outside{0};
        Call<T> call{{}, model_.one_network(), slopes.shape(0) > 0, order.data(), energies.data(),
                     slopes.data(), &outside};
        symmetry::Task<T>& task = call.task;
        task.plans = model_.plan.centers();
        task.max_channels = model_.plan.max_channels();
        task.cutoff_function = model_.cutoff_function;
        task.n_species = model_.n_species;
        task.n_features = model_.n_features;
        task.n_atoms = n_atoms;
        task.vectors = vectors.data();
        task.first = first.data();
        task.neighbors = neighbors.data();
        task.species = species.data();
        task.features = features.data();
        task.gradient = slopes.data();
        task.pulled = pulled.data();
        run(call, threads);
        return outside;
    }

private:
    // Atoms of an element together, so that a tile has few networks.
    std::vector<Index> order_of(const Index* species, Index n_atoms) const {
        std::vector<Index> order;
        order.reserve(n_atoms);
        for (Index element = 0; element < model_.n_species; ++element) {
            for (Index atom = 0; atom < n_atoms; ++atom) {
                if (species[atom] == element) order.push_back(atom);
            }
        }
        return order;
    }

    void run(const Call<T>& call, int threads) const {
        const Index n_atoms = call.task.n_atoms, most = most_neighbors(call.task.first, n_atoms);
        // Blocks small enough to keep all threads busy to the end.
        const Index block = std::clamp<Index>(n_atoms / (4 * threads), 8, networks::tile_atoms);
        // A call beside another one has memory of its own.
        const std::unique_lock<std::mutex> kept(mutex_, std::try_to_lock);
        std::vector<std::unique_ptr<Worker<T>>> own;
        auto& workers = kept ? workers_ : own;
        while (Index(workers.size()) < threads) {
            workers.push_back(std::make_unique<Worker<T>>(model_));
        }
        std::atomic<Index> next{0};
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int thread = 0; thread < threads; ++thread) {
            Worker<T>& worker = *workers[thread];
            worker.start(call, most);
            for (Index begin; (begin = next.fetch_add(block)) < n_atoms;) {
                const Index end = std::min(n_atoms, begin + block);
                while (begin < end) begin = worker.run(begin, end);
            }
        }
    }

    mutable std::mutex mutex_;
    mutable std::vector<std::unique_ptr<Worker<T>>> workers_;
    Model<T> model_;
};

template <typename T>
void bind(nb::module_& module, const char* name) {
    using Table = Matrix<const T>;
    const auto strict = nb::arg().noconvert();
    nb::class_<ForcePass<T>>(module, name)
        .def(nb::init<Array<const Index, -1, 5>, Array<const double, -1, 6>, double, int, int, int,
                      double, Table,
                      Table, Table, Table, Table, std::string, Array<const T, -1>, Array<const T, -1>, Indices>(),
             strict, strict, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), strict, strict, strict,
             strict, strict,
             nb::arg(), strict, strict, strict)
        .def("run", static_cast<Index (ForcePass<T>::*)(
                        Array<const T, -1, 3>, Indices, Indices, Indices, Matrix<T>, Array<T, -1>,
                        Matrix<T>, Array<T, -1, 3>, int) const>(&ForcePass<T>::run),
             strict, strict, strict, strict, strict, strict, strict, strict, nb::arg());
}

// Forces and virials of frames from the gradients of pairs, in the order of the pairs, whatever the
// number of threads.
template <typename T>
void sum_pairs(Array<const T, -1, 3> vectors, Indices first, Indices neighbors,
               Array<const T, -1, 3> gradients, Indices first_atoms, Array<double, -1, 3> forces,
               Array<double, -1, 3, 3> virials) {
    const nb::gil_scoped_release release;
    const T *r = vectors.data(), *g = gradients.data();
    for (std::size_t frame = 0; frame < virials.shape(0); ++frame) {
        double* virial = virials.data() + 9 * frame;
        for (Index i = first_atoms.data()[frame]; i < first_atoms.data()[frame + 1]; ++i) {
            double total[3] = {};
            for (Index pair = first.data()[i]; pair < first.data()[i + 1]; ++pair) {
                double* other = forces.data() + 3 * neighbors.data()[pair];
                for (int a = 0; a < 3; ++a) {
                    const double own = g[3 * pair + a];
                    total[a] += own;
                    other[a] -= own;
                    for (int b = 0; b < 3; ++b) virial[3 * b + a] += double(r[3 * pair + b]) * own;
                }
            }
            for (int a = 0; a < 3; ++a) forces.data()[3 * i + a] += total[a];
        }
    }
}

template <typename T>
void bind_sum(nb::module_& module) {
    const auto strict = nb::arg().noconvert();
    module.def("sum_pairs", sum_pairs<T>, strict, strict, strict, strict, strict, strict, strict);
}

}  // namespace

void bind_force_pass(nb::module_& module) {
    bind<double>(module, "ForcePass64");
    bind<float>(module, "ForcePass32");
    bind_sum<double>(module);
    bind_sum<float>(module);
}

}  // namespace amptorch
