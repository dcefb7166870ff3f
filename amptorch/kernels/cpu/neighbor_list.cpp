// The neighbours of a frame whose atoms and cell move, found once up to a larger distance. See NeighborList of
// kernels/neighbors.py.
#include <cstdint>

#include "neighbor_search.h"

namespace amptorch {
namespace neighbors {
namespace {

using Positions = Array<const double, -1, 3>;
using Matrix = Array<const double, 3, 3>;

class NeighborList {
public:
    NeighborList(Positions positions, Matrix cell, Matrix inverse, Array<const std::uint8_t, 3> pbc,
                 Array<const Index, -1> species, double reach, int threads) {
        const nb::gil_scoped_release release;
        const Frame frame{positions.data(), cell.data(), inverse.data(), pbc.data(), species.data(),
                          static_cast<Index>(species.shape(0))};
        Search search(frame, reach);
        near_ = search.near(0, frame.n_atoms, threads);
        moves_ = std::move(search.wrapped.moves);
        atoms_ = std::move(search.ghosts.atoms);
        shifts_ = std::move(search.ghosts.shifts);
    }

    // Takes the atoms and their images to where they are now.
    void move(Positions positions, Matrix cell, int threads) {
        const nb::gil_scoped_release release;
        homes_.resize(moves_.size());
        for_each(moves_.size(), threads, [&](std::size_t i) {
            homes_[i] = sum(positions.data() + 3 * i, times(moves_[i], cell.data()));
        });
        places_.resize(atoms_.size());
        for_each(atoms_.size(), threads, [&](std::size_t g) {
            places_[g] = sum(homes_[atoms_[g]].data(), times(shifts_[g], cell.data()));
        });
    }

    // The neighbours nearer than the cutoff of the atoms from begin to end.
    nb::tuple find(Index begin, Index end, double cutoff, int threads) const {
        Neighbors neighbors;
        {
            const nb::gil_scoped_release release;
            const std::vector<Index> borders = blocks_of(begin, end, threads);
            std::vector<std::uint8_t> inside(near_.first[end] - near_.first[begin]);
            std::vector<Index>& first = neighbors.first;
            first.resize(end - begin + 1);
            for_each_block(borders, threads, [&](Index, Index from, Index to) {
                for (Index i = from; i < to; ++i) {
                    first[i - begin + 1] = count(i, cutoff * cutoff, inside_of(inside, begin, i));
                }
            });
            std::partial_sum(first.begin(), first.end(), first.begin());
            neighbors.found = std::make_shared<Found>(first.back());
            for_each_block(borders, threads, [&](Index, Index from, Index to) {
                for (Index i = from; i < to; ++i) {
                    put(i, inside_of(inside, begin, i), first.data() + i - begin, *neighbors.found);
                }
            });
        }
        return neighbors.to_python();
    }

private:
    template <typename Work>
    static void for_each(std::size_t n, int threads, Work work) {
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
        for (std::size_t k = 0; k < n; ++k) work(k);
    }

    static Vector sum(const double* r, const Vector& offset) {
        return {r[0] + offset[0], r[1] + offset[1], r[2] + offset[2]};
    }

    // Flags of those near atom i, of flags that begin with those of another atom.
    std::uint8_t* inside_of(std::vector<std::uint8_t>& flags, Index begin, Index i) const {
        return flags.data() + near_.first[i] - near_.first[begin];
    }

    // Sets which of those near are within the cutoff; returns how many.
    Index count(Index i, double square, std::uint8_t* inside) const {
        const Vector from = homes_[i];
        const Index begin = near_.first[i], n = near_.first[i + 1] - begin;
        Index total = 0;
        for (Index k = 0; k < n; ++k) {
            const Vector& place = places_[near_.ghosts[begin + k]];
            const double x = place[0] - from[0], y = place[1] - from[1], z = place[2] - from[2];
            inside[k] = x * x + y * y + z * z < square;
            total += inside[k];
        }
        return total;
    }

    // Writes them to first[0] up to first[1].
    void put(Index i, const std::uint8_t* inside, const Index* first, const Found& found) const {
        const Vector from = homes_[i];
        const std::int32_t* ghost = near_.ghosts.data() + near_.first[i];
        // No branch, which nothing could predict: what is not inside is written over by the next.
        for (Index to = first[0]; to < first[1]; ++ghost) {
            found.put(to, from, places_[*ghost], atoms_[*ghost]);
            to += *inside++;
        }
    }

    std::vector<Vector> moves_;           // [n_atoms]
    std::vector<Index> atoms_;            // [n_ghosts]
    std::vector<Vector> shifts_;          // [n_ghosts]
    Near near_;
    std::vector<Vector> homes_, places_;  // [n_atoms] and [n_ghosts], where they are now
};

}  // namespace
}  // namespace neighbors

void bind_neighbor_list(nb::module_& module) {
    using neighbors::NeighborList;
    const auto strict = nb::arg().noconvert();
    nb::class_<NeighborList>(module, "NeighborList")
        .def(nb::init<neighbors::Positions, neighbors::Matrix, neighbors::Matrix,
                      Array<const std::uint8_t, 3>, Array<const neighbors::Index, -1>, double, int>(),
             strict, strict, strict, strict, strict, nb::arg(), nb::arg())
        .def("move", &NeighborList::move, strict, strict, nb::arg())
        .def("find", &NeighborList::find, nb::arg(), nb::arg(), nb::arg(), nb::arg());
}

}  // namespace amptorch
