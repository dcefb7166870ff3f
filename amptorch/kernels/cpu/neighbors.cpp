// Neighbour lists of many frames, or of one in parts. See kernels/neighbors.py.
#include <limits>
#include <optional>

#include "neighbor_search.h"

namespace amptorch {
namespace neighbors {
namespace {

Neighbors find(const Search& search, Index begin, Index end, int threads) {
    Near near = search.near(begin, end, threads);
    Neighbors neighbors{std::move(near.first), std::make_shared<Found>(near.ghosts.size())};
    const Ghosts& ghosts = search.ghosts;
    for_each_block(blocks_of(begin, end, threads), threads, [&](Index, Index from, Index to) {
        for (Index i = from; i < to; ++i) {
            const Vector r = search.wrapped.positions[i];
            for (Index n = neighbors.first[i - begin]; n < neighbors.first[i - begin + 1]; ++n) {
                const std::int32_t ghost = near.ghosts[n];
                neighbors.found->put(n, r, ghosts.positions[ghost], ghosts.atoms[ghost]);
            }
        }
    });
    return neighbors;
}

// Threads go over frames, or over the atoms of a frame if there are fewer of these.
nb::list find_all(Array<const double, -1, 3> positions, Array<const double, -1, 3, 3> cells,
                  Array<const double, -1, 3, 3> inverses, Array<const std::uint8_t, -1, 3> pbc,
                  Array<const Index, -1> species, Array<const Index, -1> first_atoms,
                  double cutoff, int threads) {
    const auto n_frames = static_cast<Index>(cells.shape(0));
    std::vector<Neighbors> found(n_frames);
    {
        nb::gil_scoped_release release;
        const Index* first = first_atoms.data();
        const bool over_frames = n_frames >= threads;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (over_frames && threads > 1)
        for (Index k = 0; k < n_frames; ++k) {
            const Frame frame{positions.data() + 3 * first[k], cells.data() + 9 * k,
                              inverses.data() + 9 * k,         pbc.data() + 3 * k,
                              species.data() + first[k],       first[k + 1] - first[k]};
            found[k] = find(Search(frame, cutoff), 0, frame.n_atoms, over_frames ? 1 : threads);
        }
    }
    nb::list results;
    for (const Neighbors& each : found) results.append(each.to_python());
    return results;
}

// One frame, whose neighbours are asked for some atoms at a time.
class NeighborSearch {
public:
    NeighborSearch(Array<const double, -1, 3> positions, Array<const double, 3, 3> cell,
                   Array<const double, 3, 3> inverse, Array<const std::uint8_t, 3> pbc,
                   Array<const Index, -1> species, double cutoff) {
        const nb::gil_scoped_release release;
        search_.emplace(Frame{positions.data(), cell.data(), inverse.data(), pbc.data(),
                              species.data(), static_cast<Index>(species.shape(0))},
                        cutoff);
    }

    nb::tuple find(Index begin, Index end, int threads) const {
        Neighbors found;
        {
            const nb::gil_scoped_release release;
            found = neighbors::find(*search_, begin, end, threads);
        }
        return found.to_python();
    }

private:
    std::optional<Search> search_;
};

struct Nearest {
    double square = std::numeric_limits<double>::infinity();
    Index pair = -1;

    // Of two the nearer, of two as near the first.
    void take(const Nearest& other) {
        if (other.square > square) return;
        if (other.square < square || other.pair < pair) *this = other;
    }
};

// The shortest vector and its length; -1 and infinity where there is none.
nb::tuple find_nearest(Array<const double, -1, 3> vectors, int threads) {
    Nearest nearest;
    {
        const nb::gil_scoped_release release;
        const std::vector<Index> borders = blocks_of(0, static_cast<Index>(vectors.shape(0)), threads);
        std::vector<Nearest> found(borders.size() - 1);
        for_each_block(borders, threads, [&](Index block, Index begin, Index end) {
            // Every fourth pair apart: none waits for what the one before it made of the least.
            Nearest own[4];
            for (Index pair = begin; pair < end; ++pair) {
                const double* r = vectors.data() + 3 * pair;
                own[(pair - begin) % 4].take({r[0] * r[0] + r[1] * r[1] + r[2] * r[2], pair});
            }
            for (const Nearest& each : own) found[block].take(each);
        });
        for (const Nearest& each : found) nearest.take(each);
    }
    return nb::make_tuple(nearest.pair, std::sqrt(nearest.square));
}

}  // namespace
}  // namespace neighbors

void bind_neighbors(nb::module_& module) {
    using neighbors::NeighborSearch;
    const auto strict = nb::arg().noconvert();
    module.def("find_neighbors", &neighbors::find_all, strict, strict, strict, strict, strict,
               strict, nb::arg(), nb::arg());
    module.def("find_nearest", &neighbors::find_nearest, strict, nb::arg());
    nb::class_<NeighborSearch>(module, "NeighborSearch")
        .def(nb::init<Array<const double, -1, 3>, Array<const double, 3, 3>,
                      Array<const double, 3, 3>, Array<const std::uint8_t, 3>,
                      Array<const neighbors::Index, -1>, double>(),
             strict, strict, strict, strict, strict, nb::arg())
        .def("find", &NeighborSearch::find, nb::arg(), nb::arg(), nb::arg());
}

}  // namespace amptorch
