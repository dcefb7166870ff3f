// Energies, forces and virials of all members for the atoms of one frame, for one instruction set. See
// nep_population.h and, for the equations, kernels/nep_population.py.

namespace amptorch::population::AMPTORCH_ISA {

using spherical::highest_l;
using spherical::Kind;
using spherical::most_functions;
using spherical::most_harmonics;
using spherical::Part;
using spherical::Radial;

#include "simd.h"
#include "networks_activations.h"
#include "spherical_expansion_radial.h"
#include "spherical_expansion_harmonics.h"
#include "spherical_expansion_pairs.h"
#include "spherical_expansion_sums.h"
#include "nep_population_basis.h"
#include "nep_population_network.h"

// What some members side by side need for an atom, in vectors.
template <typename T>
struct Space {
    T *radial, *angular;    // c of the atom's species, [n_species, k, n]
    T *g, *g_slopes;        // [pairs, n_angular]
    T *sums, *slopes;       // A and dU/dA, [n_angular, m_stride]
    T *x, *net;             // invariants [dim]; of the network
    T *pulls;               // sum_n dU/dq_n c, [n_species, k_radial]
    T *along;               // sum_n g_n dU/dA, [m_stride]

    static Index size(const Shape& shape, const Most& most) {
        const Index m_stride = padded(shape.n_harmonics()), n_species = shape.n_species;
        const Index n = n_species * (shape.k_radial * (shape.n_radial + 1) +
                                     shape.k_angular * shape.n_angular) +
                        (2 * most.angular + 2 * m_stride) * shape.n_angular + shape.dim() +
                        network_scratch(shape) + m_stride;
        return n * width<T>;
    }

    Space(const Shape& shape, const Most& most, T* begin) {
        const Index m_stride = padded(shape.n_harmonics()), n_species = shape.n_species;
        const auto take = [&begin](Index n) {
            T* taken = begin;
            begin += n * width<T>;
            return taken;
        };
        radial = take(n_species * shape.k_radial * shape.n_radial);
        angular = take(n_species * shape.k_angular * shape.n_angular);
        g = take(most.angular * shape.n_angular);
        g_slopes = take(most.angular * shape.n_angular);
        sums = take(m_stride * shape.n_angular);
        slopes = take(m_stride * shape.n_angular);
        x = take(shape.dim());
        net = take(network_scratch(shape));
        pulls = take(n_species * shape.k_radial);
        along = take(m_stride);
    }
};

// c of a species of centres, from [n, k, species, species] to [species of the neighbour, k, n].
template <typename T>
void gather(const T* from, Index n_size, Index k_size, Index n_species, Index species, T* to) {
    for (Index n = 0; n < n_size; ++n) {
        for (Index k = 0; k < k_size; ++k) {
            for (Index b = 0; b < n_species; ++b) {
                const Index place = ((n * k_size + k) * n_species + species) * n_species + b;
                at(to, (b * k_size + k) * n_size + n) = at(from, place);
            }
        }
    }
}

// Some members and an atom.
template <typename T>
struct Work {
    const Shape& shape;
    const Data<T>& data;
    const Space<T>& space;
    const Geometry<T>& geometry;
    Index atom, first_atom, m_stride;
    T* forces;          // vectors [atoms of the frame, 3]
    Vec<T>* virial;     // [6], or null

    Index neighbor(const Neighbors<T>& pairs, Index x) const {
        return pairs.atoms[pairs.first[atom] + x];
    }
    Index neighbor_species(const Neighbors<T>& pairs, Index x) const {
        return data.species[neighbor(pairs, x)];
    }
    const T* harmonics(Index x) const { return geometry.harmonics + x * 4 * m_stride; }
};

// g_n and its slope at all pairs.
template <typename T>
void functions_of_pairs(const Work<T>& work) {
    const Index n_size = work.shape.n_angular, k_size = work.shape.k_angular;
    for (Index x = 0; x < work.geometry.n_angular; ++x) {
        const Index b = work.neighbor_species(work.data.angular, x);
        const T* c = work.space.angular + b * k_size * n_size * width<T>;
        const T *f = work.geometry.angular + x * k_size;
        const T* slope = work.geometry.angular_slopes + x * k_size;
        for (Index n = 0; n < n_size; ++n) {
            Vec<T> g{}, g_slope{};
            for (Index k = 0; k < k_size; ++k) {
                g += at(c, k * n_size + n) * f[k];
                g_slope += at(c, k * n_size + n) * slope[k];
            }
            at(work.space.g, x * n_size + n) = g;
            at(work.space.g_slopes, x * n_size + n) = g_slope;
        }
    }
}

// A_nm += sum over rows of g_n Y_m.
template <typename T>
void add_products(const T* g, const T* y, Index y_stride, Index rows, Index n_size, Index m_stride,
                  T* sums) {
    for (Index n = 0; n < n_size; ++n) {
        for (Index m = 0; m < m_stride; m += block) {
            T* to = sums + (n * m_stride + m) * width<T>;
            Vec<T> total[block];
#pragma GCC unroll 8
            for (Index q = 0; q < block; ++q) total[q] = at(to, q);
            for (Index row = 0; row < rows; ++row) {
                const Vec<T> value = at(g, row * n_size + n);
                const T* harmonic = y + row * y_stride + m;
#pragma GCC unroll 8
                for (Index q = 0; q < block; ++q) total[q] += value * harmonic[q];
            }
#pragma GCC unroll 8
            for (Index q = 0; q < block; ++q) at(to, q) = total[q];
        }
    }
}

// A, from pairs, or from sums of f_k Y where a species has more pairs than there are k.
template <typename T>
void angular_sums(const Work<T>& work) {
    const Index n_size = work.shape.n_angular, k_size = work.shape.k_angular;
    fill(work.space.sums, n_size * work.m_stride * width<T>, T(0));
    for (Index begin = 0, end; begin < work.geometry.n_angular; begin = end) {
        const Index b = work.neighbor_species(work.data.angular, begin);
        end = begin + 1;
        while (end < work.geometry.n_angular && work.neighbor_species(work.data.angular, end) == b) {
            ++end;
        }
        if (end - begin > k_size) {
            add_products(work.space.angular + b * k_size * n_size * width<T>,
                         work.geometry.angular_sums + b * k_size * work.m_stride, work.m_stride, k_size,
                         n_size, work.m_stride, work.space.sums);
        } else {
            add_products(work.space.g + begin * n_size * width<T>, work.harmonics(begin),
                         4 * work.m_stride, end - begin, n_size, work.m_stride, work.space.sums);
        }
    }
}

template <typename T>
AMPTORCH_INLINE Vec<T> square_sum(const T* sums, Index l) {
    Vec<T> total{};
    for (Index m = l * l - 1; m < (l + 1) * (l + 1) - 1; ++m) total += at(sums, m) * at(sums, m);
    return total;
}

// Scaled invariants.
template <typename T>
void invariants(const Work<T>& work) {
    const Shape& shape = work.shape;
    T* x = work.space.x;
    for (Index n = 0; n < shape.n_radial; ++n) {
        Vec<T> q{};
        for (Index k = 0; k < shape.n_species * shape.k_radial; ++k) {
            q += at(work.space.radial, k * shape.n_radial + n) * work.geometry.radial_sums[k];
        }
        at(x, n) = q;
    }
    for (Index n = 0; n < shape.n_angular; ++n) {
        const T* sums = work.space.sums + n * work.m_stride * width<T>;
        T* own = x + (shape.n_radial + n) * width<T>;
        for (Index line = 0; line < shape.n_lines; ++line) at(own, line * shape.n_angular) = Vec<T>{};
        for (Index l = 1; l <= shape.l_max; ++l) at(own, (l - 1) * shape.n_angular) = square_sum(sums, l);
        for (Index q = 0; q < shape.n_products; ++q) {
            const Product& one = shape.products[q];
            at(own, one.line * shape.n_angular) +=
                at(sums, one.a) * at(sums, one.b) * at(sums, one.c) * static_cast<T>(one.factor);
        }
        if (shape.quartic >= 0) at(own, shape.quartic * shape.n_angular) = at(own, 0) * at(own, 0) * T(7. / 15);
    }
    for (Index d = 0; d < shape.dim(); ++d) at(x, d) *= work.data.scale[d];
}

// dU/dA from dU/dx, of one radial function.
template <typename T>
void slopes_of_sums(const Work<T>& work, Index n) {
    const Shape& shape = work.shape;
    const T* sums = work.space.sums + n * work.m_stride * width<T>;
    T* slopes = work.space.slopes + n * work.m_stride * width<T>;
    const auto slope = [&](Index line) {
        const Index d = shape.n_radial + line * shape.n_angular + n;
        return at(work.space.x, d) * work.data.scale[d];
    };
    for (Index l = 1; l <= shape.l_max; ++l) {
        Vec<T> factor = slope(l - 1) * T(2);
        if (l == 1 && shape.quartic >= 0) factor += slope(shape.quartic) * square_sum(sums, 1) * T(28. / 15);
        for (Index m = l * l - 1; m < (l + 1) * (l + 1) - 1; ++m) at(slopes, m) = factor * at(sums, m);
    }
    for (Index m = shape.n_harmonics(); m < work.m_stride; ++m) at(slopes, m) = Vec<T>{};
    for (Index q = 0; q < shape.n_products; ++q) {
        const Product& one = shape.products[q];
        const Vec<T> factor = slope(one.line) * static_cast<T>(one.factor);
        const Vec<T> a = at(sums, one.a), b = at(sums, one.b), c = at(sums, one.c);
        at(slopes, one.a) += factor * b * c;
        at(slopes, one.b) += factor * a * c;
        at(slopes, one.c) += factor * a * b;
    }
}

// Forces from g_ij of a pair; R_ij (x) g_ij off the virial.
template <typename T>
AMPTORCH_INLINE void push(const Work<T>& work, Index other_atom, const T* place, const Vec<T> (&g)[3],
                          Vec<T> (&own)[3]) {
    const Index other = other_atom - work.first_atom;
    for (int axis = 0; axis < 3; ++axis) {
        own[axis] += g[axis];
        at(work.forces, other * 3 + axis) -= g[axis];
    }
    if (!work.virial) return;
    for (int axis = 0; axis < 3; ++axis) {
        const T length = place[axis] * place[3];
        work.virial[axis] -= g[axis] * length;
        work.virial[3 + axis] -= g[(axis + 1) % 3] * length;
    }
}

template <typename T>
void radial_forces(const Work<T>& work, Vec<T> (&own)[3]) {
    const Index n_size = work.shape.n_radial, k_size = work.shape.k_radial;
    for (Index k = 0; k < work.shape.n_species * k_size; ++k) {
        Vec<T> pull{};
        for (Index n = 0; n < n_size; ++n) {
            pull += at(work.space.radial, k * n_size + n) * at(work.space.x, n) * work.data.scale[n];
        }
        at(work.space.pulls, k) = pull;
    }
    for (Index x = 0; x < work.geometry.n_radial; ++x) {
        const T* pulls = work.space.pulls +
                         work.neighbor_species(work.data.radial, x) * k_size * width<T>;
        const T *slopes = work.geometry.radial_slopes + x * k_size, *u = work.geometry.radial_places + 4 * x;
        Vec<T> along{};
        for (Index k = 0; k < k_size; ++k) along += at(pulls, k) * slopes[k];
        push<T>(work, work.neighbor(work.data.radial, x), u, {along * u[0], along * u[1], along * u[2]}, own);
    }
}

template <typename T>
void angular_forces(const Work<T>& work, Vec<T> (&own)[3]) {
    const Index n_size = work.shape.n_angular, m_stride = work.m_stride;
    T* along = work.space.along;
    for (Index n = 0; n < n_size; ++n) slopes_of_sums(work, n);
    for (Index x = 0; x < work.geometry.n_angular; ++x) {
        const T *y = work.harmonics(x), *u = work.geometry.angular_places + 4 * x;
        Vec<T> radial{};
        fill(along, m_stride * width<T>, T(0));
        for (Index n = 0; n < n_size; ++n) {
            const Vec<T> g = at(work.space.g, x * n_size + n);
            const T* slopes = work.space.slopes + n * m_stride * width<T>;
            Vec<T> sum{};
            for (Index m = 0; m < m_stride; ++m) {
                sum += at(slopes, m) * y[m];
                at(along, m) += at(slopes, m) * g;
            }
            radial += at(work.space.g_slopes, x * n_size + n) * sum;
        }
        Vec<T> pulled[3] = {radial * u[0], radial * u[1], radial * u[2]};
        for (Index m = 0; m < m_stride; ++m) {
            for (int axis = 0; axis < 3; ++axis) {
                pulled[axis] += at(along, m) * y[(axis + 1) * m_stride + m];
            }
        }
        push<T>(work, work.neighbor(work.data.angular, x), u, pulled, own);
    }
}

// Adds what an atom gives to the forces and returns its energy.
template <typename T>
Vec<T> run_atom(const Work<T>& work, const T* net, const T* bias) {
    functions_of_pairs(work);
    angular_sums(work);
    invariants(work);
    const Vec<T> energy = network(work.shape, net, bias, work.space.x, work.space.net);
    Vec<T> own[3] = {};
    radial_forces(work, own);
    angular_forces(work, own);
    for (int axis = 0; axis < 3; ++axis) {
        at(work.forces, (work.atom - work.first_atom) * 3 + axis) += own[axis];
    }
    return energy;
}

// A frame: its members, and where their forces lie: vectors [members / width, atoms, 3].
template <typename T>
struct Frame {
    const Shape& shape;
    const Data<T>& data;
    const T* parameters;
    Index members, first_atom, end_atom;
    const Most& most;
    const Row<T>& row;

    Index n_atoms() const { return end_atom - first_atom; }
};

template <typename T>
void run_tile(const Frame<T>& frame, const Index* atoms, const Geometry<T>* geometries, Index n,
              const Space<T>& space, T* forces) {
    const Shape& shape = frame.shape;
    const Index species = frame.data.species[atoms[0]], n_species = shape.n_species;
    const Index net = (shape.n_nets > 1 ? species : 0) * shape.net_size();
    for (Index chunk = 0; chunk < frame.members / width<T>; ++chunk) {
        const T* own = frame.parameters + chunk * shape.n_variables() * width<T>;
        gather(own + shape.radial_at() * width<T>, shape.n_radial, shape.k_radial, n_species, species,
               space.radial);
        gather(own + shape.angular_at() * width<T>, shape.n_angular, shape.k_angular, n_species,
               species, space.angular);
        Vec<T> energy{}, virial[6] = {};
        const T* bias = own + (shape.radial_at() - 1) * width<T>;
        for (Index q = 0; q < n; ++q) {
            const Work<T> work{shape, frame.data, space, geometries[q], atoms[q], frame.first_atom,
                               padded(shape.n_harmonics()),
                               forces + chunk * frame.n_atoms() * 3 * width<T>,
                               frame.row.virial ? virial : nullptr};
            energy += run_atom(work, own + net * width<T>, bias);
        }
        const Index lane = chunk * width<T>;
        store(frame.row.energy + lane, load(frame.row.energy + lane) + energy);
        for (Index k = 0; frame.row.virial && k < 6; ++k) {
            T* to = frame.row.virial + k * frame.members + lane;
            store(to, load(to) + virial[k]);
        }
    }
}

template <typename T>
void run_frame(const Frame<T>& frame, T* forces, T* scratch) {
    const Index each = Geometry<T>::size(frame.shape, frame.most);
    const Space<T> space(frame.shape, frame.most, scratch);
    T* places = scratch + Space<T>::size(frame.shape, frame.most);
    Geometry<T> geometries[tile_atoms] = {
        {frame.shape, frame.most, places},            {frame.shape, frame.most, places + each},
        {frame.shape, frame.most, places + 2 * each}, {frame.shape, frame.most, places + 3 * each},
        {frame.shape, frame.most, places + 4 * each}, {frame.shape, frame.most, places + 5 * each},
        {frame.shape, frame.most, places + 6 * each}, {frame.shape, frame.most, places + 7 * each}};
    Index atoms[tile_atoms];
    for (Index species = 0; species < frame.shape.n_species; ++species) {
        Index n = 0;
        for (Index atom = frame.first_atom; atom < frame.end_atom; ++atom) {
            if (frame.data.species[atom] != species) continue;
            fill_radial(frame.shape, frame.data, atom, geometries[n]);
            fill_angular(frame.shape, frame.data, atom, geometries[n]);
            atoms[n++] = atom;
            if (n < tile_atoms) continue;
            run_tile(frame, atoms, geometries, n, space, forces);
            n = 0;
        }
        if (n) run_tile(frame, atoms, geometries, n, space, forces);
    }
}

// Squared errors of forces, and the forces themselves where they are asked for.
template <typename T>
void finish_forces(const Frame<T>& frame, const T* forces) {
    for (Index chunk = 0; chunk < frame.members / width<T>; ++chunk) {
        const Index lane = chunk * width<T>;
        Vec<T> total{};
        for (Index q = 0; q < frame.n_atoms(); ++q) {
            const Index atom = frame.first_atom + q;
            for (Index axis = 0; axis < 3; ++axis) {
                const Vec<T> force = at(forces, (chunk * frame.n_atoms() + q) * 3 + axis);
                const Vec<T> error = force - frame.data.targets[atom * 3 + axis];
                total += error * error * frame.data.weights[atom];
                if (!frame.row.forces) continue;
                store(frame.row.forces + (atom * 3 + axis) * frame.members + lane, force);
            }
        }
        store(frame.row.force_error + lane, load(frame.row.force_error + lane) + total);
    }
}

template <typename T>
Index scratch_size(const Shape& shape, const Most& most, Index members) {
    const Index geometries = padded(tile_atoms * Geometry<T>::size(shape, most));
    return Space<T>::size(shape, most) + geometries + 3 * most.atoms * members;
}

template <typename T>
void run(const Shape& shape, const Data<T>& data, const T* parameters, Index members,
         Index first_atom, Index end_atom, const Most& most, const Row<T>& row, T* scratch) {
    const Frame<T> frame{shape, data, parameters, members, first_atom, end_atom, most, row};
    T* forces = scratch;
    fill(forces, 3 * frame.n_atoms() * members, T(0));
    run_frame(frame, forces, scratch + 3 * most.atoms * members);
    finish_forces(frame, forces);
}

const Kernel<double> of_double{width<double>, scratch_size<double>, run<double>};
const Kernel<float> of_float{width<float>, scratch_size<float>, run<float>};

}  // namespace amptorch::population::AMPTORCH_ISA
