"""The Triton kernels of the symmetry functions; tables as in ``symmetry_functions_plan.py``.

With w(r) = exp(-eta r^2) fc(r) of each pair, c = cos theta and b = (1 + lambda c)/2, a term is

    t = 2 b^zeta w_ij w_ik [w_jk for G4]

    dt/dR_ij = R_ij (2 b^zeta (q_ij w_ik w_jk + w_ij w_ik q_jk) - s c / r_ij^2)
             + R_ik (s / (r_ij r_ik) - 2 b^zeta w_ij w_ik q_jk)

    q = (dw/dr) / r,   s = lambda zeta b^(zeta-1) w_ij w_ik w_jk

so no angle is ever divided by a sine. No program writes where another does: sums are over
neighbours in a fixed order, and derivatives see every triple from both of its sides.

Pairs of a centre whose neighbours are of one species are a cell, and lie together. A program looks
at tiles of some pairs j and their partners k, so that what belongs to either is worked out once for
a row or a column, and sums over tiles are carried by element and added up once, at the end.
"""

import triton
import triton.language as tl

from .pairs import four_zeros, load_vector
from .symmetry_functions_terms_kernels import load_terms, raise_terms
from .symmetry_functions_weights_kernels import load_curve, weigh


@triton.jit
def sum_radial(vectors, changes, species, starts, radial, first_radial, curves, columns,
               n_species, n_columns, CUTOFF: tl.constexpr, CENTERED: tl.constexpr,
               TANGENT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """G2, or its change: one of one centre."""
    center = tl.program_id(0).to(tl.int64)
    kind = tl.load(species + center)
    row = tl.load(first_radial + kind * n_species) + tl.program_id(1)
    if row < tl.load(first_radial + (kind + 1) * n_species):
        curve = load_curve(curves, row)
        cell = starts + center * n_species + tl.load(radial + 2 * row)
        begin, end = tl.load(cell), tl.load(cell + 1)
        total = tl.zeros([BLOCK], vectors.dtype.element_ty)
        for start in range(begin, end, BLOCK):
            j = start + tl.arange(0, BLOCK)
            x, y, z = load_vector(vectors, j, j < end)
            value, slope = weigh(x * x + y * y + z * z, curve, CUTOFF, CENTERED)
            if TANGENT:
                dx, dy, dz = load_vector(changes, j, j < end)
                value = slope * (x * dx + y * dy + z * dz)
            total += tl.where(j < end, value, 0.0)
        column = tl.load(radial + 2 * row + 1)
        tl.store(columns + center * n_columns + column, tl.sum(total, 0))


@triton.jit
def sum_angular(vectors, changes, species, starts, groups, first_group, terms, powers, curves,
                columns, n_species, n_columns,
                CUTOFF: tl.constexpr, CENTERED: tl.constexpr, CODE: tl.constexpr,
                BITS: tl.constexpr, TERMS: tl.constexpr, TANGENT: tl.constexpr, ROWS: tl.constexpr,
                BLOCK: tl.constexpr):  # fmt: skip
    """G4 or G5, or their changes: one group of one centre."""
    center = tl.program_id(0).to(tl.int64)
    kind = tl.load(species + center)
    group = tl.load(first_group + kind) + tl.program_id(1)
    if group < tl.load(first_group + kind + 1):
        a, b = tl.load(groups + 4 * group), tl.load(groups + 4 * group + 1)
        curve = load_curve(curves, tl.load(groups + 4 * group + 2))
        closed = tl.load(groups + 4 * group + 3)
        loaded = load_terms(terms, powers, group, TERMS)
        cells = starts + center * n_species
        j_begin, j_end = tl.load(cells + a), tl.load(cells + a + 1)
        k_begin, k_end = tl.load(cells + b), tl.load(cells + b + 1)
        total = tl.zeros([TERMS, ROWS, BLOCK], vectors.dtype.element_ty)
        for j_start in range(j_begin, j_end, ROWS):
            j = (j_start + tl.arange(0, ROWS))[:, None]
            xj, yj, zj = load_vector(vectors, j, j < j_end)
            square_j = xj * xj + yj * yj + zj * zj
            wj, qj = weigh(square_j, curve, CUTOFF, CENTERED)
            wj = tl.where(j < j_end, wj, 0.0)
            inverse_j = tl.rsqrt(square_j)
            k_first = tl.where(a == b, j_start, k_begin)
            for k_start in range(k_first, k_end, BLOCK):
                k = (k_start + tl.arange(0, BLOCK))[None, :]
                xk, yk, zk = load_vector(vectors, k, k < k_end)
                square_k = xk * xk + yk * yk + zk * zk
                wk, qk = weigh(square_k, curve, CUTOFF, CENTERED)
                once = (k < k_end) & ((a != b) | (k > j))
                inverse_k = tl.rsqrt(square_k)
                inverse = inverse_j * inverse_k
                cosine = (xj * xk + yj * yk + zj * zk) * inverse
                power, lower = raise_terms(cosine, loaded, CODE, BITS, TERMS)
                far = tl.full(cosine.shape, 1.0, cosine.dtype)
                far_slope = tl.zeros(cosine.shape, cosine.dtype)
                if closed != 0:
                    x, y, z = xk - xj, yk - yj, zk - zj
                    far, far_slope = weigh(x * x + y * y + z * z, curve, CUTOFF, CENTERED)
                weight = tl.where(once, 2.0 * wj * wk * far, 0.0)
                if TANGENT:
                    dxj, dyj, dzj = load_vector(changes, j, j < j_end)
                    dxk, dyk, dzk = load_vector(changes, k, k < k_end)
                    along_j = xj * dxj + yj * dyj + zj * dzj
                    along_k = xk * dxk + yk * dyk + zk * dzk
                    crossed = dxj * xk + dyj * yk + dzj * zk + xj * dxk + yj * dyk + zj * dzk
                    turned = along_j * (inverse_j * inverse_j) + along_k * (inverse_k * inverse_k)
                    bend = crossed * inverse - cosine * turned
                    stretch = (qj * along_j * wk + wj * (qk * along_k)) * far
                    stretch += wj * wk * far_slope * (along_j + along_k - crossed)
                    stretch = tl.where(once & (j < j_end), 2.0 * stretch, 0.0)
                    total += power * stretch[None, :, :]
                    total += lower * (loaded[3] * (bend * weight)[None, :, :])
                else:
                    total += power * weight[None, :, :]
        term = group * TERMS + tl.arange(0, TERMS)
        column = tl.load(terms + 4 * term + 1)
        summed = tl.sum(tl.sum(total, 2), 1)
        tl.store(columns + center * n_columns + column, summed, mask=column >= 0)


@triton.jit
def put(slot, x, y, z, mask, WEIGHTED: tl.constexpr):
    """Writes vectors into slots, or adds them where several functions share a feature."""
    if WEIGHTED:
        tl.debug_barrier()  # what this program wrote there before may be another thread's
        x += tl.load(slot, mask=mask)
        y += tl.load(slot + 1, mask=mask)
        z += tl.load(slot + 2, mask=mask)
    tl.store(slot, x, mask=mask)
    tl.store(slot + 1, y, mask=mask)
    tl.store(slot + 2, z, mask=mask)


@triton.jit
def pull(vectors, species, starts, radial, radial_slots, radial_curves, first_radial, groups,
         terms, powers, members, first_member, curves, gradient, output, n_species, n_columns,
         n_touched, CUTOFF: tl.constexpr, CENTERED: tl.constexpr, CODE: tl.constexpr,
         BITS: tl.constexpr, TERMS: tl.constexpr, JACOBIAN: tl.constexpr, WEIGHTED: tl.constexpr,
         FUNCTIONS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """dE/dR_ij, or dG/dR_ij in slots, of some pairs of a cell."""
    cell = tl.program_id(0).to(tl.int64)
    center = cell // n_species
    kinds = tl.load(species + center) * n_species + cell % n_species
    weight_of_g = gradient + center * n_columns
    KEPT: tl.constexpr = TERMS if JACOBIAN else 1
    j_end = tl.load(starts + cell + 1)
    j_begin = tl.load(starts + cell) + tl.program_id(1) * ROWS
    for j_start in range(j_begin, j_end, ROWS * tl.num_programs(1)):
        j = (j_start + tl.arange(0, ROWS))[:, None]
        known = j < j_end
        x, y, z = load_vector(vectors, j, known)
        square = x * x + y * y + z * z
        inverse = tl.rsqrt(square)
        out = output + j * (3 * n_touched)

        radially = tl.zeros([ROWS, FUNCTIONS], vectors.dtype.element_ty)
        radial_end = tl.load(first_radial + kinds + 1)
        for start in range(tl.load(first_radial + kinds), radial_end, FUNCTIONS):
            row = (start + tl.arange(0, FUNCTIONS))[None, :]
            is_one = row < radial_end
            row = tl.where(is_one, row, start)
            _, slope = weigh(square, load_curve(radial_curves, row), CUTOFF, CENTERED)
            if WEIGHTED or not JACOBIAN:
                column = tl.load(radial + 2 * row + 1)
                slope *= tl.load(weight_of_g + column, mask=is_one, other=0.0)
            if JACOBIAN:
                slot = out + 3 * tl.load(radial_slots + row)
                put(slot, slope * x, slope * y, slope * z, known & is_one, WEIGHTED)
            else:
                radially += slope

        along, across_x, across_y, across_z = four_zeros([KEPT, ROWS, BLOCK], x.dtype)
        for member in range(tl.load(first_member + kinds), tl.load(first_member + kinds + 1)):
            group = tl.load(members + 3 * member)
            partners = starts + center * n_species + tl.load(members + 3 * member + 1)
            curve = load_curve(curves, tl.load(groups + 4 * group + 2))
            closed = tl.load(groups + 4 * group + 3)
            loaded = load_terms(terms, powers, group, TERMS)
            term = (group * TERMS + tl.arange(0, TERMS))[:, None, None]
            column = tl.load(terms + 4 * term + 1)
            g = tl.load(
                weight_of_g + column, mask=(column >= 0) & (WEIGHTED or not JACOBIAN), other=0.0
            )
            wj, qj = weigh(square, curve, CUTOFF, CENTERED)
            wj, qj = 2.0 * wj, 2.0 * qj
            if JACOBIAN:
                along, across_x, across_y, across_z = four_zeros([KEPT, ROWS, BLOCK], x.dtype)
            k_end = tl.load(partners + 1)
            for k_start in range(tl.load(partners), k_end, BLOCK):
                k = (k_start + tl.arange(0, BLOCK))[None, :]
                xk, yk, zk = load_vector(vectors, k, k < k_end)
                square_k = xk * xk + yk * yk + zk * zk
                inverse_k = tl.rsqrt(square_k)
                wk, _ = weigh(square_k, curve, CUTOFF, CENTERED)
                wk = tl.where((k < k_end) & (k != j), wk, 0.0)
                product = inverse * inverse_k
                cosine = (x * xk + y * yk + z * zk) * product
                level, lower = raise_terms(cosine, loaded, CODE, BITS, TERMS)
                if JACOBIAN:
                    bend = lower * loaded[3]
                else:
                    level = tl.sum(level * g, 0)[None, :, :]
                    bend = tl.sum(lower * (loaded[3] * g), 0)[None, :, :]
                far = tl.full(cosine.shape, 1.0, cosine.dtype)
                far_slope = tl.zeros(cosine.shape, cosine.dtype)
                if closed != 0:
                    dx, dy, dz = xk - x, yk - y, zk - z
                    far, far_slope = weigh(dx * dx + dy * dy + dz * dz, curve, CUTOFF, CENTERED)
                near = wk * far
                turn = bend * (wj * near)[None, :, :]
                push = level * (wj * (wk * far_slope))[None, :, :]
                along += level * (qj * near)[None, :, :] + push
                along -= turn * (cosine * (inverse * inverse))[None, :, :]
                across = turn * product[None, :, :] - push
                across_x += across * xk[None, :, :]
                across_y += across * yk[None, :, :]
                across_z += across * zk[None, :, :]
            if JACOBIAN:
                place = tl.load(members + 3 * member + 2) + 2
                slot = out[None, :, :] + 3 * tl.load(terms + 4 * term + place)
                share = g if WEIGHTED else 1.0
                along_j = tl.sum(along, 2)[:, :, None]
                gx = share * (along_j * x[None, :, :] + tl.sum(across_x, 2)[:, :, None])
                gy = share * (along_j * y[None, :, :] + tl.sum(across_y, 2)[:, :, None])
                gz = share * (along_j * z[None, :, :] + tl.sum(across_z, 2)[:, :, None])
                put(slot, gx, gy, gz, known[None, :, :] & (column >= 0), WEIGHTED)
        if not JACOBIAN:
            along_j = tl.sum(radially, 1)[:, None] + tl.sum(tl.sum(along, 0), 1)[:, None]
            tl.store(out, along_j * x + tl.sum(tl.sum(across_x, 0), 1)[:, None], mask=known)
            tl.store(out + 1, along_j * y + tl.sum(tl.sum(across_y, 0), 1)[:, None], mask=known)
            tl.store(out + 2, along_j * z + tl.sum(tl.sum(across_z, 0), 1)[:, None], mask=known)
