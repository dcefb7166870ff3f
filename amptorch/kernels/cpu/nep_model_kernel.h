// From sums over neighbours to energies and their slopes, and gradients of both in the parameters.
// Included once per instruction set, inside its namespace.

// Sums of an atom, or what is like them, with harmonics in whole vectors: one radial number and a row of
// harmonics for each function of each element.
template <typename T>
struct Blocks {
    alignas(64) T radial[most_radial];
    alignas(64) T angular[most_angular];
};

template <typename T>
struct Layout {
    const Model<T>& model;
    int width_radial, width_angular, stride;

    explicit Layout(const Model<T>& model)
        : model(model), width_radial(model.n_functions[0]), width_angular(model.n_functions[1]),
          stride((model.n_harmonics + width<T> - 1) / width<T> * width<T>) {}

    int n_rows() const { return model.n_species * width_angular; }
};

template <typename T>
void unpack(const Layout<T>& layout, const T* features, Blocks<T>& blocks) {
    const int n_harmonics = layout.model.n_harmonics;
    T* to = blocks.angular;
    for (int b = 0; b < layout.model.n_species; ++b) {
        for (int k = 0; k < layout.width_radial; ++k) {
            blocks.radial[b * layout.width_radial + k] = *features++;
        }
        for (int k = 0; k < layout.width_angular; ++k, to += layout.stride) {
            for (int i = 0; i < n_harmonics; ++i) to[i] = *features++;
            for (int i = n_harmonics; i < layout.stride; ++i) to[i] = 0;
        }
    }
}

// Of the coefficients of atoms of an element that of n, and of b and k in one.
template <typename T>
AMPTORCH_INLINE const T* coefficients(const Model<T>& model, int part, Index own) {
    const int size = model.n_functions[part] * model.n_descriptors[part];
    return model.coefficients[part] + own * model.n_species * size;
}

constexpr double y00 = 0.28209479177387814;  // of the radial sums

// q [n_radial] and A [n_angular, stride] of sums, or changes of these with changes of sums.
template <typename T>
void contract(const Layout<T>& layout, Index own, const Blocks<T>& blocks, T* q, T* sums) {
    const Model<T>& model = layout.model;
    const T *c = coefficients(model, 0, own), *d = coefficients(model, 1, own);
    const int n_radial = model.n_descriptors[0], n_angular = model.n_descriptors[1];
    for (int n = 0; n < n_radial; ++n) q[n] = 0;
    for (int i = 0; i < n_angular * layout.stride; i += width<T>) store(sums + i, Vec<T>{});
    const T* radial = blocks.radial;
    const T* row = blocks.angular;
    for (int b = 0; b < model.n_species; ++b) {
        for (int n = 0; n < n_radial; ++n) {
            for (int k = 0; k < layout.width_radial; ++k) q[n] += *c++ * radial[k] * T(1 / y00);
        }
        radial += layout.width_radial;
        for (int n = 0; n < n_angular; ++n) {
            for (int i = 0; i < layout.stride; i += width<T>) {
                Vec<T> total = load(sums + n * layout.stride + i);
                for (int k = 0; k < layout.width_angular; ++k) {
                    total += d[k] * load(row + k * layout.stride + i);
                }
                store(sums + n * layout.stride + i, total);
            }
            d += layout.width_angular;
        }
        row += layout.width_angular * layout.stride;
    }
}

// Slopes in the sums from those in q and A: the transpose of contract.
template <typename T>
void expand(const Layout<T>& layout, Index own, const T* q, const T* sums, T* features) {
    const Model<T>& model = layout.model;
    const T *c = coefficients(model, 0, own), *d = coefficients(model, 1, own);
    const int n_radial = model.n_descriptors[0], n_angular = model.n_descriptors[1];
    alignas(64) T row[most_harmonics + 16];
    for (int b = 0; b < model.n_species; ++b) {
        for (int k = 0; k < layout.width_radial; ++k) {
            T total = 0;
            for (int n = 0; n < n_radial; ++n) total += q[n] * c[n * layout.width_radial + k];
            *features++ = total * T(1 / y00);
        }
        for (int k = 0; k < layout.width_angular; ++k) {
            for (int i = 0; i < layout.stride; i += width<T>) {
                Vec<T> total{};
                for (int n = 0; n < n_angular; ++n) {
                    total += d[n * layout.width_angular + k] * load(sums + n * layout.stride + i);
                }
                store(row + i, total);
            }
            for (int i = 0; i < model.n_harmonics; ++i) *features++ = row[i];
        }
        c += n_radial * layout.width_radial;
        d += n_angular * layout.width_angular;
    }
}

constexpr int most_sums = 32 * (most_harmonics + 15);

template <typename T>
void energy_of_sums(const Model<T>& model, Index own, const T* features, T* energy, T* slopes) {
    const Layout<T> layout(model);
    Blocks<T> blocks;
    alignas(64) T q[most_descriptors + row] = {}, up[most_descriptors + row], sums[most_sums], pulled[most_sums];
    unpack(layout, features, blocks);
    contract(layout, own, blocks, q, sums);
    const int n_radial = model.n_descriptors[0], n_angular = model.n_descriptors[1];
    for (int n = 0; n < n_angular; ++n) {
        invariants(model, sums + n * layout.stride, n_angular, q + n_radial + n);
    }
    *energy = evaluate(model.networks[own], q, slopes != nullptr, up);
    if (!slopes) return;
    for (int n = 0; n < n_angular; ++n) {
        T* row = pulled + n * layout.stride;
        for (int i = 0; i < layout.stride; ++i) row[i] = 0;
        pull_invariants(model, sums + n * layout.stride, n_angular, up + n_radial + n, row);
    }
    expand(layout, own, up, pulled, slopes);
}

// Changes of invariants with those of A.
template <typename T>
void push_invariants(const Model<T>& model, const T* a, const T* da, int stride, T* out) {
    for (int l = 1; l <= model.l_max; ++l) {
        T total = 0;
        for (int i = l * l - 1; i < (l + 1) * (l + 1) - 1; ++i) total += a[i] * da[i];
        out[(l - 1) * stride] = 2 * total;
    }
    for (int v = 0; v < model.n_invariants; ++v) {
        T total = 0;
        for (int t = model.invariants[v].begin; t < model.invariants[v].end; ++t) {
            const auto [i, j, k, factor] = model.terms[t];
            total += factor * (da[i] * a[j] * a[k] + a[i] * da[j] * a[k] + a[i] * a[j] * da[k]);
        }
        if (model.invariants[v].begin == model.invariants[v].end) {
            const T q = a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
            total = T(14) / T(15) * q * out[0];
        }
        out[(model.l_max + v) * stride] = total;
    }
}

// Slopes in A of p q + dp dq: adds to those of p q, `slopes`, what dp dq gives, dq = J(A) dA.
template <typename T>
void bend_invariants(const Model<T>& model, const T* a, const T* da, int stride, const T* dp, T* slopes) {
    for (int l = 1; l <= model.l_max; ++l) {
        const T weight = 2 * dp[(l - 1) * stride];
        for (int i = l * l - 1; i < (l + 1) * (l + 1) - 1; ++i) slopes[i] += weight * da[i];
    }
    for (int v = 0; v < model.n_invariants; ++v) {
        const T weight = dp[(model.l_max + v) * stride];
        for (int t = model.invariants[v].begin; t < model.invariants[v].end; ++t) {
            const auto [i, j, k, factor] = model.terms[t];
            const T f = weight * factor;
            slopes[i] += f * (da[j] * a[k] + a[j] * da[k]);
            slopes[j] += f * (da[i] * a[k] + a[i] * da[k]);
            slopes[k] += f * (da[i] * a[j] + a[i] * da[j]);
        }
        if (model.invariants[v].begin != model.invariants[v].end) continue;
        const T q = a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
        const T dq = 2 * (a[0] * da[0] + a[1] * da[1] + a[2] * da[2]);
        for (int i = 0; i < 3; ++i) slopes[i] += T(28) / T(15) * weight * (dq * a[i] + q * da[i]);
    }
}

// Slopes in the parameters, in q and in dq of weight U(q) + dU, dU = dU/dq dq.
template <typename T>
void gradient_of_network(const Network<T>& network, const T* q, const T* dq, T weight,
                         const Gradient<T>& to, T* p, T* dp) {
    alignas(64) T h[most_layers][most_neurons], dz[most_layers][most_neurons];
    alignas(64) T dh[most_layers][most_neurons], u[most_descriptors], du[most_descriptors];
    const T *in = q, *din = dq;
    for (int l = 0; l < network.n_layers; ++l) {
        const Layer<T>& layer = network.layers[l];
        forward(layer, in, h[l]);
        multiply(layer, din, dz[l]);
        for (int i = 0; i < (layer.n_out + row - 1) / row * row; ++i) {
            dh[l][i] = i < layer.n_out ? (T(1) - h[l][i] * h[l][i]) * dz[l][i] : T(0);
        }
        in = h[l];
        din = dh[l];
    }
    const int n_last = network.layers[network.n_layers - 1].n_out;
    for (int i = 0; i < n_last; ++i) {
        to.last[i] += weight * in[i] + din[i];
        u[i] = weight * network.last[i];
        du[i] = network.last[i];
    }
    if (to.constant) *to.constant -= weight;
    for (int l = network.n_layers - 1; l >= 0; --l) {
        const Layer<T>& layer = network.layers[l];
        const T *from = l ? h[l - 1] : q, *dfrom = l ? dh[l - 1] : dq;
        for (int d = 0; d < layer.stride; d += width<T>) {
            store(p + d, Vec<T>{});
            store(dp + d, Vec<T>{});
        }
        for (int i = 0; i < layer.n_out; ++i) {
            const T slope = T(1) - h[l][i] * h[l][i], a = du[i] * slope;
            const T zeta = u[i] * slope - 2 * h[l][i] * a * dz[l][i];
            to.biases[l][i] -= zeta;
            T* row_of = to.weights[l] + i * layer.n_in;
            for (int d = 0; d < layer.n_in; ++d) row_of[d] += zeta * from[d] + a * dfrom[d];
            const T* weights = layer.weights + i * layer.stride;
            for (int d = 0; d < layer.stride; d += width<T>) {
                const Vec<T> w = load(weights + d);
                store(p + d, load(p + d) + zeta * w);
                store(dp + d, load(dp + d) + a * w);
            }
        }
        if (l == 0) break;
        for (int d = 0; d < layer.n_in; ++d) {
            u[d] = p[d];
            du[d] = dp[d];
        }
    }
}

// Adds the gradient of weight E + <changes, dE/d features> in the parameters to `to` and to those of
// coefficients, [n_species, n, k] of atoms of this element.
template <typename T>
void gradient_of_sums(const Model<T>& model, Index own, const T* features, T weight, const T* changes,
                      const Gradient<T>& to, T* radial, T* angular) {
    const Layout<T> layout(model);
    Blocks<T> blocks, moved;
    alignas(64) T q[most_descriptors + row] = {}, dq[most_descriptors + row] = {}, a[most_sums], da[most_sums];
    alignas(64) T p[most_descriptors + row], dp[most_descriptors + row], up[most_sums], dup[most_sums];
    unpack(layout, features, blocks);
    unpack(layout, changes, moved);
    contract(layout, own, blocks, q, a);
    contract(layout, own, moved, dq, da);
    const int n_radial = model.n_descriptors[0], n_angular = model.n_descriptors[1];
    for (int n = 0; n < n_angular; ++n) {
        const T *sums = a + n * layout.stride, *dsums = da + n * layout.stride;
        invariants(model, sums, n_angular, q + n_radial + n);
        push_invariants(model, sums, dsums, n_angular, dq + n_radial + n);
    }
    gradient_of_network(model.networks[own], q, dq, weight, to, p, dp);
    for (int n = 0; n < n_angular; ++n) {
        const T *sums = a + n * layout.stride, *dsums = da + n * layout.stride;
        T *slopes = up + n * layout.stride, *dslopes = dup + n * layout.stride;
        for (int i = model.n_harmonics; i < layout.stride; ++i) slopes[i] = dslopes[i] = 0;
        pull_invariants(model, sums, n_angular, p + n_radial + n, slopes);
        bend_invariants(model, sums, dsums, n_angular, dp + n_radial + n, slopes);
        pull_invariants(model, sums, n_angular, dp + n_radial + n, dslopes);
    }
    for (int b = 0; b < model.n_species; ++b) {
        const T *s = blocks.radial + b * layout.width_radial, *ds = moved.radial + b * layout.width_radial;
        for (int n = 0; n < n_radial; ++n) {
            for (int k = 0; k < layout.width_radial; ++k) {
                *radial++ += T(1 / y00) * (p[n] * s[k] + dp[n] * ds[k]);
            }
        }
        const int at = b * layout.width_angular * layout.stride;
        for (int n = 0; n < n_angular; ++n) {
            const T *slopes = up + n * layout.stride, *dslopes = dup + n * layout.stride;
            for (int k = 0; k < layout.width_angular; ++k) {
                const T *row_of = blocks.angular + at + k * layout.stride;
                const T *drow = moved.angular + at + k * layout.stride;
                Vec<T> total{};
                for (int i = 0; i < layout.stride; i += width<T>) {
                    total += load(slopes + i) * load(row_of + i) + load(dslopes + i) * load(drow + i);
                }
                *angular++ += sum<T>(total);
            }
        }
    }
}
