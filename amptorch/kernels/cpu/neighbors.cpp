// Neighbour lists of many frames, or of one in parts. See kernels/neighbors.py.
#include <limits>
#include <optional>

#include "neighbor_search.h"

namespace amptorch {
namespace neighbors {
namespace {

// Writes the neighbours of the atoms from begin to end from the place `to` on; `atom` is the number
// of the first atom of the frame.
void put(const Search& search, const Near& near, Index begin, Index end, int threads,
         const Found& found, Index to = 0, Index atom = 0) {
    const Ghosts& ghosts = search.ghosts;
    for_each_block(blocks_of(begin, end, threads), threads, [&](Index, Index from, Index until) {
        for (Index i = from; i < until; ++i) {
            const Vector r = search.wrapped.positions[i];
            for (Index n = near.first[i - begin]; n < near.first[i - begin + 1]; ++n) {
                const std::int32_t ghost = near.ghosts[n];
                found.put(to + n, r, ghosts.positions[ghost], atom + ghosts.atoms[ghost]);
            }
        }
    });
}

Neighbors find(const Search& search, Index begin, Index end, int threads) {
    Near near = search.near(begin, end, threads);
    const auto found = std::make_shared<Found>(near.ghosts.size());
    put(search, near, begin, end, threads, *found);
    return {std::move(near.first), found};
}

// Frames one after the other, see PackedFrames of kernels/packed_frames.py.
struct Frames {
    Array<const double, -1, 3> positions;
    Array<const double, -1, 3, 3> cells, inverses;
    Array<const std::uint8_t, -1, 3> pbc;
    Array<const Index, -1> species, first;
    int threads;

    Index count() const { return static_cast<Index>(cells.shape(0)); }

    Frame operator[](Index k) const {
        const Index atom = first.data()[k];
        return {positions.data() + 3 * atom, cells.data() + 9 * k,   inverses.data() + 9 * k,
                pbc.data() + 3 * k,          species.data() + atom, first.data()[k + 1] - atom};
    }

    // Calls work(k, threads) for all frames. Threads go over frames, or over the atoms of a frame if
    // there are fewer of these.
    template <typename Work>
    void for_each(Work work) const {
        const bool over_frames = count() >= threads;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (over_frames && threads > 1)
        for (Index k = 0; k < count(); ++k) work(k, over_frames ? 1 : threads);
    }
};

// A list of its own for each frame.
nb::list find_all(Array<const double, -1, 3> positions, Array<const double, -1, 3, 3> cells,
                  Array<const double, -1, 3, 3> inverses, Array<const std::uint8_t, -1, 3> pbc,
                  Array<const Index, -1> species, Array<const Index, -1> first, double cutoff,
                  int threads) {
    const Frames frames{positions, cells, inverses, pbc, species, first, threads};
    std::vector<Neighbors> found(frames.count());
    {
        nb::gil_scoped_release release;
        frames.for_each([&](Index k, int inner) {
            const Frame frame = frames[k];
            found[k] = find(Search(frame, cutoff), 0, frame.n_atoms, inner);
        });
    }
    nb::list results;
    for (const Neighbors& each : found) results.append(each.to_python());
    return results;
}

// One list for all atoms of all frames.
nb::tuple find_batch(Array<const double, -1, 3> positions, Array<const double, -1, 3, 3> cells,
                     Array<const double, -1, 3, 3> inverses, Array<const std::uint8_t, -1, 3> pbc,
                     Array<const Index, -1> species, Array<const Index, -1> first_atoms,
                     double cutoff, int threads) {
    const Frames frames{positions, cells, inverses, pbc, species, first_atoms, threads};
    Neighbors joined;
    {
        nb::gil_scoped_release release;
        std::vector<std::optional<Search>> searches(frames.count());
        std::vector<Near> near(frames.count());
        frames.for_each([&](Index k, int inner) {
            const Frame frame = frames[k];
            near[k] = searches[k].emplace(frame, cutoff).near(0, frame.n_atoms, inner);
        });
        std::vector<Index> begins;  // of the pairs of each frame
        joined.first.assign(1, 0);
        for (const Near& each : near) {
            begins.push_back(joined.first.back());
            for (std::size_t i = 1; i < each.first.size(); ++i) {
                joined.first.push_back(begins.back() + each.first[i]);
            }
        }
        joined.found = std::make_shared<Found>(joined.first.back());
        frames.for_each([&](Index k, int inner) {
            put(*searches[k], near[k], 0, frames[k].n_atoms, inner, *joined.found, begins[k],
                first_atoms.data()[k]);
        });
    }
    return joined.to_python();
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
    module.def("find_neighbors_of_batch", &neighbors::find_batch, strict, strict, strict, strict,
               strict, strict, nb::arg(), nb::arg());
    module.def("find_nearest", &neighbors::find_nearest, strict, nb::arg());
    nb::class_<NeighborSearch>(module, "NeighborSearch")
        .def(nb::init<Array<const double, -1, 3>, Array<const double, 3, 3>,
                      Array<const double, 3, 3>, Array<const std::uint8_t, 3>,
                      Array<const neighbors::Index, -1>, double>(),
             strict, strict, strict, strict, strict, nb::arg())
        .def("find", &NeighborSearch::find, nb::arg(), nb::arg(), nb::arg());
}

}  // namespace amptorch
