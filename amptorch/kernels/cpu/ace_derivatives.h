// Derivatives of energies and of their slopes in the parameters: forward along changes of the
// features, then back through values and changes together.
// Included once per instruction set, inside its namespace.

template <typename T>
struct Derivatives {
    const Task<T>& task;
    const Element<T>& element;
    Block<T> block;
    const int n_nodes, first;
    Complex<T>*rates, *pulls;  // of nodes: changes, and slopes of these
    Vec<T>*changes, *own_weights, *rate_weights, *rate_densities;

    Derivatives(const Task<T>& task, T* scratch)
        : task(task), element(task.element), block(task, scratch),
          n_nodes(block.places.n_leaves() + element.n_nodes), first(block.places.n_leaves()) {
        rates = reinterpret_cast<Complex<T>*>(scratch + Block<T>::size(task));
        pulls = rates + n_nodes;
        changes = reinterpret_cast<Vec<T>*>(pulls + n_nodes);
        own_weights = changes + task.n_features;
        rate_weights = own_weights + element.n_densities;
        rate_densities = rate_weights + element.n_densities;
    }

    static Index size(const Task<T>& task) {
        const Index n = Places{task.sizes}.n_leaves() + task.element.n_nodes;
        const Index more = 4 * n + task.n_features + 3 * task.element.n_densities;
        return Block<T>::size(task) + more * width<T>;
    }

    static AMPTORCH_INLINE void add_product(Complex<T>& to, const Complex<T>& a,
                                            const Complex<T>& b) {
        to.re += a.re * b.re - a.im * b.im;
        to.im += a.re * b.im + a.im * b.re;
    }

    // To += a times the conjugate of b.
    static AMPTORCH_INLINE void add_pulled(Complex<T>& to, const Complex<T>& a,
                                           const Complex<T>& b) {
        to.re += a.re * b.re + a.im * b.im;
        to.im += a.im * b.re - a.re * b.im;
    }

    // Real part of a product.
    static AMPTORCH_INLINE Vec<T> real(const Complex<T>& a, const Complex<T>& b) {
        return a.re * b.re - a.im * b.im;
    }

    void multiply() {
        const Complex<T>* values = block.values;
        const int* node = element.nodes;
        for (int i = 0; i < element.n_nodes; ++i, node += 2) {
            Complex<T> rate{};
            add_product(rate, rates[node[0]], values[node[1]]);
            add_product(rate, values[node[0]], rates[node[1]]);
            rates[first + i] = rate;
        }
    }

    template <int n>
    void sum_rates() {
        Vec<T> sums[n] = {};
        const int* term = element.terms;
        const T* c = element.coefficients;
        for (int i = 0; i < element.n_terms; ++i, term += 2, c += n) {
            const Vec<T> rate = real(rates[term[0]], block.values[term[1]]) +
                                real(block.values[term[0]], rates[term[1]]);
            for (int p = 0; p < n; ++p) sums[p] += c[p] * rate;
        }
        for (int p = 0; p < n; ++p) rate_densities[p] = sums[p];
    }

    // Lanes without an atom of their own have weights 0.
    template <int n>
    void weigh_all(Index begin, int number) {
        const Vec<T>*core = block.features + task.n_features - 2, *moved = changes + task.n_features - 2;
        for (int lane = 0; lane < width<T>; ++lane) {
            double own[n], rate[n], of_own[n] = {}, of_rate[n] = {};
            const double cores[2] = {core[0][lane], core[1][lane]};
            const double moves[2] = {moved[0][lane], moved[1][lane]};
            for (int p = 0; p < n; ++p) {
                own[p] = block.densities[p][lane];
                rate[p] = rate_densities[p][lane];
            }
            if (lane < number) {
                const double weight = task.weights[task.atoms[begin + lane]];
                weigh(task, weight, own, rate, cores, moves, of_own, of_rate);
            }
            for (int p = 0; p < n; ++p) {
                own_weights[p][lane] = T(of_own[p]);
                rate_weights[p][lane] = T(of_rate[p]);
            }
        }
    }

    template <int n>
    void pull_terms() {
        Vec<T> us[n], vs[n];
        for (int p = 0; p < n; ++p) us[p] = own_weights[p], vs[p] = rate_weights[p];
        Vec<T> changed[4 * n];  // by coefficients of four terms
        const T* c = element.coefficients;
        block.for_terms([&](int first, int begin, int end) {
            const Complex<T> a = block.values[first], da = rates[first];
            Complex<T> own{}, moved{};
            for (int i = begin; i < end; ++i, c += n) {
                const int second = element.terms[2 * i + 1];
                const Complex<T> b = block.values[second], db = rates[second];
                const Vec<T> product = real(a, b), rate = real(da, b) + real(a, db);
                Vec<T> u{}, v{};
                for (int p = 0; p < n; ++p) {
                    changed[i % 4 * n + p] = us[p] * product + vs[p] * rate;
                    u += c[p] * us[p];
                    v += c[p] * vs[p];
                }
                pull_real(u, b, v, db, own, moved);
                pull_real(u, a, v, da, block.slopes[second], pulls[second]);
                if (i % 4 == 3) add_changed<n>(changed, task.of_coefficients + (i - 3) * n);
            }
            add(block.slopes[first], own);
            add(pulls[first], moved);
        });
        const int rest = element.n_terms % 4 * n, from = element.n_terms * n - rest;
        for (int k = 0; k < rest; ++k) task.of_coefficients[from + k] += sum<T>(changed[k]);
    }

    // Sums over lanes.
    template <int n>
    static AMPTORCH_INLINE void add_changed(const Vec<T> (&changed)[4 * n], T* to) {
        for (int k = 0; k < 4 * n; k += 4) {
            const Vec<T> four[4] = {changed[k], changed[k + 1], changed[k + 2], changed[k + 3]};
            add_sums<T>(four, to + k);
        }
    }

    // Of u Re(node other) + v Re(node change + change of node other), to slopes of node and change.
    static AMPTORCH_INLINE void pull_real(Vec<T> u, const Complex<T>& other, Vec<T> v,
                                          const Complex<T>& change, Complex<T>& own,
                                          Complex<T>& rate) {
        own.re += u * other.re + v * change.re;
        own.im -= u * other.im + v * change.im;
        rate.re += v * other.re;
        rate.im -= v * other.im;
    }

    static AMPTORCH_INLINE void add(Complex<T>& to, const Complex<T>& more) {
        to.re += more.re;
        to.im += more.im;
    }

    void pull_nodes() {
        for (int i = element.n_nodes - 1; i >= 0; --i) {
            const int a = element.nodes[2 * i], b = element.nodes[2 * i + 1];
            const Complex<T> own = block.slopes[first + i], rate = pulls[first + i];
            pull_node(a, own, rate, block.values[b], rates[b]);
            pull_node(b, own, rate, block.values[a], rates[a]);
        }
    }

    AMPTORCH_INLINE void pull_node(int node, const Complex<T>& own, const Complex<T>& rate,
                                   const Complex<T> other, const Complex<T> change) {
        add_pulled(block.slopes[node], own, other);
        add_pulled(block.slopes[node], rate, change);
        add_pulled(pulls[node], rate, other);
    }

    void pull_radial() {
        const Sizes& s = task.sizes;
        Vec<T>* to = reinterpret_cast<Vec<T>*>(task.of_radial);
        for (int mu = 0; mu < s.n_elements; ++mu) {
            for (int l = 0; l <= s.l_max; ++l) {
                for (int n = 0; n < s.n_max; ++n, to += s.n_radial) {
                    pull_radial(mu, n, l, block.slopes, block.features, to);
                    pull_radial(mu, n, l, pulls, changes, to);
                }
            }
        }
    }

    void pull_radial(int mu, int n, int l, const Complex<T>* from, const Vec<T>* features,
                     Vec<T>* to) const {
        block.for_harmonics(mu, n, l, from, [&](int i, Vec<T> slope) {
            for (int k = 0; k < task.sizes.n_radial; ++k) {
                to[k] += features[block.places.feature(mu, k) + i] * slope;
            }
        });
    }

    template <int n>
    void run(Index begin, int number) {
        block.evaluate(begin, number);
        block.read(begin, number, task.changes, changes);
        rates[0] = {Vec<T>{}, Vec<T>{}};
        block.contract(changes, rates);
        multiply();
        block.template sum_densities<n>();
        sum_rates<n>();
        weigh_all<n>(begin, number);
        for (int i = 0; i < n_nodes; ++i) {
            block.slopes[i] = pulls[i] = {Vec<T>{}, Vec<T>{}};
        }
        pull_terms<n>();
        pull_nodes();
        pull_radial();
    }
};
