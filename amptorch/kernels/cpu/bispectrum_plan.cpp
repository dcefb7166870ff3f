#include "bispectrum_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace amptorch::bispectrum {
namespace {

// Elements of one half in the rows before b.
int half_row(int j, int b) {
    int before = 0;
    for (int row = 0; row < b; ++row) before += j - row + (2 * row <= j ? 1 : 0);
    return before;
}

Level level(int j, int full, int half) {
    const int n_half = half_row(j, j + 1);
    return {full, half, n_half, j % 2 ? -1 : half_row(j, j / 2) + j / 2};
}

// (p_n / p_(n-1))^2 at equal P.
double step(int n, int K, int L) {
    return n == 0 ? 1 : double(n) * (n + K + L) / (double(n + K) * (n + L));
}

// The recurrence of P^(L, K)_n, brought to the normalized polynomials.
Recurrence<double> recurrence(int n, int K, int L) {
    if (n == 0) {
        double binomial = 1;
        for (int i = 1; i <= K; ++i) binomial *= double(L + i) / i;
        return {0, std::sqrt(binomial), 0};
    }
    const double scale = std::sqrt(step(n, K, L));
    if (n == 1) return {scale * (K + L + 2) / 2, scale * (L - K) / 2, 0};
    const double s = 2 * n - 2 + K + L, below = 2.0 * n * (n + K + L) * s;
    const double a = (s + 1) * (s + 2) * s / below, b = (s + 1) * (L - K) * (L + K) / below;
    const double c = 2.0 * (n - 1 + L) * (n - 1 + K) * (s + 2) / below;
    return {scale * a, scale * b, scale * std::sqrt(step(n - 1, K, L)) * c};
}

// A density of one element: two numbers that are sorted by the angular momentum first.
using Channel = std::pair<int, int>;

// Entry of each couple (j1, j2) and product by (j1, e1, j2, e2, j): the first one of j2 <= j1.
class ProductIndex {
public:
    ProductIndex(const std::vector<Couple>& couples, int twojmax, int n_densities)
        : n_levels_(twojmax + 1), n_densities_(n_densities) {
        const int n = n_levels_ * n_densities_;
        first_.assign(static_cast<std::size_t>(n) * static_cast<std::size_t>(n), {-1, 0});
        for (const Couple& c : couples) {
            const int top = std::min(twojmax, c.j1 + c.j2);
            first_[at({c.j1, c.density1}, {c.j2, c.density2})] = {
                c.first_product, (c.j1 + c.j2 - top) % 2 ? top - 1 : top};
        }
    }

    int operator()(Channel x, Channel y, int j) const {
        if (x < y) std::swap(x, y);
        const auto [first, top] = first_[at(x, y)];
        return first + (top - j) / 2;
    }

private:
    std::size_t at(Channel x, Channel y) const {
        const int n = n_levels_ * n_densities_;
        return static_cast<std::size_t>((x.first * n_densities_ + x.second) * n +
                                        y.first * n_densities_ + y.second);
    }

    int n_levels_, n_densities_;
    std::vector<std::pair<int, int>> first_;
};

struct Component {
    int j1, j2, j;
};

std::vector<Component> components(int twojmax) {
    std::vector<Component> found;
    for (int j1 = 0; j1 <= twojmax; ++j1) {
        for (int j2 = 0; j2 <= j1; ++j2) {
            for (int j = j1 - j2; j <= std::min(twojmax, j1 + j2); j += 2) {
                if (j >= j1) found.push_back({j1, j2, j});
            }
        }
    }
    return found;
}

// A term, and the product that it is of.
template <typename T>
using Placed = std::pair<int, Term<T>>;

template <typename T>
std::vector<Term<T>> by_product(std::vector<Placed<T>>& placed, std::vector<Product<T>>& products,
                                int Product<T>::*first, int Product<T>::*count) {
    std::stable_sort(placed.begin(), placed.end(), [](const Placed<T>& x, const Placed<T>& y) {
        return std::pair(x.first, x.second.density) < std::pair(y.first, y.second.density);
    });
    std::vector<Term<T>> terms;
    for (const auto& [product, term] : placed) {
        Product<T>& owner = products[static_cast<std::size_t>(product)];
        if (owner.*count == 0) owner.*first = static_cast<int>(terms.size());
        ++(owner.*count);
        terms.push_back(term);
    }
    return terms;
}

}  // namespace

template <typename T>
Plan<T>::Plan(const Parameters& parameters, const Index* touch, int n_touched)
    : twojmax_(parameters.twojmax), n_densities_(parameters.chemical ? parameters.n_species : 1) {
    add_levels();
    add_polynomials();
    add_kinds(parameters);
    add_products(parameters);
    add_terms(parameters);
    if (touch) add_gradients(touch, n_touched);
}

template <typename T>
void Plan<T>::add_levels() {
    for (int j = 0; j <= twojmax_; ++j) {
        levels_.push_back(level(j, n_full_, n_half_));
        n_full_ += (j + 1) * (j + 1);
        n_half_ += levels_.back().n_half;
    }
}

template <typename T>
void Plan<T>::add_polynomials() {
    for (int L = 0; L <= twojmax_; ++L) {
        for (int K = twojmax_ - L; K >= 0; --K) add_polynomials(K, L);
    }
}

template <typename T>
void Plan<T>::add_polynomials(int K, int L) {
    for (int n = 0; K + L + 2 * n <= twojmax_; ++n) {
        const Recurrence<double> r = recurrence(n, K, L);
        recurrences_.push_back({static_cast<T>(r.a), static_cast<T>(r.b), static_cast<T>(r.c)});
        const int j = K + L + 2 * n;
        const Level& at = levels_[static_cast<std::size_t>(j)];
        for (const int l : {L, -L}) {
            const int b = (j - K - l) / 2, a = (j - K + l) / 2;
            const bool second = places_.size() % 2, absent = second && (K == 0 || L == 0);
            if (absent) {
                places_.push_back({-1, -1, -1, 0});
            } else {
                places_.push_back({at.full + b * (j + 1) + a, at.full + (j - b) * (j + 1) + j - a,
                                   at.half + half_row(j, b) + a, (a - b) % 2 ? -1 : 1});
            }
        }
    }
}

template <typename T>
void Plan<T>::add_kinds(const Parameters& parameters) {
    const int n = parameters.n_species;
    for (int pair = 0; pair < n * n; ++pair) {
        const double* values = parameters.pairs + 3 * pair;
        // An inner switch without width is a step.
        const double inverse_width = values[2] > 0 ? 1 / values[2] : 1e30;
        kinds_.push_back({static_cast<T>(values[0]),
                          static_cast<T>(1 / (values[0] - parameters.rmin0)),
                          static_cast<T>(values[1]), static_cast<T>(inverse_width),
                          static_cast<T>(parameters.weights[pair % n])});
    }
}

template <typename T>
void Plan<T>::add_products(const Parameters& parameters) {
    std::vector<std::array<int, 3>> starts;  // j1, j2 and the first product of each couple of levels
    for (int j1 = 0; j1 <= twojmax_; ++j1) {
        for (int j2 = 0; j2 <= j1; ++j2) {
            starts.push_back({j1, j2, static_cast<int>(products_.size())});
            for (int j = j1 - j2; j <= std::min(twojmax_, j1 + j2); j += 2) add_product(j1, j2, j);
        }
    }
    // Pointers only now, as the tables no longer grow.
    const double* values = parameters.couplings;
    couplings_.assign(values, values + rows_.back());
    std::vector<Product<T>> one_density = std::move(products_);
    products_.clear();
    const int* rows = rows_.data();
    for (Product<T>& product : one_density) {
        product.couplings = couplings_.data();
        product.rows = rows;
        rows += product.j + 2;
    }
    for (std::size_t at = 0; at < starts.size(); ++at) {
        const auto [j1, j2, first] = starts[at];
        const std::size_t end =
            at + 1 < starts.size() ? static_cast<std::size_t>(starts[at + 1][2]) : one_density.size();
        for (int e1 = 0; e1 < n_densities_; ++e1) {
            for (int e2 = 0; e2 < (j1 == j2 ? e1 + 1 : n_densities_); ++e2) {
                Couple couple{j1, e1, j2, e2, static_cast<int>(products_.size()), 0, 0};
                for (std::size_t p = end; p-- > static_cast<std::size_t>(first);) {
                    products_.push_back(one_density[p]);
                    products_.back().place = n_held_;
                    const int j = products_.back().j;
                    n_held_ += levels_[static_cast<std::size_t>(j)].n_half;
                    ++couple.n_products;
                    if (j >= j1) ++couple.n_values;
                }
                couples_.push_back(couple);
                most_products_ = std::max(most_products_, couple.n_products);
            }
        }
    }
}

template <typename T>
void Plan<T>::add_product(int j1, int j2, int j) {
    products_.push_back({j, nullptr, nullptr, 0, 0, 0, 0, 0});
    if (rows_.empty()) rows_.push_back(0);
    else rows_.push_back(rows_.back());
    for (int a = 0; a <= j; ++a) {
        const int total = a + (j1 + j2 - j) / 2;
        const int n = std::min(j1, total) - std::max(0, total - j2) + 1;
        rows_.push_back(rows_.back() + n);
    }
}

// B of a feature is a number times I(x, y, z), x, y, z its channels in any order, with
// I(x, y, z) = sum Z_xy V_z* / (j_z + 1) and dI/dV_z* = Z_xy / (j_z + 1).
template <typename T>
void Plan<T>::add_terms(const Parameters& parameters) {
    const std::vector<Component> all = components(twojmax_);
    const ProductIndex index(couples_, twojmax_, n_densities_);
    std::vector<Placed<T>> values, slopes;
    const int n = n_densities_;
    int feature = 0;
    for (int triple = 0; triple < n * n * n; ++triple) {
        for (const Component& each : all) {
            const std::array<Channel, 3> channels{Channel{each.j1, triple / (n * n)},
                                                  Channel{each.j2, triple / n % n},
                                                  Channel{each.j, triple % n}};
            const double scale = parameters.normalize ? 1 : each.j + 1;
            for (std::size_t at = 0; at < 3; ++at) {
                const auto [j, density] = channels[at];
                const int product =
                    index(channels[(at + 1) % 3], channels[(at + 2) % 3], j);
                const Term<T> term{density, feature, static_cast<T>(scale / (j + 1))};
                slopes.push_back({product, term});
                if (at == 2) values.push_back({product, term});
            }
            ++feature;
        }
    }
    for (const Component& each : all) {
        const double level = parameters.normalize ? 1 : each.j + 1;
        lonely_.push_back(static_cast<T>(parameters.zero ? level : 0));
    }
    values_ = by_product<T>(values, products_, &Product<T>::first_value, &Product<T>::n_values);
    slopes_ = by_product<T>(slopes, products_, &Product<T>::first_slope, &Product<T>::n_slopes);
}

// Terms of one feature, density and level are of one product and become one.
template <typename T>
void Plan<T>::add_gradients(const Index* touch, int n_touched) {
    const int n_levels = twojmax_ + 1;
    std::vector<std::vector<Slope<T>>> found(static_cast<std::size_t>(n_densities_ * n_levels));
    std::vector<int> column;
    for (int density = 0; density < n_densities_; ++density) {
        const Index* row = touch + Index(density) * n_touched;
        column.assign(static_cast<std::size_t>(*std::max_element(row, row + n_touched) + 1), -1);
        for (int at = 0; at < n_touched; ++at) column[static_cast<std::size_t>(row[at])] = at;
        for (const Product<T>& product : products_) {
            std::vector<Slope<T>>& slopes =
                found[static_cast<std::size_t>(density * n_levels + product.j)];
            for (int at = product.first_slope; at < product.first_slope + product.n_slopes; ++at) {
                const Term<T>& term = slopes_[static_cast<std::size_t>(at)];
                if (term.density != density) continue;
                const int place = column[static_cast<std::size_t>(term.feature)];
                const bool again = !slopes.empty() && slopes.back().column == place &&
                                   slopes.back().place == product.place;
                if (again) slopes.back().factor += term.factor;
                else slopes.push_back({place, product.place, term.factor});
            }
        }
    }
    first_gradient_.push_back(0);
    for (const std::vector<Slope<T>>& slopes : found) {
        gradients_.insert(gradients_.end(), slopes.begin(), slopes.end());
        first_gradient_.push_back(static_cast<Index>(gradients_.size()));
    }
}

template <typename T>
Tables<T> Plan<T>::tables() const {
    return {recurrences_.data(),
            places_.data(),
            levels_.data(),
            kinds_.data(),
            couples_.data(),
            products_.data(),
            values_.data(),
            slopes_.data(),
            gradients_.data(),
            first_gradient_.data(),
            lonely_.data(),
            twojmax_,
            n_densities_,
            static_cast<int>(lonely_.size()),
            static_cast<int>(recurrences_.size()),
            n_full_,
            n_half_,
            static_cast<int>(couples_.size()),
            n_held_,
            most_products_};
}

template class Plan<double>;
template class Plan<float>;

}  // namespace amptorch::bispectrum
