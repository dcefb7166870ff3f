// Invariants of the sums A and their gradients.
// Included once per instruction set, inside its namespace.

// Of A [n_harmonics] of one n; out[i * stride] is invariant i.
template <typename T>
void invariants(const Model<T>& model, const T* sums, int stride, T* out) {
    for (int l = 1; l <= model.l_max; ++l) {
        T total = 0;
        for (int i = l * l - 1; i < (l + 1) * (l + 1) - 1; ++i) total += sums[i] * sums[i];
        out[(l - 1) * stride] = total;
    }
    for (int v = 0; v < model.n_invariants; ++v) {
        const Invariant& which = model.invariants[v];
        T total = 0;
        for (int t = which.begin; t < which.end; ++t) {
            const Term<T>& term = model.terms[t];
            total += term.factor * sums[term.i] * sums[term.j] * sums[term.k];
        }
        if (which.begin == which.end) total = T(7) / T(15) * out[0] * out[0];
        out[(model.l_max + v) * stride] = total;
    }
}

// dU/dA from dU/dq.
template <typename T>
void pull_invariants(const Model<T>& model, const T* sums, int stride, const T* up, T* slopes) {
    T weights[highest_l];
    for (int l = 1; l <= model.l_max; ++l) weights[l - 1] = 2 * up[(l - 1) * stride];
    for (int v = 0; v < model.n_invariants; ++v) {
        if (model.invariants[v].begin != model.invariants[v].end) continue;
        const T q = sums[0] * sums[0] + sums[1] * sums[1] + sums[2] * sums[2];
        weights[0] += T(28) / T(15) * q * up[(model.l_max + v) * stride];
    }
    for (int l = 1; l <= model.l_max; ++l) {
        for (int i = l * l - 1; i < (l + 1) * (l + 1) - 1; ++i) slopes[i] = weights[l - 1] * sums[i];
    }
    for (int v = 0; v < model.n_invariants; ++v) {
        const T weight = up[(model.l_max + v) * stride];
        for (int t = model.invariants[v].begin; t < model.invariants[v].end; ++t) {
            const Term<T>& term = model.terms[t];
            const T a = sums[term.i], b = sums[term.j], c = sums[term.k], f = weight * term.factor;
            slopes[term.i] += f * b * c;
            slopes[term.j] += f * a * c;
            slopes[term.k] += f * a * b;
        }
    }
}
