// The loss of a batch of frames and its gradient, frame by frame, so that what is read of a frame for its
// forces is still near when it is read again for the gradient.
#include "batch_loss.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "networks_arrays.h"
#include "networks_tiles.h"
#include "pair_jacobian_frames.h"

namespace amptorch {
namespace loss {
namespace {

using networks::Index;

// What Python gives, see kernels/batch_loss.py; networks as in networks.cpp.
template <typename T>
struct Batch {
    std::string activation;
    bool one_network;
    Penalty<T> penalty;
    Array<const T, -1> constants;
    Array<const Index, -1> parameters;  // addresses of the weights and the biases of each layer
    Array<const Index, -1> widths;
    Array<const Index, -1> fingerprints;  // addresses of those of each frame, [its atoms, n_features]
    Array<const T, -1, -1> shares;      // [n_numbers, n_networks]
    Array<const Index, -1> numbers;     // [n_atoms], rows of shares
    Array<const Index, -1> sizes;       // [n_frames], atoms
    jacobian::Table table;              // of the frames; no row: no forces
    jacobian::Touched touch;
    Array<const Index, -1> factors;     // addresses, as of fingerprints
    Array<const T, -1> target_energies;
    Array<const T, -1, -1> target_forces;
    Array<const T, -1> energy_weights, divisors, force_weights;  // [n_frames]
    Array<T, -1> energies;              // [n_frames]
    Array<T, -1, -1> forces;            // [n_atoms, 3]
    Array<const Index, -1> results;     // addresses: of the loss, a number; if asked for, of the
                                        // gradient in each of the parameters and, where they are
                                        // trained, in the shares
};

// What a thread needs of its own.
template <typename T>
struct Scratch {
    Aligned<T> networks;
    std::vector<T> jacobian;
    Aligned<T> tape{0};
    Index tape_size = 0;

    T* tape_of(Index size) {
        if (size > tape_size) tape = Aligned<T>(tape_size = size);
        return tape.data();
    }
};

template <typename T>
class Step {
public:
    explicit Step(const Batch<T>& batch)
        : batch_(batch), with_forces_(batch.table.shape(0) > 0),
          n_networks_(static_cast<Index>(batch.shares.shape(1))),
          n_features_(batch.widths.data()[0]),
          kernel_(networks::kernel<T>(batch.activation)),
          parameters_(laid_together(batch)), first_(begins(batch.sizes)),
          nets_(networks::networks_of<T>(parameters_.data(), static_cast<Index>(parameters_.size()),
                                         batch.constants, batch.widths, n_networks_, 0)),
          frames_(jacobian::frames_of<T>(batch.table)), touch_(jacobian::touch_of(batch.touch)) {
        nets_.tape_rows = nets_.n_hidden * (kernel_.kept + (with_forces_ ? 2 : 1));
        const auto array = [&](Index columns) {
            return std::unique_ptr<T[]>(new T[batch.numbers.shape(0) * columns]);
        };
        shares_ = array(n_networks_);
        look_up_shares();
        share_changes_ = array(with_shares() ? n_networks_ : 0);
        energies_ = array(1);
        energy_changes_ = array(1);
        outputs_ = array(n_networks_);
        force_changes_ = array(with_forces_ ? 3 : 0);
        slopes_ = array(with_forces_ ? n_features_ : 0);
        directions_ = array(with_forces_ ? n_features_ : 0);
    }

    Index n_frames() const { return static_cast<Index>(batch_.sizes.shape(0)); }
    std::size_t n_parameters() const { return parameters_.size(); }
    bool with_gradient() const { return batch_.results.shape(0) > 1; }
    bool with_shares() const { return batch_.results.shape(0) > 1 + batch_.parameters.shape(0); }

    // Where groups of frames begin, and the last one ends.
    std::vector<Index> groups() const {
        const Index n = std::min<Index>(n_frames(), 64);
        std::vector<Index> bounds(n + 1);
        for (Index g = 0; g <= n; ++g) bounds[g] = n_frames() * g / n;
        return bounds;
    }

    // The groups, those with most atoms first.
    std::vector<Index> by_size(const std::vector<Index>& bounds) const {
        const auto size = [&](Index g) { return begin(bounds[g + 1]) - begin(bounds[g]); };
        std::vector<Index> order(bounds.size() - 1);
        std::iota(order.begin(), order.end(), Index{0});
        std::sort(order.begin(), order.end(), [&](Index a, Index b) { return size(a) > size(b); });
        return order;
    }

    Scratch<T> scratch() const {
        Index size = 0;
        for (const auto& frame : frames_) size = std::max(size, scratch_size(frame, touch_));
        return {Aligned<T>(scratch_size(nets_)), std::vector<T>(size)};
    }

    // The loss of a frame; the gradient is added to ``changes``.
    double run(Index f, Scratch<T>& scratch, T* changes) {
        const networks::Tiles tiles =
            networks::tiles_of(shares_.get(), begin(f), end(f), n_networks_, batch_.one_network);
        const Index tape_size = static_cast<Index>(tiles.ranges.size()) * tile_size();
        T* tape = scratch.tape_of(tape_size);
        predict(f, tiles, tape, scratch);
        double loss = energy_loss(f);
        if (with_forces_) loss += force_loss(f);
        if (with_gradient()) differentiate(f, tiles, tape, scratch, changes);
        return loss;
    }

    void set_loss(double loss) const { *result(0) = static_cast<T>(loss); }

    // The gradient in the parameters, which lies together, to where it is asked for.
    void lay_apart(const T* changes) const {
        for (std::size_t k = 0; k < batch_.parameters.shape(0); ++k) {
            const Index size = size_of(batch_, k);
            std::copy_n(changes, size, result(1 + k));
            changes += size;
        }
    }

    // Sums the gradient in the shares, atom by atom: their order, too, is that of no thread.
    void sum_shares() const {
        T* changes = result(1 + batch_.parameters.shape(0));
        std::fill_n(changes, batch_.shares.size(), T(0));
        for (std::size_t a = 0; a < batch_.numbers.shape(0); ++a) {
            T* row = changes + batch_.numbers.data()[a] * n_networks_;
            for (Index n = 0; n < n_networks_; ++n) row[n] += share_changes_[a * n_networks_ + n];
        }
    }

private:
    // Of an array of parameters: weights, biases, and again.
    static Index size_of(const Batch<T>& batch, std::size_t k) {
        const Index* w = batch.widths.data() + k / 2 % (batch.widths.shape(0) - 1);
        return k % 2 ? w[1] : w[0] * w[1];
    }

    static std::vector<T> laid_together(const Batch<T>& batch) {
        std::vector<T> all;
        for (std::size_t k = 0; k < batch.parameters.shape(0); ++k) {
            const T* values = reinterpret_cast<const T*>(batch.parameters.data()[k]);
            all.insert(all.end(), values, values + size_of(batch, k));
        }
        return all;
    }

    static std::vector<Index> begins(const Array<const Index, -1>& sizes) {
        std::vector<Index> first(sizes.shape(0) + 1);
        std::partial_sum(sizes.data(), sizes.data() + sizes.shape(0), first.begin() + 1);
        return first;
    }

    void look_up_shares() {
        for (std::size_t a = 0; a < batch_.numbers.shape(0); ++a) {
            const Index number = batch_.numbers.data()[a];
            if (number < 0 || number >= static_cast<Index>(batch_.shares.shape(0))) {
                throw std::out_of_range("shares: there are none of the number " +
                                        std::to_string(number));
            }
            std::copy_n(batch_.shares.data() + number * n_networks_, n_networks_,
                        &shares_[a * n_networks_]);
        }
    }

    T* result(std::size_t k) const { return reinterpret_cast<T*>(batch_.results.data()[k]); }

    Index begin(Index f) const { return first_[f]; }
    Index end(Index f) const { return first_[f + 1]; }
    Index tile_size() const {
        return (batch_.one_network ? 1 : n_networks_) * nets_.tape_rows * networks::tile_atoms;
    }

    networks::Tile<T> tile(Index f, const networks::Tiles& tiles, std::size_t t, bool slopes,
                           T* tape) const {
        // Tiles know atoms by their place in the batch: where the first one's would be.
        const Index before = begin(f) * n_features_ * static_cast<Index>(sizeof(T));
        const T* x = reinterpret_cast<const T*>(batch_.fingerprints.data()[f] - before);
        const networks::Range& range = tiles.ranges[t];
        return {range.end - range.begin, tiles.order.data() + range.begin, range.first, range.last,
                slopes, x, shares_.get(), outputs_.get(),
                tape + static_cast<Index>(t) * tile_size()};
    }

    void predict(Index f, const networks::Tiles& tiles, T* tape, Scratch<T>& scratch) {
        std::fill(&energies_[begin(f)], &energies_[end(f)], T(0));
        if (with_forces_) clear(f, slopes_.get());
        for (std::size_t t = 0; t < tiles.ranges.size(); ++t) {
            kernel_.forward(nets_, tile(f, tiles, t, with_forces_, tape), energies_.get(),
                            slopes_.get(), scratch.networks.data());
        }
        T total = 0;
        for (Index a = begin(f); a < end(f); ++a) total += energies_[a];
        batch_.energies.data()[f] = total;
        if (!with_forces_) return;
        scale(f, slopes_.get());
        T* forces = batch_.forces.data();
        std::fill(forces + 3 * begin(f), forces + 3 * end(f), T(0));
        jacobian::kernel<T>().pull(frames_[f], {0, 0, frames_[f].n_atoms}, touch_, slopes_.get(),
                                   n_features_, forces + 3 * begin(f), nullptr,
                                   scratch.jacobian.data());
    }

    double energy_loss(Index f) {
        const T divisor = batch_.divisors.data()[f], weight = batch_.energy_weights.data()[f];
        const T error = (batch_.energies.data()[f] - batch_.target_energies.data()[f]) / divisor;
        const T change = weight * batch_.penalty.slope(error) / divisor;
        std::fill(&energy_changes_[begin(f)], &energy_changes_[end(f)], change);
        return static_cast<double>(weight) * static_cast<double>(batch_.penalty.value(error));
    }

    double force_loss(Index f) {
        const T weight = batch_.force_weights.data()[f];
        double sum = 0;
        for (Index q = 3 * begin(f); q < 3 * end(f) && weight != T(0); ++q) {
            const T error = batch_.forces.data()[q] - batch_.target_forces.data()[q];
            sum += static_cast<double>(batch_.penalty.value(error));
            force_changes_[q] = weight * batch_.penalty.slope(error);
        }
        return static_cast<double>(weight) * sum;
    }

    void differentiate(Index f, const networks::Tiles& tiles, T* tape, Scratch<T>& scratch,
                       T* changes) {
        const bool slopes = with_forces_ && batch_.force_weights.data()[f] != T(0);
        if (slopes) push(f, scratch);
        T* shares = with_shares() ? share_changes_.get() : nullptr;
        for (std::size_t t = 0; t < tiles.ranges.size(); ++t) {
            kernel_.backward(nets_, tile(f, tiles, t, slopes, tape), energy_changes_.get(),
                             directions_.get(), shares, changes, scratch.networks.data());
        }
    }

    // dL/d(dE/dG) from dL/dF. The last centres first: their blocks were read last.
    void push(Index f, Scratch<T>& scratch) {
        constexpr Index centers = 16;
        clear(f, directions_.get());
        for (Index last = frames_[f].n_atoms; last > 0; last -= std::min(last, centers)) {
            const jacobian::Part part{0, last - std::min(last, centers), last};
            jacobian::kernel<T>().push(frames_[f], part, touch_, force_changes_.get(), nullptr,
                                       n_features_, directions_.get(), scratch.jacobian.data());
        }
        scale(f, directions_.get());
    }

    void clear(Index f, T* rows) const {
        std::fill(rows + begin(f) * n_features_, rows + end(f) * n_features_, T(0));
    }

    void scale(Index f, T* rows) const {
        const T* factors = reinterpret_cast<const T*>(batch_.factors.data()[f]);
        T* own = rows + begin(f) * n_features_;
        const Index size = (end(f) - begin(f)) * n_features_;
        for (Index q = 0; q < size; ++q) own[q] *= factors[q];
    }

    const Batch<T>& batch_;
    const bool with_forces_;
    const Index n_networks_, n_features_;
    const networks::Kernel<T>& kernel_;
    const std::vector<T> parameters_;
    const std::vector<Index> first_;  // [n_frames + 1], the first atom of each frame
    networks::Networks<T> nets_;
    const std::vector<jacobian::Frame<T>> frames_;
    const jacobian::Touch touch_;
    std::unique_ptr<T[]> shares_, share_changes_;
    std::unique_ptr<T[]> energies_, energy_changes_, outputs_;  // of atoms
    std::unique_ptr<T[]> force_changes_, slopes_, directions_;
};

// Frames are summed in groups, and these in their order: results do not depend on the threads. Large
// groups are begun first, so that threads end together.
template <typename T>
void run(const Batch<T>& batch, int threads) {
    Step<T> step(batch);
    const std::vector<Index> bounds = step.groups(), order = step.by_size(bounds);
    const std::size_t n_groups = order.size();
    const std::size_t size = step.with_gradient() ? step.n_parameters() : 0;
    std::vector<std::vector<T>> sums(n_groups, std::vector<T>(size));
    std::vector<double> losses(n_groups);
#pragma omp parallel num_threads(threads)
    {
        Scratch<T> scratch = step.scratch();
#pragma omp for schedule(dynamic)
        for (std::size_t k = 0; k < n_groups; ++k) {
            const Index g = order[k];
            for (Index f = bounds[g]; f < bounds[g + 1]; ++f) {
                losses[g] += step.run(f, scratch, sums[g].data());
            }
        }
    }
    std::vector<T> changes(size);
    for (const std::vector<T>& part : sums) {
        for (std::size_t q = 0; q < size; ++q) changes[q] += part[q];
    }
    if (step.with_gradient()) step.lay_apart(changes.data());
    if (step.with_shares()) step.sum_shares();
    step.set_loss(std::accumulate(losses.begin(), losses.end(), 0.0));
}

template <typename T>
void bind(nb::module_& module) {
    using Vector = Array<const T, -1>;
    using Matrix = Array<const T, -1, -1>;
    using Indices = Array<const Index, -1>;
    const auto strict = nb::arg().noconvert();
    module.def(
        "batch_loss",
        [](const std::string& activation, bool one_network, const std::string& penalty,
           double delta, Vector constants, Indices parameters, Indices widths, Indices fingerprints,
           Matrix shares, Indices numbers, Indices sizes, jacobian::Table table,
           jacobian::Touched touch, Indices factors, Vector target_energies, Matrix target_forces,
           Vector energy_weights, Vector divisors, Vector force_weights, Array<T, -1> energies,
           Array<T, -1, -1> forces, Indices results, int threads) {
            const Penalty<T> of_errors{kind_of(penalty), static_cast<T>(delta)};
            nb::gil_scoped_release release;
            run<T>({activation, one_network, of_errors, constants, parameters, widths,
                    fingerprints, shares, numbers, sizes, table, touch, factors, target_energies,
                    target_forces, energy_weights, divisors, force_weights, energies, forces,
                    results},
                   threads);
        },
        nb::arg(), nb::arg(), nb::arg(), nb::arg(), strict, strict, strict, strict, strict, strict,
        strict, strict, strict, strict, strict, strict, strict, strict, strict, strict, strict,
        strict, nb::arg());
}

}  // namespace
}  // namespace loss

void bind_batch_loss(nb::module_& module) {
    loss::bind<double>(module);
    loss::bind<float>(module);
}

}  // namespace amptorch
