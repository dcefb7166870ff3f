// Energies of atoms and gradients of their pairs in one pass: symmetry functions, scaling, networks,
// and back. See kernels/force_pass.py. Without Python, and not for kernels, see dispatch.h.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "environment.h"
#include "networks_model.h"
#include "scaling.h"
#include "symmetry_functions_plan.h"
#include "symmetry_functions_workspace.h"

namespace amptorch::force_pass {

// Atoms that go all the way together: full vectors of networks. What more of them keep drives out of the
// second cache what a force call has there beside it.
constexpr Index tile = 16;
static_assert(tile <= networks::tile_atoms);

// Bytes that a thread has for what is kept between the two halves of a tile, unless one centre needs
// more. They are for all triples; those within the cutoff are half. Less would cost whole tiles of
// networks for few atoms, more would not stay in the second cache.
constexpr Index budget = Index{4} << 20;

// What does not change from call to call.
template <typename T>
struct Model {
    symmetry::Plan plan;
    symmetry::CutoffFunction cutoff_function;
    Scaling<T> scaling;
    networks::Model<T> networks;

    int n_species() const { return networks.n_species; }
    int n_features() const { return scaling.n_features; }
};

// What is written: unscaled features, dE/dG and dE/dR of pairs, the two only if there are forces.
template <typename T>
struct Results {
    T* features;  // [n_atoms, n_features]
    T* energies;  // [n_atoms]
    T* slopes;    // [n_atoms, n_features]
    T* pulled;    // [n_pairs, 3]
    bool forces;
};

// One call.
template <typename T>
struct Call {
    symmetry::Task<T> task;  // `gradient` is what the networks write to `slopes`
    bool forces;
    const Index* order;      // [n_atoms], of those of one network together
    T *energies, *slopes;
    std::atomic<Index>* outside;  // atoms with a feature outside the range
};

// One thread, with the memory that it reuses.
template <typename T>
class Worker {
public:
    explicit Worker(const Model<T>& model)
        : model_(model), compiled_(symmetry::kernel<T>()), networks_(model.networks),
          inputs_(tile * model.n_features()), energies_(tile), slopes_(tile * model.n_features()),
          numbers_(0) {}

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

    Index species_of(Index k) const { return call_->task.species[atoms_[k]]; }

    void features(Index k) {
        const Index atom = atoms_[k], n = model_.n_features();
        compiled_.features(call_->task, atom, centers_[k].scratch(), kept_[k]);
        const T* from = call_->task.features + atom * n;
        if (model_.scaling.scale(species_of(k), from, inputs_.data() + k * n)) ++*call_->outside;
    }

    void evaluate(Index n) {
        const auto species = [this](Index k) { return species_of(k); };
        networks_.run(n, species, inputs_.data(), call_->forces, energies_.data(), slopes_.data());
    }

    void write(Index k) {
        const Index atom = atoms_[k], n = model_.n_features();
        call_->energies[atom] = energies_.data()[k];
        if (!call_->forces) return;
        model_.scaling.pull(species_of(k), slopes_.data() + k * n, call_->slopes + atom * n);
        compiled_.pull(call_->task, atom, centers_[k].scratch(), kept_[k]);
    }

    const Model<T>& model_;
    const Call<T>* call_ = nullptr;
    Index most_ = -1;
    const symmetry::Kernel<T>& compiled_;
    networks::Evaluator<T> networks_;
    symmetry::Shared<T> shared_;
    std::deque<symmetry::Workspace<T>> centers_;
    symmetry::Kept<T> kept_[tile];
    Aligned<T> inputs_, energies_, slopes_, numbers_;
    Index n_numbers_ = 0;
    const Index* atoms_ = nullptr;
    std::vector<symmetry::LaneBits> lanes_;
    std::vector<int> counts_;
};

template <typename T>
class ForcePass {
public:
    explicit ForcePass(Model<T> model) : model_(std::move(model)) {}

    // Returns how many atoms have a feature outside the range.
    Index run(const Environment<T>& atoms, const Results<T>& results, int threads) const {
        const std::vector<Index> order = order_of(atoms.species, atoms.n_atoms);
        std::atomic<Index> outside{0};
        Call<T> call{{}, results.forces, order.data(), results.energies, results.slopes, &outside};
        symmetry::Task<T>& task = call.task;
        task.plans = model_.plan.centers();
        task.max_channels = model_.plan.max_channels();
        task.cutoff_function = model_.cutoff_function;
        task.n_species = model_.n_species();
        task.n_features = model_.n_features();
        task.n_atoms = atoms.n_atoms;
        task.vectors = atoms.vectors;
        task.first = atoms.first;
        task.neighbors = atoms.neighbors;
        task.species = atoms.species;
        task.features = results.features;
        task.gradient = results.slopes;
        task.pulled = results.pulled;
        run(call, threads);
        return outside;
    }

private:
    // Atoms of an element together, so that a tile has few networks.
    std::vector<Index> order_of(const Index* species, Index n_atoms) const {
        std::vector<Index> order;
        order.reserve(n_atoms);
        for (Index element = 0; element < model_.n_species(); ++element) {
            for (Index atom = 0; atom < n_atoms; ++atom) {
                if (species[atom] == element) order.push_back(atom);
            }
        }
        return order;
    }

    void run(const Call<T>& call, int threads) const {
        const Index n_atoms = call.task.n_atoms, most = most_neighbors(call.task.first, n_atoms);
        // Blocks small enough to keep all threads busy to the end.
        const Index block = std::clamp<Index>(n_atoms / (4 * threads), 8, tile);
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

}  // namespace amptorch::force_pass
