// Puts the pairs of a neighbour search into the order that the kernels read.
#include <algorithm>
#include <vector>

#include "arrays.h"

namespace amptorch {
namespace {

using Index = std::int64_t;

// The pairs of one frame as the search gives them, in any order.
struct Found {
    Array<const std::uint64_t, -1, 2> atoms;  // [n_found, 2], centre and neighbour
    Array<const std::int32_t, -1, 3> shifts;  // [n_found, 3], images in cell vectors
    Array<const double, -1, 3> vectors;       // [n_found, 3], Å
};

// first[i] .. first[i + 1] becomes the range of centre i among pairs shorter than the cutoff;
// returns these pairs, grouped by centre.
std::vector<Index> group_by_center(const Found& found, double cutoff, Index n_atoms, Index* first) {
    const auto n_found = static_cast<Index>(found.atoms.shape(0));
    const double* v = found.vectors.data();
    const std::uint64_t* atoms = found.atoms.data();
    const auto inside = [=](Index p) {
        const double *r = v + 3 * p;
        return r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < cutoff * cutoff;
    };
    std::fill(first, first + n_atoms + 1, 0);
    for (Index p = 0; p < n_found; ++p) {
        if (inside(p)) ++first[atoms[2 * p] + 1];
    }
    for (Index i = 0; i < n_atoms; ++i) first[i + 1] += first[i];
    std::vector<Index> grouped(first[n_atoms]), next(first, first + n_atoms);
    for (Index p = 0; p < n_found; ++p) {
        if (inside(p)) grouped[next[atoms[2 * p]]++] = p;
    }
    return grouped;
}

// What decides a pair's place within its centre: species of the neighbour, neighbour, image.
struct Place {
    std::uint64_t atom;
    std::uint64_t image;
    Index pair;

    bool operator<(const Place& other) const {
        return atom != other.atom ? atom < other.atom : image < other.image;
    }
};

Place place_of(const Found& found, const Index* species, Index pair) {
    const std::uint64_t j = found.atoms.data()[2 * pair + 1];
    const std::int32_t* shift = found.shifts.data() + 3 * pair;
    std::uint64_t image = 0;
    for (int axis = 0; axis < 3; ++axis) {
        image = image << 21 | static_cast<std::uint64_t>(shift[axis] + (1 << 20));
    }
    return {static_cast<std::uint64_t>(species[j]) << 40 | j, image, pair};
}

// Returns the number of pairs.
Index order_pairs(const Found& found, Array<const Index, -1> species, double cutoff,
                  Array<double, -1, 3> vectors, Array<Index, -1> neighbors,
                  Array<Index, -1> first) {
    const auto n_atoms = static_cast<Index>(species.shape(0));
    const Index* begin = first.data();
    const std::vector<Index> grouped = group_by_center(found, cutoff, n_atoms, first.data());
    std::vector<Place> places;
    for (Index i = 0; i < n_atoms; ++i) {
        places.clear();
        for (Index k = begin[i]; k < begin[i + 1]; ++k) {
            places.push_back(place_of(found, species.data(), grouped[k]));
        }
        std::sort(places.begin(), places.end());
        for (std::size_t k = 0; k < places.size(); ++k) {
            const Index row = begin[i] + static_cast<Index>(k), pair = places[k].pair;
            neighbors.data()[row] = static_cast<Index>(found.atoms.data()[2 * pair + 1]);
            std::copy_n(found.vectors.data() + 3 * pair, 3, vectors.data() + 3 * row);
        }
    }
    return begin[n_atoms];
}

}  // namespace

void bind_neighbors(nb::module_& module) {
    module.def(
        "order_pairs",
        [](Array<const std::uint64_t, -1, 2> atoms, Array<const std::int32_t, -1, 3> shifts,
           Array<const double, -1, 3> found_vectors, Array<const Index, -1> species, double cutoff,
           Array<double, -1, 3> vectors, Array<Index, -1> neighbors, Array<Index, -1> first) {
            nb::gil_scoped_release release;
            return order_pairs({atoms, shifts, found_vectors}, species, cutoff, vectors, neighbors,
                               first);
        },
        nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
        nb::arg().noconvert(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(),
        nb::arg().noconvert());
}

}  // namespace amptorch
