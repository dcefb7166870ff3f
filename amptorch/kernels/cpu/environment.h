// The atoms and pairs of a batch of environments, and what all operations on them ask for. Without
// Python: what is included here is also built into programs that have none.
#pragma once

#include <algorithm>
#include <cstdint>

namespace amptorch {

using Index = std::int64_t;

template <typename T>
struct Environment {
    const T* vectors;        // [n_pairs, 3]
    const Index* first;      // [n_atoms + 1], where the pairs of an atom begin
    const Index* neighbors;  // [n_pairs], by species within an atom
    const Index* species;    // of atoms, then of what else is a neighbour
    Index n_atoms;
};

// Features [species of the atom, of a neighbour, n] that a neighbour changes; null but for jacobian.
struct Touch {
    const Index* table = nullptr;
    int n = 0;
};

// Most neighbours of one atom, whose pairs are those from first[i] to first[i + 1].
inline Index most_neighbors(const Index* first, Index n_atoms) {
    Index most = 0;
    for (Index i = 0; i < n_atoms; ++i) most = std::max(most, first[i + 1] - first[i]);
    return most;
}

}  // namespace amptorch
