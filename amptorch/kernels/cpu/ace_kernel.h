// The kernel of one instruction set: as many atoms as a vector has lanes, an atom a lane.
// A source file sets AMPTORCH_ISA and AMPTORCH_SIMD_BYTES, switches the compiler to the
// instruction set, and includes this: all code lies in the namespace of the instruction set, so
// that the linker never mixes them up.

namespace amptorch::ace::AMPTORCH_ISA {

#include "simd.h"
#include "ace_embedding.h"

constexpr double root_4pi = 3.5449077018110318, root_2pi = 2.5066282746310002;

// Places of nodes: first 1, then for each element of neighbours the sums of radial functions and the
// contracted ones, by n, l, and m from -l to l.
struct Places {
    Sizes sizes;

    int columns() const { return (sizes.l_max + 1) * (sizes.l_max + 1); }
    int of_element() const { return sizes.n_radial + sizes.n_max * columns(); }
    int first(int mu) const { return 1 + mu * of_element(); }
    int contracted(int mu, int n) const { return first(mu) + sizes.n_radial + n * columns(); }
    int n_leaves() const { return first(sizes.n_elements); }
    int feature(int mu, int k) const { return (mu * sizes.n_radial + k) * sizes.harmonics; }
};

template <typename T>
struct Complex {
    Vec<T> re, im;
};

template <typename T>
struct Block {
    const Task<T>& task;
    const Element<T>& element;
    const Places places;
    Complex<T>*values, *slopes;  // of nodes
    Vec<T>*features, *pulled, *densities;

    Block(const Task<T>& task, T* scratch)
        : task(task), element(task.element), places{task.sizes} {
        const int n = places.n_leaves() + element.n_nodes;
        values = reinterpret_cast<Complex<T>*>(scratch);
        slopes = values + n;
        features = reinterpret_cast<Vec<T>*>(slopes + n);
        pulled = features + task.n_features;
        densities = pulled + task.n_features;
    }

    static Index size(const Task<T>& task) {
        const Index n = Places{task.sizes}.n_leaves() + task.element.n_nodes;
        return (4 * n + 2 * task.n_features + 2 * task.element.n_densities) * width<T>;
    }

    void read(Index begin, int number, const T* all, Vec<T>* into) const {
        for (int lane = 0; lane < width<T>; ++lane) {
            const Index atom = task.atoms[begin + (lane < number ? lane : 0)];
            const T* from = all + atom * task.n_features;
            T* to = reinterpret_cast<T*>(into) + lane;
            for (int f = 0; f < task.n_features; ++f) to[f * width<T>] = from[f];
        }
    }

    // Harmonic i of l of function n: sums over radial functions, or back.
    const T* weights(int mu, int l, int n) const {
        const Sizes& s = task.sizes;
        return element.radial + ((mu * (s.l_max + 1) + l) * s.n_max + n) * s.n_radial;
    }

    // Leaves, but for the first, from features.
    void contract(const Vec<T>* from, Complex<T>* to) const {
        const Sizes& s = task.sizes;
        for (int mu = 0; mu < s.n_elements; ++mu) {
            for (int k = 0; k < s.n_radial; ++k) {
                to[places.first(mu) + k] = {T(root_4pi) * from[places.feature(mu, k)], Vec<T>{}};
            }
            for (int n = 0; n < s.n_max; ++n) {
                for (int l = 0; l <= s.l_max; ++l) contract(mu, n, l, from, to);
            }
        }
    }

    void contract(int mu, int n, int l, const Vec<T>* from, Complex<T>* all) const {
        const T* c = weights(mu, l, n);
        const int center = l * (l + 1);
        const auto sum = [&](int i) {
            Vec<T> total{};
            for (int k = 0; k < task.sizes.n_radial; ++k) {
                total += c[k] * from[places.feature(mu, k) + i];
            }
            return total;
        };
        Complex<T>* to = all + places.contracted(mu, n) + center;
        to[0] = {T(root_4pi) * sum(center), Vec<T>{}};
        for (int m = 1; m <= l; ++m) {
            const Vec<T> re = T(root_2pi) * sum(center + m), im = T(root_2pi) * sum(center - m);
            to[m] = m % 2 ? Complex<T>{-re, -im} : Complex<T>{re, im};
            to[-m] = {re, -im};
        }
    }

    void multiply() {
        Complex<T>* to = values + places.n_leaves();
        const int* node = element.nodes;
        for (int i = 0; i < element.n_nodes; ++i, node += 2) {
            const Complex<T> a = values[node[0]], b = values[node[1]];
            to[i] = {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
        }
    }

    // All nodes.
    void evaluate(Index begin, int number) {
        read(begin, number, task.features, features);
        values[0] = {broadcast<T>(1), Vec<T>{}};
        contract(features, values);
        multiply();
    }

    template <int n>
    void sum_densities() {
        Vec<T> sums[n] = {};
        const int* term = element.terms;
        const T* c = element.coefficients;
        for (int i = 0; i < element.n_terms; ++i, term += 2, c += n) {
            const Complex<T> a = values[term[0]], b = values[term[1]];
            const Vec<T> product = a.re * b.re - a.im * b.im;
            for (int p = 0; p < n; ++p) sums[p] += c[p] * product;
        }
        for (int p = 0; p < n; ++p) densities[p] = sums[p];
    }

    void write_terms(Index begin, int number, T* rows) const {
        const int* term = element.terms;
        for (int i = 0; i < element.n_terms; ++i, term += 2) {
            const Complex<T> a = values[term[0]], b = values[term[1]];
            const Vec<T> product = a.re * b.re - a.im * b.im;
            for (int lane = 0; lane < number; ++lane) {
                rows[(begin + lane) * element.n_terms + i] = product[lane];
            }
        }
    }

    // Weights are slopes of the energy in the densities.
    template <int n>
    void pull_terms() {
        Vec<T> weights[n];
        for (int p = 0; p < n; ++p) weights[p] = densities[p];
        const T* c = element.coefficients;
        for_terms([&](int first, int begin, int end) {
            const Complex<T> a = values[first];
            Complex<T> sum{};
            for (int i = begin; i < end; ++i, c += n) {
                Vec<T> g = c[0] * weights[0];
                for (int p = 1; p < n; ++p) g += c[p] * weights[p];
                const int second = element.terms[2 * i + 1];
                const Complex<T> b = values[second];
                sum.re += g * b.re;
                sum.im -= g * b.im;
                Complex<T>& right = slopes[second];
                right.re += g * a.re;
                right.im -= g * a.im;
            }
            slopes[first].re += sum.re;
            slopes[first].im += sum.im;
        });
    }

    // Calls each(first, begin, end) for terms of one first node that lie one after the other.
    template <typename Each>
    AMPTORCH_INLINE void for_terms(const Each& each) const {
        const int *term = element.terms, n = element.n_terms;
        for (int begin = 0, end = 0; begin < n; begin = end) {
            while (end < n && term[2 * end] == term[2 * begin]) ++end;
            each(term[2 * begin], begin, end);
        }
    }

    void pull_nodes() {
        const int first = places.n_leaves();
        for (int i = element.n_nodes - 1; i >= 0; --i) {
            const int *node = element.nodes + 2 * i;
            const Complex<T> g = slopes[first + i], a = values[node[0]], b = values[node[1]];
            Complex<T>& left = slopes[node[0]];
            left.re += g.re * b.re + g.im * b.im;
            left.im += g.im * b.re - g.re * b.im;
            Complex<T>& right = slopes[node[1]];
            right.re += g.re * a.re + g.im * a.im;
            right.im += g.im * a.re - g.re * a.im;
        }
    }

    void pull_contraction() {
        const Sizes& s = task.sizes;
        for (int f = 0; f < task.n_features; ++f) pulled[f] = Vec<T>{};
        for (int mu = 0; mu < s.n_elements; ++mu) {
            for (int k = 0; k < s.n_radial; ++k) {
                pulled[places.feature(mu, k)] = T(root_4pi) * slopes[places.first(mu) + k].re;
            }
            for (int n = 0; n < s.n_max; ++n) {
                for (int l = 0; l <= s.l_max; ++l) pull_contraction(mu, n, l);
            }
        }
    }

    void pull_contraction(int mu, int n, int l) {
        const T* c = weights(mu, l, n);
        for_harmonics(mu, n, l, slopes, [&](int i, Vec<T> slope) {
            for (int k = 0; k < task.sizes.n_radial; ++k) {
                pulled[places.feature(mu, k) + i] += c[k] * slope;
            }
        });
    }

    // Calls each(i, slope) with what contracted slopes are of the real harmonics i of l.
    template <typename Each>
    AMPTORCH_INLINE void for_harmonics(int mu, int n, int l, const Complex<T>* all,
                                       const Each& each) const {
        const int center = l * (l + 1);
        const Complex<T>* from = all + places.contracted(mu, n) + center;
        each(center, T(root_4pi) * from[0].re);
        for (int m = 1; m <= l; ++m) {
            const T sign = m % 2 ? -1 : 1;
            each(center + m, T(root_2pi) * (sign * from[m].re + from[-m].re));
            each(center - m, T(root_2pi) * (sign * from[m].im - from[-m].im));
        }
    }

    // Leaves slopes of the energy where the densities were.
    void embed_all(Index begin, int number) {
        const int n = element.n_densities;
        T* of = reinterpret_cast<T*>(densities);
        double* own = reinterpret_cast<double*>(densities + n);
        for (int lane = 0; lane < width<T>; ++lane) {
            double core[2], slopes[64];
            for (int p = 0; p < n; ++p) own[p] = of[p * width<T> + lane];
            const Vec<T>* last = features + task.n_features - 2;
            const double energy = embed(task, own, last[0][lane], last[1][lane], slopes, core);
            if (lane < number) task.energies[task.atoms[begin + lane]] = T(energy);
            for (int p = 0; p < n; ++p) of[p * width<T> + lane] = T(slopes[p]);
            for (int a = 0; a < 2; ++a) cores[a][lane] = T(core[a]);
        }
    }

    void write(Index begin, int number) {
        const int n = task.n_features;
        pulled[n - 2] = cores[0];
        pulled[n - 1] = cores[1];
        for (int lane = 0; lane < number; ++lane) {
            T* to = task.gradient + task.atoms[begin + lane] * n;
            const T* from = reinterpret_cast<const T*>(pulled) + lane;
            for (int f = 0; f < n; ++f) to[f] = from[f * width<T>];
        }
    }

    template <int n>
    void run(Index begin, int number) {
        evaluate(begin, number);
        sum_densities<n>();
        embed_all(begin, number);
        if (!task.gradient) return;
        const int n_all = places.n_leaves() + element.n_nodes;
        for (int i = 0; i < n_all; ++i) slopes[i].re = slopes[i].im = Vec<T>{};
        pull_terms<n>();
        pull_nodes();
        pull_contraction();
        write(begin, number);
    }

    Vec<T> cores[2];
};

#include "ace_derivatives.h"

template <typename T, template <typename> class Of>
void with_densities(const Task<T>& task, Index begin, int number, T* scratch) {
    Of<T> block(task, scratch);
    switch (task.element.n_densities) {
    case 1: return block.template run<1>(begin, number);
    case 2: return block.template run<2>(begin, number);
    case 3: return block.template run<3>(begin, number);
    case 4: return block.template run<4>(begin, number);
    }
}

template <typename T>
void write_terms(const Task<T>& task, Index begin, int number, T* scratch, T* rows) {
    Block<T> block(task, scratch);
    block.evaluate(begin, number);
    block.write_terms(begin, number, rows);
}

template <typename T>
constexpr Kernel<T> made() {
    return {with_densities<T, Block>, write_terms<T>, with_densities<T, Derivatives>,
            Block<T>::size,           Derivatives<T>::size, width<T>};
}

const Kernel<double> double_kernel = made<double>();
const Kernel<float> float_kernel = made<float>();

}  // namespace amptorch::ace::AMPTORCH_ISA
