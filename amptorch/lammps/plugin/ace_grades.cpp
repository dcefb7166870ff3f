#include "ace_grades.h"

#include <algorithm>
#include <cmath>

namespace amptorch::plugin {
namespace {

// Two atoms, as every machine has it: compilers leave arrays of the same in memory.
using Pair = double __attribute__((vector_size(16), aligned(8)));

// Atoms that are worked on together.
constexpr Index pairs = 8, block = 2 * pairs;

// |sum_f B_f c_f|, if it is larger, into most [block], of functions B [n, block] and a column c [n].
void raise(const double* functions, const double* column, Index n, double* most) {
    Pair sums[pairs] = {};
    for (Index f = 0; f < n; ++f) {
        const auto* const values = reinterpret_cast<const Pair*>(functions + f * block);
        for (Index p = 0; p < pairs; ++p) sums[p] += column[f] * values[p];
    }
    for (Index a = 0; a < block; ++a) most[a] = std::max(most[a], std::fabs(sums[a / 2][a % 2]));
}

}  // namespace

Grades::Grades(const Entries& entries, const std::string& element)
    : columns_(entries.numbers("ace." + element + ".active").size()) {
    while (n_ * n_ < static_cast<Index>(columns_.size())) ++n_;
    const auto& inverse = entries.numbers("ace." + element + ".active");
    for (Index k = 0; k < n_ * n_; ++k) columns_[k % n_ * n_ + k / n_] = inverse[k];
    const std::string own = "ace." + element + ".function_";
    const auto &terms = entries.integers(own + "terms"), &owners = entries.integers(own + "owners");
    const auto& weights = entries.numbers(own + "weights");
    for (std::size_t k = 0; k < weights.size(); ++k) {
        parts_.push_back({terms.at(k), owners.at(k), weights[k]});
    }
    functions_.resize(block * n_);
}

void Grades::evaluate(const std::vector<Index>& atoms, const double* terms, Index n_terms,
                      double* grades) {
    const auto n_atoms = static_cast<Index>(atoms.size());
    for (Index begin = 0; begin < n_atoms; begin += block) {
        const Index number = std::min(block, n_atoms - begin);
        std::fill(functions_.begin(), functions_.end(), 0.0);
        for (Index a = 0; a < number; ++a) {
            const double* const own = terms + (begin + a) * n_terms;
            for (const Part& part : parts_) {
                functions_[part.function * block + a] += part.weight * own[part.term];
            }
        }
        double most[block] = {};
        for (Index k = 0; k < n_; ++k) {
            raise(functions_.data(), columns_.data() + k * n_, n_, most);
        }
        for (Index a = 0; a < number; ++a) grades[atoms[begin + a]] = most[a];
    }
}

}  // namespace amptorch::plugin
