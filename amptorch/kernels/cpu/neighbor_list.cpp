// The neighbours of a frame whose atoms and cell move, found once up to a larger distance. See NeighborList of
// kernels/neighbors.py.
#include <cstdint>
#include <cstring>
#include <memory>

#include "neighbor_search.h"

namespace amptorch {
namespace neighbors {
namespace {

using Positions = Array<const double, -1, 3>;
using Matrix = Array<const double, 3, 3>;

class NeighborList {
public:
    NeighborList(Positions positions, Matrix cell, Matrix inverse, Array<const std::uint8_t, 3> pbc,
                 Array<const Index, -1> species, double reach) {
        const nb::gil_scoped_release release;
        const Frame frame{positions.data(), cell.data(), inverse.data(), pbc.data(), species.data(),
                          static_cast<Index>(species.shape(0))};
        Wrapped wrapped = wrap(frame);
        Ghosts ghosts = lay_out(frame, wrapped, reach);
        first_.assign(1, 0);
        for_each_neighbor(
            wrapped, ghosts, reach,
            [&](Index, std::size_t g) { ghosts_.push_back(static_cast<std::int32_t>(g)); },
            [&](Index) { first_.push_back(static_cast<Index>(ghosts_.size())); });
        moves_ = std::move(wrapped.moves);
        atoms_ = std::move(ghosts.atoms);
        shifts_ = std::move(ghosts.shifts);
    }

    // Vectors, where those of each atom begin, and atoms, of the neighbours nearer than the cutoff.
    nb::tuple find(Positions positions, Matrix cell, double cutoff, int threads) const {
        const std::size_t n_atoms = moves_.size();
        std::vector<Index> first(n_atoms + 1, 0);
        const auto vectors = std::make_shared<Found>(ghosts_.size());
        {
            const nb::gil_scoped_release release;
            const std::vector<Vector> homes = homes_of(positions.data(), cell.data());
            const std::vector<Vector> places = places_of(homes, cell.data());
            // Each thread has room for all that it may find, and what it found moves up.
#pragma omp parallel for num_threads(threads) schedule(static)
            for (int part = 0; part < threads; ++part) {
                const std::size_t begin = n_atoms * part / threads, end = n_atoms * (part + 1) / threads;
                find_some(begin, end, homes, places, cutoff * cutoff, first.data(), *vectors);
            }
            join(first.data(), threads, *vectors);
        }
        const auto n_pairs = static_cast<std::size_t>(first.back());
        return nb::make_tuple(owned(vectors, vectors->vectors.get(), {n_pairs, 3}),
                              to_numpy(std::move(first), {n_atoms + 1}),
                              owned(vectors, vectors->atoms.get(), {n_pairs}));
    }

private:
    // Positions in the cells that atoms were in when the list was made.
    std::vector<Vector> homes_of(const double* positions, const double* cell) const {
        std::vector<Vector> homes;
        homes.reserve(moves_.size());
        for (const Vector& move : moves_) {
            const Vector offset = times(move, cell);
            homes.push_back({positions[0] + offset[0], positions[1] + offset[1],
                             positions[2] + offset[2]});
            positions += 3;
        }
        return homes;
    }

    std::vector<Vector> places_of(const std::vector<Vector>& homes, const double* cell) const {
        std::vector<Vector> places;
        places.reserve(atoms_.size());
        for (std::size_t g = 0; g < atoms_.size(); ++g) {
            const Vector &r = homes[atoms_[g]], offset = times(shifts_[g], cell);
            places.push_back({r[0] + offset[0], r[1] + offset[1], r[2] + offset[2]});
        }
        return places;
    }

    // Room for so many neighbours; nothing is set to 0, which would take as long as finding them.
    struct Found {
        explicit Found(std::size_t n) : vectors(new double[3 * n + 1]), atoms(new Index[n + 1]) {}
        std::unique_ptr<double[]> vectors;
        std::unique_ptr<Index[]> atoms;
    };

    // Those of some atoms, from where these begin in the list; first[i + 1] becomes how many i has.
    void find_some(std::size_t begin, std::size_t end, const std::vector<Vector>& homes,
                   const std::vector<Vector>& places, double square, Index* first,
                   Found& found) const {
        Index to = first_[begin];
        for (std::size_t i = begin; i < end; ++i) {
            const Vector from = homes[i];
            const Index before = to;
            for (Index at = first_[i]; at < first_[i + 1]; ++at) {
                const std::int32_t ghost = ghosts_[at];
                const Vector& place = places[ghost];
                const double x = place[0] - from[0], y = place[1] - from[1], z = place[2] - from[2];
                double* vector = found.vectors.get() + 3 * to;
                vector[0] = x;
                vector[1] = y;
                vector[2] = z;
                found.atoms[to] = atoms_[ghost];
                // No branch, which nothing could predict.
                to += x * x + y * y + z * z < square;
            }
            first[i + 1] = to - before;
        }
    }

    void join(Index* first, int threads, Found& found) const {
        const std::size_t n_atoms = moves_.size();
        std::partial_sum(first, first + n_atoms + 1, first);
        for (int part = 1; part < threads; ++part) {
            const std::size_t begin = n_atoms * part / threads, end = n_atoms * (part + 1) / threads;
            const Index from = first_[begin], to = first[begin], n = first[end] - to;
            std::memmove(found.vectors.get() + 3 * to, found.vectors.get() + 3 * from, 24 * n);
            std::memmove(found.atoms.get() + to, found.atoms.get() + from, 8 * n);
        }
    }

    template <typename T>
    static nb::object owned(const std::shared_ptr<Found>& found, T* values,
                            std::initializer_list<std::size_t> shape) {
        auto* kept = new std::shared_ptr<Found>(found);
        nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::shared_ptr<Found>*>(p); });
        return nb::cast(nb::ndarray<nb::numpy, T>(values, shape, owner));
    }

    std::vector<Vector> moves_;         // [n_atoms]
    std::vector<Index> atoms_;          // [n_ghosts]
    std::vector<Vector> shifts_;        // [n_ghosts]
    std::vector<Index> first_;          // [n_atoms + 1]
    std::vector<std::int32_t> ghosts_;  // [n_pairs]
};

}  // namespace
}  // namespace neighbors

void bind_neighbor_list(nb::module_& module) {
    using neighbors::NeighborList;
    const auto strict = nb::arg().noconvert();
    nb::class_<NeighborList>(module, "NeighborList")
        .def(nb::init<neighbors::Positions, neighbors::Matrix, neighbors::Matrix,
                      Array<const std::uint8_t, 3>, Array<const neighbors::Index, -1>, double>(),
             strict, strict, strict, strict, strict, nb::arg())
        .def("find", &NeighborList::find, strict, strict, nb::arg(), nb::arg());
}

}  // namespace amptorch
