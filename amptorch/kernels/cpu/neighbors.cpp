// Neighbour lists of many frames, threads over frames.
#include <limits>

#include "neighbor_search.h"

namespace amptorch {
namespace neighbors {
namespace {

// Neighbours of a frame, as in Environment.
struct Neighbors {
    std::vector<double> vectors;
    std::vector<Index> atoms;
    std::vector<Index> first;
};

Neighbors find(const Frame& frame, double cutoff) {
    Neighbors out;
    out.first.assign(1, 0);
    if (frame.n_atoms == 0) return out;
    const Wrapped wrapped = wrap(frame);
    const Ghosts ghosts = lay_out(frame, wrapped, cutoff);
    for_each_neighbor(
        wrapped, ghosts, cutoff,
        [&](Index i, std::size_t g) {
            const Vector &r = wrapped.positions[i], &p = ghosts.positions[g];
            out.vectors.insert(out.vectors.end(), {p[0] - r[0], p[1] - r[1], p[2] - r[2]});
            out.atoms.push_back(ghosts.atoms[g]);
        },
        [&](Index) { out.first.push_back(static_cast<Index>(out.atoms.size())); });
    return out;
}

nb::list find_all(Array<const double, -1, 3> positions, Array<const double, -1, 3, 3> cells,
                  Array<const double, -1, 3, 3> inverses, Array<const std::uint8_t, -1, 3> pbc,
                  Array<const Index, -1> species, Array<const Index, -1> first_atoms,
                  double cutoff, int threads) {
    const auto n_frames = static_cast<Index>(cells.shape(0));
    std::vector<Neighbors> found(n_frames);
    {
        nb::gil_scoped_release release;
        const Index* first = first_atoms.data();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (Index k = 0; k < n_frames; ++k) {
            const Frame frame{positions.data() + 3 * first[k], cells.data() + 9 * k,
                              inverses.data() + 9 * k,         pbc.data() + 3 * k,
                              species.data() + first[k],       first[k + 1] - first[k]};
            found[k] = find(frame, cutoff);
        }
    }
    nb::list results;
    for (Neighbors& each : found) {
        const std::size_t n_pairs = each.atoms.size(), n_first = each.first.size();
        results.append(nb::make_tuple(to_numpy(std::move(each.vectors), {n_pairs, 3}),
                                      to_numpy(std::move(each.first), {n_first}),
                                      to_numpy(std::move(each.atoms), {n_pairs})));
    }
    return results;
}

// The shortest vector and its length; -1 and infinity where there is none.
nb::tuple find_nearest(Array<const double, -1, 3> vectors) {
    Index nearest = -1;
    double least = std::numeric_limits<double>::infinity();
    const double* r = vectors.data();
    for (Index pair = 0; pair < static_cast<Index>(vectors.shape(0)); ++pair, r += 3) {
        const double square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
        if (square < least) {
            least = square;
            nearest = pair;
        }
    }
    return nb::make_tuple(nearest, std::sqrt(least));
}

}  // namespace
}  // namespace neighbors

void bind_neighbors(nb::module_& module) {
    module.def("find_neighbors", &neighbors::find_all, nb::arg().noconvert(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg(), nb::arg());
    module.def("find_nearest", &neighbors::find_nearest, nb::arg().noconvert());
}

}  // namespace amptorch
