// An operation on all atoms, by threads over atoms. Without Python, and not for kernels, see dispatch.h.
#pragma once

#include <algorithm>
#include <vector>

#include "aligned.h"
#include "dispatch.h"
#include "environment.h"
#include "gmp_kernel.h"

namespace amptorch::gmp {

// The tables of a plan that loops over neighbours read, in their precision.
template <typename T>
class PlanTables {
public:
    explicit PlanTables(const Plan& plan)
        : exponents_(plan.exponents.begin(), plan.exponents.end()),
          heights_(plan.heights.begin(), plan.heights.end()),
          slopes_(slopes(plan)) {
        for (const Step& s : plan.basis.steps) {
            recurrences_.push_back({s.target,
                                    {s.variable[0], s.variable[1]},
                                    {s.source[0], s.source[1]},
                                    {T(s.factor[0]), T(s.factor[1])}});
        }
        for (const Slope& s : plan.basis.slopes) {
            derivatives_.push_back({s.function,
                                    s.axis,
                                    s.n,
                                    {s.source[0], s.source[1]},
                                    {T(s.factor[0]), T(s.factor[1])}});
        }
    }

    Tables<T> view(const Plan& plan) const {
        Tables<T> tables{};
        tables.recurrences = recurrences_.data();
        tables.derivatives = derivatives_.data();
        tables.degrees = plan.degrees.data();
        tables.slots = plan.slots.data();
        tables.features = plan.features.data();
        tables.slots_of = plan.slots_of.data();
        tables.counts = plan.counts.data();
        tables.exponents = exponents_.data();
        tables.heights = heights_.data();
        tables.slopes = slopes_.data();
        tables.n_recurrences = static_cast<int>(recurrences_.size());
        tables.n_derivatives = static_cast<int>(derivatives_.size());
        tables.n_degrees = static_cast<int>(plan.degrees.size());
        tables.n_slots = static_cast<int>(plan.slots.size());
        tables.n_features = static_cast<int>(plan.features.size());
        tables.n_gaussians = plan.n_gaussians;
        tables.n_probes = plan.n_probes;
        tables.n_functions = plan.n_functions;
        tables.n_places = plan.n_places;
        return tables;
    }

private:
    // 2 C2 of the probe and Gaussian times their share of the slot.
    static std::vector<T> slopes(const Plan& plan) {
        std::vector<T> slopes;
        for (int species = 0; species < plan.n_species; ++species) {
            for (const Slot& slot : plan.slots) {
                for (int g = 0; g < plan.n_gaussians; ++g) {
                    const int of_probe = species * plan.n_probes + slot.probe;
                    slopes.push_back(T(2 * plan.exponents[of_probe * plan.n_gaussians + g] *
                                       plan.heights[slopes.size()]));
                }
            }
        }
        return slopes;
    }

    std::vector<T> exponents_, heights_, slopes_;
    std::vector<Recurrence<T>> recurrences_;
    std::vector<Derivative<T>> derivatives_;
};

// Rows that so many numbers fill.
inline Index rows(Index numbers) { return (numbers + tile_lanes - 1) / tile_lanes; }

inline Layout lay_out(const Plan& plan, Operation operation, Index n_tiles) {
    const bool keep = operation == Operation::vjp || operation == Operation::jacobian;
    const Index n_slopes = operation == Operation::jacobian ? plan.features.size() : 1;
    Layout layout{};
    layout.tile = 4 + 2 * static_cast<Index>(plan.slots.size());
    layout.functions = layout.tile * (keep ? n_tiles : 1);
    layout.gradients = layout.functions + plan.n_functions;
    layout.results = layout.gradients + 3 * plan.n_functions;
    layout.exponentials = layout.results + 4;
    const Index n_terms = Index(plan.n_probes) * plan.n_gaussians;
    layout.accumulators = layout.exponentials + rows(n_terms * abreast * widest);
    layout.slopes = layout.accumulators + rows(Index(2) * plan.n_places * widest);
    layout.total = layout.slopes + rows(n_slopes * plan.n_places);
    return layout;
}

// The neighbours of every atom, cut into tiles of one species.
struct Tiling {
    std::vector<Tile> tiles;
    std::vector<Index> first;  // [n_atoms + 1]
    Index most = 1;            // tiles of one atom

    Tiling(const Index* pairs, const Index* neighbors, const Index* species, Index n_atoms)
        : first{0} {
        for (Index atom = 0; atom < n_atoms; ++atom) {
            for (Index pair = pairs[atom]; pair < pairs[atom + 1];) {
                const Index kind = species[neighbors[pair]];
                const Index end = std::min(pair + tile_lanes, pairs[atom + 1]);
                Index next = pair + 1;
                while (next < end && species[neighbors[next]] == kind) ++next;
                tiles.push_back({pair, static_cast<int>(next - pair), static_cast<int>(kind)});
                pair = next;
            }
            first.push_back(static_cast<Index>(tiles.size()));
            most = std::max(most, first[atom + 1] - first[atom]);
        }
    }
};

// The memory of one thread.
template <typename T>
class Workspace {
public:
    explicit Workspace(const Task<T>& task)
        : lanes_(task.layout.total * tile_lanes),
          sums_(static_cast<std::size_t>(2 * task.tables.n_places)) {}

    Center<T> center(Index atom, const Tiling& tiling) {
        const Index first = tiling.first[atom];
        return {atom, tiling.tiles.data() + first, static_cast<int>(tiling.first[atom + 1] - first),
                lanes_.data(), sums_.data()};
    }

private:
    Aligned<T> lanes_;
    std::vector<double> sums_;
};

template <typename T>
using Kernel = void (*)(const Task<T>&, Operation, const Center<T>&);

template <typename T>
Kernel<T> kernel() {
#ifdef AMPTORCH_HAS_AVX2
    if (uses_avx2()) return avx2::run;
#endif
    return baseline::run;
}

// `task` holds the arrays of the operation alone.
template <typename T>
void run(const Plan& plan, const PlanTables<T>& tables, const Environment<T>& atoms, int threads,
         Operation operation, Task<T> task) {
    const Tiling tiling(atoms.first, atoms.neighbors, atoms.species, atoms.n_atoms);
    task.plan = &plan;
    task.tables = tables.view(plan);
    task.layout = lay_out(plan, operation, tiling.most);
    task.vectors = atoms.vectors;
    task.species = atoms.species;
    const Kernel<T> compiled = kernel<T>();
#pragma omp parallel num_threads(threads)
    {
        Workspace<T> workspace(task);
#pragma omp for schedule(dynamic, 4)
        for (Index atom = 0; atom < atoms.n_atoms; ++atom) {
            compiled(task, operation, workspace.center(atom, tiling));
        }
    }
}

}  // namespace amptorch::gmp
