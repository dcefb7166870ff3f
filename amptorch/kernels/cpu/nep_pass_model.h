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
    return AMPTORCH_KERNEL(T, Kernel, double_kernel, float_kernel);
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
        : n_networks_(from.n_networks), own_constants_(from.own_constants),
          invariants_(from.invariants), terms_(from.terms), next_(from.parameters) {
        const int n_angular = from.n_max[1] + 1;
        const int n_invariants = from.l_max + static_cast<int>(invariants_.size());
        n_descriptors_ = from.n_max[0] + 1 + n_angular * n_invariants;
        scales_.assign(from.scales, from.scales + n_descriptors_);
        if (n_descriptors_ > most_descriptors) throw std::invalid_argument("too many descriptors");
        const T* start = next_;
        for (int i = 0; i < from.n_networks; ++i) add_network(from);
        size_of_network_ = (next_ - start) / from.n_networks;
        const T constant = *next_++;
        for (auto& network : networks_) network.constant += constant;
        while (static_cast<int>(networks_.size()) < from.n_species) networks_.push_back(networks_[0]);
        for (int part = 0; part < 2; ++part) {
            first_coefficients_[part] = next_ - start;
            add_coefficients(from, part);
        }
        n_parameters_ = next_ - start;
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

    int n_features() const { return model_.n_species * (model_.n_functions[0] + model_.n_functions[1] * model_.n_harmonics); }

    // Energies [n_atoms] of sums over neighbours [n_atoms, n_features], and their slopes unless null.
    void energies(const T* features, const Index* species, Index n_atoms, T* energies, T* slopes,
                  int threads) const {
        const Kernel<T>& compiled = kernel<T>();
        const Index n = n_features();
#pragma omp parallel for num_threads(threads) schedule(static)
        for (Index atom = 0; atom < n_atoms; ++atom) {
            compiled.energy(model_, species[atom], features + atom * n, energies + atom,
                            slopes ? slopes + atom * n : nullptr);
        }
    }

    // The gradient of sum w E + <changes, dE/d features> in the parameters, in the order of nep.txt.
    // Sums over blocks of atoms are added in their order, whatever the number of threads.
    void gradient(const T* features, const Index* species, Index n_atoms, const T* weights,
                  const T* changes, T* gradient, int threads) const {
        constexpr Index block = 64;
        const Kernel<T>& compiled = kernel<T>();
        const Index n = n_features(), n_blocks = (n_atoms + block - 1) / block;
        std::vector<std::vector<T>> parts(static_cast<std::size_t>(n_blocks));
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (Index b = 0; b < n_blocks; ++b) {
            std::vector<T>& part = parts[b];
            part.assign(static_cast<std::size_t>(n_parameters_), T(0));
            for (Index atom = b * block; atom < std::min(n_atoms, (b + 1) * block); ++atom) {
                const Index own = species[atom];
                T* coefficients[2];
                for (int i = 0; i < 2; ++i) coefficients[i] = part.data() + first_coefficients_[i] + own * stride(i);
                compiled.gradient(model_, own, features + atom * n, weights[atom],
                                  changes + atom * n, place(own, part.data()), coefficients[0],
                                  coefficients[1]);
                part[first_coefficients_[0] - 1] -= weights[atom];
            }
        }
        std::vector<T> total(static_cast<std::size_t>(n_parameters_), T(0));
        for (const auto& part : parts) {
            for (std::size_t i = 0; i < part.size(); ++i) total[i] += part[i];
        }
        write(total.data(), gradient);
    }

private:
    Index stride(int part) const {
        return Index(model_.n_species) * model_.n_functions[part] * model_.n_descriptors[part];
    }

    // Where the numbers of the network of an element are in the order of nep.txt.
    Gradient<T> place(Index own, T* flat) const {
        const Network<T>& network = networks_[own];
        Gradient<T> to{};
        T* next = flat + (n_networks_ > 1 ? own : 0) * size_of_network_;
        for (int l = 0; l < network.n_layers; ++l) {
            const Layer<T>& layer = network.layers[l];
            to.weights[l] = next;
            to.biases[l] = next + layer.n_in * layer.n_out;
            next = to.biases[l] + layer.n_out;
        }
        to.last = next;
        next += network.layers[network.n_layers - 1].n_out;
        to.constant = own_constants_ ? next : nullptr;
        return to;
    }

    // Weights of scaled descriptors, and coefficients [n, k, centre, neighbour].
    void write(const T* from, T* to) const {
        std::copy_n(from, first_coefficients_[0], to);
        for (int i = 0; i < n_networks_; ++i) {
            T* weights = place(i, to).weights[0];
            for (int h = 0; h < networks_[i].layers[0].n_out; ++h) {
                for (int d = 0; d < n_descriptors_; ++d) *weights++ *= scales_[d];
            }
        }
        const int n_pairs = model_.n_species * model_.n_species;
        for (int part = 0; part < 2; ++part) {
            const int size = model_.n_functions[part] * model_.n_descriptors[part];
            const Index first = first_coefficients_[part];
            for (int i = 0; i < size; ++i) {
                for (int pair = 0; pair < n_pairs; ++pair) {
                    to[first + i * n_pairs + pair] = from[first + pair * size + i];
                }
            }
        }
    }

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

    const int n_networks_;
    const bool own_constants_;
    Index size_of_network_, n_parameters_;
    Index first_coefficients_[2];  // among all parameters
    std::vector<T> scales_;
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
