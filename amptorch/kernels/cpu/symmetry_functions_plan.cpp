#include "symmetry_functions_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace amptorch::symmetry {
namespace {

struct Row {
    int center, feature, kind, j, k;
    double cutoff, eta, rs, zeta, lambda, weight;
    bool shared;  // with other rows of the centre: the feature
};

Row read(const Table& table, Index row) {
    const Index* kind = table.kinds + 5 * row;
    const double* value = table.values + 6 * row;
    const int j = static_cast<int>(kind[3]), k = static_cast<int>(kind[4]);
    const bool swap = kind[2] != 2 && k < j;
    return {static_cast<int>(kind[0]), static_cast<int>(kind[1]), static_cast<int>(kind[2]),
            swap ? k : j, swap ? j : k, value[0], value[1], value[2], value[3], value[4],
            value[5], false};
}

void mark_shared(std::vector<Row>& rows) {
    std::map<std::pair<int, int>, int> counts;
    for (const Row& row : rows) ++counts[{row.center, row.feature}];
    for (Row& row : rows) row.shared = counts[{row.center, row.feature}] > 1;
}

// Rows of a group follow each other, and in it those with powers of the same base. Features that
// several groups share stand apart, so that these hold the same ones in the same order.
std::vector<Row> sorted(const Table& table) {
    std::vector<Row> rows;
    for (Index row = 0; row < table.n_functions; ++row) rows.push_back(read(table, row));
    mark_shared(rows);
    const auto key = [](const Row& row) {
        return std::tuple(row.center, row.kind, row.j, row.k, row.shared, row.cutoff, row.eta,
                          row.lambda, row.rs, row.zeta, row.feature);
    };
    std::sort(rows.begin(), rows.end(),
              [&](const Row& a, const Row& b) { return key(a) < key(b); });
    return rows;
}

// Where the feature stands in the block of a pair whose neighbour is of the given species.
int column(const Table& table, const Row& row, int neighbor) {
    const Index* begin =
        table.touch + (Index(row.center) * table.n_species + neighbor) * table.n_touched;
    return static_cast<int>(std::find(begin, begin + table.n_touched, row.feature) - begin);
}

// Hands out the slots of a centre species by species, one for each feature.
class Slots {
public:
    Slots(const Table& table, std::vector<int>& slots, std::vector<int>& n_slots)
        : table_(table), slots_(slots), n_slots_(n_slots) {}

    int of(const Row& row, int neighbor) {
        if (!table_.touch) return 0;
        const int at = neighbor * table_.n_touched + column(table_, row, neighbor);
        int& slot = slots_[static_cast<std::size_t>(at)];
        if (slot < 0) slot = n_slots_[static_cast<std::size_t>(neighbor)]++;
        return slot;
    }

    // Whether the slots of a row come next to those of a group.
    bool follow(const Group& group, int slot_j, int slot_k) const {
        return !table_.touch ||
               (slot_j == group.slot_j + group.n_terms && slot_k == group.slot_k + group.n_terms);
    }

private:
    const Table& table_;
    std::vector<int>&slots_, &n_slots_;
};

int channel(std::vector<Channel>& channels, const Row& row) {
    const auto same = [&](const Channel& c) {
        return c.cutoff == row.cutoff && c.eta == row.eta && c.rs == row.rs;
    };
    const auto found = std::find_if(channels.begin(), channels.end(), same);
    const int index = static_cast<int>(found - channels.begin());
    if (found == channels.end()) channels.push_back({row.cutoff, row.eta, row.rs});
    return index;
}

// The group that a row goes into: the last one, or a new one.
Group& group(std::vector<Group>& groups, Slots& slots, const Row& row, int channel) {
    const bool closed = row.kind == 4;
    const int slot_j = slots.of(row, row.j);
    const int slot_k = row.k == row.j ? slot_j : slots.of(row, row.k);
    if (!groups.empty()) {
        Group& last = groups.back();
        if (last.species_j == row.j && last.species_k == row.k && last.channel == channel &&
            last.closed == closed && last.n_terms < max_terms &&
            slots.follow(last, slot_j, slot_k)) {
            return last;
        }
    }
    groups.push_back({row.j, row.k, channel, 0, slot_j, slot_k, closed, closed ? -1 : 0, {}});
    return groups.back();
}

void append(Group& group, const Row& row) {
    const double zeta = row.zeta;
    const bool whole = zeta == std::floor(zeta) && zeta >= 1 && zeta < 1024;
    AngularTerm term{zeta, row.lambda, row.weight * std::exp2(1 - zeta), -1, row.feature, true};
    if (whole) {
        const AngularTerm* before = group.n_terms ? &group.terms[group.n_terms - 1] : nullptr;
        term.restart = !before || before->step < 0 || before->lambda != row.lambda;
        term.step = static_cast<int>(zeta - (term.restart ? 1 : before->zeta));
    }
    group.terms[group.n_terms++] = term;
    const bool small = whole && zeta <= max_degree;
    group.degree = small && group.degree >= 0 ? std::max(group.degree, static_cast<int>(zeta)) : -1;
}

}  // namespace

Plan::Plan(const Table& table) : centers_(static_cast<std::size_t>(table.n_species)) {
    // Also those of a species without functions are asked how many slots they have.
    for (Center& center : centers_) {
        center.slots.assign(static_cast<std::size_t>(table.n_species * table.n_touched), -1);
        center.n_slots.resize(static_cast<std::size_t>(table.n_species));
    }
    for (const Row& row : sorted(table)) {
        Center& center = centers_[static_cast<std::size_t>(row.center)];
        Slots slots(table, center.slots, center.n_slots);
        if (row.kind == 2) {
            center.radial.push_back({row.cutoff, row.eta, row.rs, row.weight, row.j,
                                     row.feature, slots.of(row, row.j)});
        } else {
            append(group(center.groups, slots, row, channel(center.channels, row)), row);
        }
    }
    for (const Center& center : centers_) {
        views_.push_back({center.radial.data(), center.channels.data(), center.groups.data(),
                          center.slots.data(), center.n_slots.data(),
                          static_cast<int>(center.radial.size()),
                          static_cast<int>(center.channels.size()),
                          static_cast<int>(center.groups.size())});
    }
}

int Plan::max_channels() const {
    std::size_t most = 0;
    for (const Center& center : centers_) most = std::max(most, center.channels.size());
    return static_cast<int>(most);
}

}  // namespace amptorch::symmetry
