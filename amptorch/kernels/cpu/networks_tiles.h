// Atoms in tiles, and the kernel that works on them. Not for kernels, see dispatch.h.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "aligned.h"
#include "dispatch.h"
#include "networks.h"

namespace amptorch::networks {

template <typename T>
const Kernels<T>& kernels() {
    return AMPTORCH_KERNEL(T, Kernels, of_double, of_float);
}

// Those with wider vectors, of some activations.
template <typename T>
Kernels<T> wide_kernels() {
#ifdef AMPTORCH_HAS_AVX512
    if (uses_avx512()) return AMPTORCH_OF_TYPE(T, Kernels, avx512::of_double, avx512::of_float);
#endif
    return {};
}

template <typename T>
const Kernel<T>& kernel(const std::string& activation) {
    for (const Kernels<T>& some : {wide_kernels<T>(), kernels<T>()}) {
        for (const Kernel<T>& each : some) {
            if (activation == each.activation) return each;
        }
    }
    throw std::invalid_argument("activation: there is no kernel for " + activation);
}

// Some atoms, and the networks that have a share in them.
struct Range {
    Index begin, end;      // in Tiles::order
    Index first, last;     // networks
};

struct Tiles {
    std::vector<Index> order;  // of the atoms
    std::vector<Range> ranges;

    void add(Index begin, Index end, Index first, Index last) {
        for (; begin < end; begin += tile_atoms) {
            ranges.push_back({begin, std::min(begin + tile_atoms, end), first, last});
        }
    }
};

// Tiles of the atoms from ``begin`` to ``end``. All networks see all atoms, unless each atom has a
// share of one network at most: then atoms of one network lie together, and others are left out.
template <typename T>
Tiles tiles_of(const T* shares, Index begin, Index end, Index n_networks, bool one_network) {
    Tiles tiles;
    tiles.order.reserve(end - begin);
    if (!one_network) {
        for (Index atom = begin; atom < end; ++atom) tiles.order.push_back(atom);
        tiles.add(0, end - begin, 0, n_networks);
        return tiles;
    }
    for (Index network = 0; network < n_networks; ++network) {
        const Index before = static_cast<Index>(tiles.order.size());
        for (Index atom = begin; atom < end; ++atom) {
            if (shares[atom * n_networks + network] != T(0)) tiles.order.push_back(atom);
        }
        tiles.add(before, static_cast<Index>(tiles.order.size()), network, network + 1);
    }
    return tiles;
}

}  // namespace amptorch::networks
