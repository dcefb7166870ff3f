// How neighbours are found. For the bindings alone.
//
// All periodic images that can matter are laid out once per frame, sorted by species, atom and
// image; a place in this list is a "ghost". The neighbours of an atom are found by bins no narrower
// than the cutoff, marked in a bitmap over ghosts, and read off in order. No sorting per atom.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "arrays.h"

namespace amptorch::neighbors {

using Index = std::int64_t;
using Vector = std::array<double, 3>;

// One frame as Python hands it over; pointers into the arrays of all frames.
struct Frame {
    const double* positions;  // [n_atoms, 3], Å
    const double* cell;       // [3, 3], rows are vectors; orthonormal along non-periodic axes
    const double* inverse;    // [3, 3], of the cell
    const std::uint8_t* pbc;  // [3]
    const Index* species;     // [n_atoms]
    Index n_atoms;
};

inline Vector times(const Vector& row, const double* matrix) {
    Vector product{};
    for (int k = 0; k < 3; ++k) {
        for (int axis = 0; axis < 3; ++axis) product[axis] += row[k] * matrix[3 * k + axis];
    }
    return product;
}

// Positions with periodic fractional coordinates moved into [0, 1), and these coordinates.
struct Wrapped {
    std::vector<Vector> positions;
    std::vector<Vector> fractions;
    std::vector<Vector> moves;  // by so many cells
};

inline Wrapped wrap(const Frame& frame) {
    Wrapped wrapped;
    for (Index i = 0; i < frame.n_atoms; ++i) {
        const double* r = frame.positions + 3 * i;
        Vector position{r[0], r[1], r[2]}, fraction = times(position, frame.inverse);
        Vector moved{};
        for (int axis = 0; axis < 3; ++axis) {
            if (frame.pbc[axis]) moved[axis] = -std::floor(fraction[axis]);
            fraction[axis] += moved[axis];
        }
        const Vector shift = times(moved, frame.cell);
        for (int axis = 0; axis < 3; ++axis) position[axis] += shift[axis];
        wrapped.positions.push_back(position);
        wrapped.fractions.push_back(fraction);
        wrapped.moves.push_back(moved);
    }
    return wrapped;
}

// Images within the cutoff of the atoms' extent along the periodic axes.
struct Ghosts {
    std::vector<Vector> positions;
    std::vector<Index> atoms;
    std::vector<Vector> shifts;  // by so many cells
    std::vector<Index> home;     // [n_atoms], the ghost that is the atom itself
};

struct Extent {
    Vector low, high;
    std::array<Index, 3> images;  // shifts go from -images to images
};

inline Extent extent_of(const Frame& frame, const Wrapped& wrapped, double cutoff) {
    Extent extent{};
    if (frame.n_atoms) extent.low = extent.high = wrapped.fractions[0];
    for (const Vector& fraction : wrapped.fractions) {
        for (int axis = 0; axis < 3; ++axis) {
            extent.low[axis] = std::min(extent.low[axis], fraction[axis]);
            extent.high[axis] = std::max(extent.high[axis], fraction[axis]);
        }
    }
    for (int axis = 0; axis < 3; ++axis) {
        if (!frame.pbc[axis]) continue;
        // Column of the inverse: its length is one over the height of the cell along this axis.
        const double* column = frame.inverse + axis;
        const double reach = cutoff * std::hypot(column[0], column[3], column[6]);
        extent.images[axis] = static_cast<Index>(reach) + 1;
        extent.low[axis] -= reach;
        extent.high[axis] += reach;
    }
    return extent;
}

inline bool within(const Vector& fraction, const Vector& shift, const Extent& extent) {
    for (int axis = 0; axis < 3; ++axis) {
        const double value = fraction[axis] + shift[axis];
        if (value < extent.low[axis] || value > extent.high[axis]) return false;
    }
    return true;
}

inline Ghosts lay_out(const Frame& frame, const Wrapped& wrapped, double cutoff) {
    const Extent extent = extent_of(frame, wrapped, cutoff);
    std::vector<Vector> shifts, offsets;
    for (Index a = -extent.images[0]; a <= extent.images[0]; ++a) {
        for (Index b = -extent.images[1]; b <= extent.images[1]; ++b) {
            for (Index c = -extent.images[2]; c <= extent.images[2]; ++c) {
                shifts.push_back({double(a), double(b), double(c)});
                offsets.push_back(times(shifts.back(), frame.cell));
            }
        }
    }
    const std::size_t none = shifts.size() / 2;  // the shift by zero is in the middle
    std::vector<Index> order(frame.n_atoms);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) {
        return frame.species[i] < frame.species[j];
    });
    Ghosts ghosts;
    ghosts.home.resize(frame.n_atoms);
    for (const Index atom : order) {
        const Vector& r = wrapped.positions[atom];
        for (std::size_t s = 0; s < shifts.size(); ++s) {
            if (!within(wrapped.fractions[atom], shifts[s], extent)) continue;
            if (s == none) ghosts.home[atom] = static_cast<Index>(ghosts.atoms.size());
            const Vector& offset = offsets[s];
            ghosts.positions.push_back({r[0] + offset[0], r[1] + offset[1], r[2] + offset[2]});
            ghosts.atoms.push_back(atom);
            ghosts.shifts.push_back(shifts[s]);
        }
    }
    return ghosts;
}

// Ghosts by bins of a Cartesian grid, bins no narrower than the cutoff.
class Bins {
  public:
    Bins(const Ghosts& ghosts, double cutoff) {
        if (ghosts.atoms.empty()) return;
        low_ = high_ = ghosts.positions[0];
        for (const Vector& r : ghosts.positions) {
            for (int axis = 0; axis < 3; ++axis) {
                low_[axis] = std::min(low_[axis], r[axis]);
                high_[axis] = std::max(high_[axis], r[axis]);
            }
        }
        const double widest = std::cbrt(static_cast<double>(ghosts.positions.size())) + 1.0;
        for (int axis = 0; axis < 3; ++axis) {
            // Not more bins than ghosts, however far apart these are.
            const double fitting = (high_[axis] - low_[axis]) / cutoff;
            counts_[axis] = std::max<Index>(1, static_cast<Index>(std::min(fitting, widest)));
        }
        fill(ghosts);
    }

    // Calls visit(begin, end) for ranges of places in the arrays below that hold all neighbours.
    template <typename Visit>
    void around(const Vector& position, Visit visit) const {
        const auto [x, y, z] = bin_of(position);
        for (Index a = std::max<Index>(x - 1, 0); a <= std::min(x + 1, counts_[0] - 1); ++a) {
            for (Index b = std::max<Index>(y - 1, 0); b <= std::min(y + 1, counts_[1] - 1); ++b) {
                const Index row = (a * counts_[1] + b) * counts_[2];
                const Index from = std::max<Index>(z - 1, 0);
                const Index to = std::min(z + 1, counts_[2] - 1);
                visit(begin_[row + from], begin_[row + to + 1]);
            }
        }
    }

    std::vector<double> x, y, z;
    std::vector<Index> ghost;

  private:
    std::array<Index, 3> bin_of(const Vector& position) const {
        std::array<Index, 3> bin{};
        for (int axis = 0; axis < 3; ++axis) {
            const double width = (high_[axis] - low_[axis]) / double(counts_[axis]);
            const double place = width > 0 ? (position[axis] - low_[axis]) / width : 0.0;
            bin[axis] = std::clamp<Index>(static_cast<Index>(place), 0, counts_[axis] - 1);
        }
        return bin;
    }

    void fill(const Ghosts& ghosts) {
        const std::size_t n = ghosts.positions.size();
        begin_.assign(counts_[0] * counts_[1] * counts_[2] + 1, 0);
        std::vector<Index> bins(n);
        for (std::size_t g = 0; g < n; ++g) {
            const auto [a, b, c] = bin_of(ghosts.positions[g]);
            bins[g] = (a * counts_[1] + b) * counts_[2] + c;
            ++begin_[bins[g] + 1];
        }
        std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
        std::vector<Index> next(begin_.begin(), begin_.end() - 1);
        for (auto* values : {&x, &y, &z}) values->resize(n);
        ghost.resize(n);
        for (std::size_t g = 0; g < n; ++g) {
            const Index place = next[bins[g]]++;
            x[place] = ghosts.positions[g][0];
            y[place] = ghosts.positions[g][1];
            z[place] = ghosts.positions[g][2];
            ghost[place] = static_cast<Index>(g);
        }
    }

    Vector low_, high_;
    std::array<Index, 3> counts_{};
    std::vector<Index> begin_;
};

// Sets the bits of the ghosts closer to r than the cutoff.
inline void mark(const Bins& bins, const Vector& r, double cutoff, std::vector<std::uint64_t>& bits) {
    bins.around(r, [&](Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
            const double dx = bins.x[k] - r[0], dy = bins.y[k] - r[1], dz = bins.z[k] - r[2];
            const std::uint64_t near = dx * dx + dy * dy + dz * dz < cutoff * cutoff;
            bits[bins.ghost[k] >> 6] |= near << (bins.ghost[k] & 63);
        }
    });
}

inline int trailing_zeros(std::uint64_t word) {
#if defined(__GNUC__)
    return __builtin_ctzll(word);
#else
    int count = 0;
    for (; !(word & 1); word >>= 1) ++count;
    return count;
#endif
}

// Calls visit(ghost) for those whose bits are set, in order, and clears the bits.
template <typename Visit>
void read_off(std::vector<std::uint64_t>& bits, Visit visit) {
    // Few words of a large frame have any, so some are looked at together.
    constexpr std::size_t together = 4;
    for (std::size_t begin = 0; begin < bits.size(); begin += together) {
        const std::uint64_t* some = bits.data() + begin;
        if (!(some[0] | some[1] | some[2] | some[3])) continue;
        for (std::size_t w = begin; w < begin + together; ++w) {
            for (std::uint64_t word = bits[w]; word; word &= word - 1) {
                visit(64 * w + trailing_zeros(word));
            }
            bits[w] = 0;
        }
    }
}

// Ghosts near atoms, those of one atom after those of another.
struct Near {
    std::vector<Index> first{0};  // [n_atoms + 1]
    std::vector<std::int32_t> ghosts;
};

// Where blocks of the atoms from begin to end begin, that keep all threads busy to the end.
inline std::vector<Index> blocks_of(Index begin, Index end, int threads) {
    const Index n = end - begin, size = threads > 1 ? std::max<Index>(n / (8 * threads), 64) : n;
    std::vector<Index> borders{begin};
    while (borders.back() < end) borders.push_back(std::min(borders.back() + size, end));
    return borders;
}

// Calls work(block, begin, end) for all blocks.
template <typename Work>
void for_each_block(const std::vector<Index>& borders, int threads, Work work) {
    const auto n = static_cast<Index>(borders.size()) - 1;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (Index block = 0; block < n; ++block) work(block, borders[block], borders[block + 1]);
}

// A frame made ready for looking for the neighbours of any of its atoms.
class Search {
  public:
    Search(const Frame& frame, double cutoff)
        : wrapped(wrap(frame)), ghosts(lay_out(frame, wrapped, cutoff)), cutoff_(cutoff),
          bins_(ghosts, cutoff) {}

    Near near(Index begin, Index end, int threads) const {
        const std::vector<Index> borders = blocks_of(begin, end, threads);
        std::vector<Near> parts(borders.size() - 1);
        for_each_block(borders, threads, [&](Index block, Index from, Index to) {
            parts[block] = near(from, to);
        });
        if (parts.size() == 1) return std::move(parts[0]);
        Near joined;
        for (const Near& part : parts) {
            const auto before = static_cast<Index>(joined.ghosts.size());
            for (std::size_t k = 1; k < part.first.size(); ++k) {
                joined.first.push_back(before + part.first[k]);
            }
            joined.ghosts.insert(joined.ghosts.end(), part.ghosts.begin(), part.ghosts.end());
        }
        return joined;
    }

    Wrapped wrapped;
    Ghosts ghosts;

  private:
    Near near(Index begin, Index end) const {
        Near found;
        std::vector<std::uint64_t> bits((ghosts.atoms.size() / 256 + 1) * 4, 0);
        for (Index i = begin; i < end; ++i) {
            mark(bins_, wrapped.positions[i], cutoff_, bits);
            bits[ghosts.home[i] >> 6] &= ~(std::uint64_t{1} << (ghosts.home[i] & 63));
            read_off(bits, [&](std::size_t ghost) {
                found.ghosts.push_back(static_cast<std::int32_t>(ghost));
            });
            found.first.push_back(static_cast<Index>(found.ghosts.size()));
        }
        return found;
    }

    double cutoff_;
    Bins bins_;
};

// Room for so many neighbours; nothing is set to 0, which would take as long as finding them.
struct Found {
    explicit Found(std::size_t n) : vectors(new double[3 * n + 1]), atoms(new Index[n + 1]) {}

    void put(Index to, const Vector& from, const Vector& place, Index atom) const {
        for (int axis = 0; axis < 3; ++axis) vectors[3 * to + axis] = place[axis] - from[axis];
        atoms[to] = atom;
    }

    std::unique_ptr<double[]> vectors;
    std::unique_ptr<Index[]> atoms;
};

// A numpy array of memory that is part of something, which lives as long.
template <typename T, typename Whole>
nb::object part_of(const std::shared_ptr<Whole>& whole, T* values,
                   std::initializer_list<std::size_t> shape) {
    auto* kept = new std::shared_ptr<Whole>(whole);
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::shared_ptr<Whole>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T>(values, shape, owner));
}

// Vectors, where those of each atom begin, and atoms, as in Environment.
struct Neighbors {
    std::vector<Index> first;
    std::shared_ptr<Found> found;

    nb::tuple to_python() const {
        const auto kept = std::make_shared<std::vector<Index>>(first);
        const auto n_pairs = static_cast<std::size_t>(first.back());
        return nb::make_tuple(part_of(found, found->vectors.get(), {n_pairs, 3}),
                              part_of(kept, kept->data(), {kept->size()}),
                              part_of(found, found->atoms.get(), {n_pairs}));
    }
};

}  // namespace amptorch::neighbors
