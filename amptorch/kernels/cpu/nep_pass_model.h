// A neuroevolution potential that keeps its numbers, and its pass over the atoms of environments.
// Without Python; not for the kernels.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "aligned.h"
#include "dispatch.h"
#include "nep_pass.h"
#include "spherical_expansion_tables.h"

namespace amptorch::spherical::nep {

template <typename T>
const Kernel<T>& kernel() {
#ifdef AMPTORCH_HAS_AVX2
    if (uses_avx2()) return AMPTORCH_OF_TYPE(T, Kernel, avx2::double_kernel, avx2::float_kernel);
#endif
    return AMPTORCH_OF_TYPE(T, Kernel, baseline::double_kernel, baseline::float_kernel);
}

// What a potential is made of, in the order of nep.txt.
template <typename T>
struct Numbers {
    const T* parameters;
    const T* scales;         // [n_descriptors]
    int n_species, n_networks;
    int n_max[2], basis_size[2];
    int l_max;
    std::vector<int> neurons;
    bool own_constants;
    const double* cutoffs;             // [2, n_species, n_species]
    std::vector<Invariant> invariants;
    std::vector<Term<T>> terms;
};

template <typename T>
class Potential {
public:
    explicit Potential(const Numbers<T>& from)
        : invariants_(from.invariants), terms_(from.terms), next_(from.parameters) {
        const int n_angular = from.n_max[1] + 1;
        const int n_invariants = from.l_max + static_cast<int>(invariants_.size());
        n_descriptors_ = from.n_max[0] + 1 + n_angular * n_invariants;
        if (n_descriptors_ > most_descriptors) throw std::invalid_argument("too many descriptors");
        for (int i = 0; i < from.n_networks; ++i) add_network(from);
        const T constant = *next_++;
        for (auto& network : networks_) network.constant += constant;
        while (static_cast<int>(networks_.size()) < from.n_species) networks_.push_back(networks_[0]);
        for (int part = 0; part < 2; ++part) add_coefficients(from, part);
        set(from);
    }

    Potential(const Potential&) = delete;

    int n_descriptors() const { return n_descriptors_; }

    // Threads share the atoms.
    void run(const Task<T>& task, Index n_atoms, int threads) const {
        const Kernel<T>& compiled = kernel<T>();
        Index most = 0;
        for (Index i = 0; i < n_atoms; ++i) most = std::max(most, task.first[i + 1] - task.first[i]);
        const Index size = compiled.kept(model_, most);
#pragma omp parallel num_threads(threads)
        {
            const Aligned<T> kept(size);
#pragma omp for schedule(dynamic, 8)
            for (Index atom = 0; atom < n_atoms; ++atom) {
                compiled.run(model_, task, atom, kept.data());
            }
        }
    }

private:
    static int whole(int number) { return (number + row - 1) / row * row; }

    // Memory for whole vectors, zero.
    T* take(int number) {
        memory_.emplace_back(whole(number));
        std::fill_n(memory_.back().data(), whole(number), T(0));
        return memory_.back().data();
    }

    void add_network(const Numbers<T>& from) {
        Network<T> network{};
        network.n_layers = static_cast<int>(from.neurons.size());
        if (network.n_layers > most_layers) throw std::invalid_argument("too many layers");
        int n_in = n_descriptors_;
        for (int l = 0; l < network.n_layers; ++l) {
            const int n_out = from.neurons[l], stride = whole(n_in);
            if (n_out > most_neurons) throw std::invalid_argument("too many neurons");
            T *weights = take(n_out * stride), *biases = take(n_out);
            for (int h = 0; h < n_out; ++h) {
                for (int d = 0; d < n_in; ++d) {
                    weights[h * stride + d] = *next_++ * (l ? T(1) : from.scales[d]);
                }
            }
            std::copy_n(next_, n_out, biases);
            next_ += n_out;
            network.layers[l] = {n_in, n_out, stride, weights, biases};
            n_in = n_out;
        }
        T* last = take(n_in);
        std::copy_n(next_, n_in, last);
        next_ += n_in;
        network.last = last;
        network.constant = from.own_constants ? *next_++ : T(0);
        networks_.push_back(network);
    }

    // From [n, k, centre, neighbour] to [centre, neighbour, n, k].
    void add_coefficients(const Numbers<T>& from, int part) {
        const int n = from.n_max[part] + 1, k = from.basis_size[part] + 1;
        const int n_pairs = from.n_species * from.n_species;
        T* to = take(n * k * n_pairs);
        for (int i = 0; i < n * k; ++i) {
            for (int pair = 0; pair < n_pairs; ++pair) to[pair * n * k + i] = *next_++;
        }
        model_.coefficients[part] = to;
        model_.n_functions[part] = k;
        model_.n_descriptors[part] = n;
        for (int pair = 0; pair < n_pairs; ++pair) {
            const double cutoff = from.cutoffs[part * n_pairs + pair];
            radials_.push_back({Kind::nep, k, T(cutoff), T(1 / cutoff), 0, 0, 0, nullptr});
        }
    }

    void set(const Numbers<T>& from) {
        model_.radials = radials_.data();
        model_.n_species = from.n_species;
        model_.l_max = from.l_max;
        model_.n_harmonics = (from.l_max + 1) * (from.l_max + 1) - 1;
        model_.invariants = invariants_.data();
        model_.n_invariants = static_cast<int>(invariants_.size());
        model_.terms = terms_.data();
        model_.networks = networks_.data();
    }

    std::vector<Invariant> invariants_;
    std::vector<Term<T>> terms_;
    const T* next_;  // of the parameters, while they are taken up
    int n_descriptors_;
    std::vector<Aligned<T>> memory_;
    std::vector<Network<T>> networks_;
    std::vector<Radial<T>> radials_;
    Model<T> model_{};
};

}  // namespace amptorch::spherical::nep
