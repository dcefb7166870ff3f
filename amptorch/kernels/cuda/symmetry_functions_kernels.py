"""The Triton kernels of the symmetry functions; tables as in ``symmetry_functions_plan.py``.

With w(r) = exp(-eta r^2) fc(r) of each pair, c = cos theta and b = (1 + lambda c)/2, a term is

    t = 2 b^zeta w_ij w_ik [w_jk for G4]

    dt/dR_ij = R_ij (2 b^zeta (q_ij w_ik w_jk + w_ij w_ik q_jk) - s c / r_ij^2)
             + R_ik (s / (r_ij r_ik) - 2 b^zeta w_ij w_ik q_jk)

    q = (dw/dr) / r,   s = lambda zeta b^(zeta-1) w_ij w_ik w_jk

so no angle is ever divided by a sine. No program writes where another does: sums are over
neighbours in a fixed order, and derivatives see every triple from both of its sides.

The number of pairs changes with every batch, so kernels are not compiled anew for some of its
values; what is multiplied with it is of 64 bits.
"""

import triton
import triton.language as tl

from .pairs import load_vector
from .symmetry_functions_cutoff_kernels import cutoff_function


@triton.jit
def weigh(r, curves, row, CUTOFF: tl.constexpr):
    """Value of a radial weight and its slope over r."""
    cutoff = tl.load(curves + 5 * row)
    eta = tl.load(curves + 5 * row + 3)
    off = r - tl.load(curves + 5 * row + 4)
    wave, own = tl.load(curves + 5 * row + 1), tl.load(curves + 5 * row + 2)
    inside, steepness = cutoff_function(r, cutoff, wave, own, CUTOFF)
    gaussian = tl.where(r < cutoff, tl.exp(-eta * off * off), 0.0)
    return inside * gaussian, (steepness - 2.0 * eta * off * inside) * gaussian / r


@triton.jit
def weigh_far_side(x, y, z, curves, channel, CUTOFF: tl.constexpr):
    """Weight of r_jk, finite also for j = k, which is masked by the callers."""
    square = tl.maximum(x * x + y * y + z * z, 1e-30)
    return weigh(tl.sqrt(square), curves, channel, CUTOFF)


@triton.jit
def lower_power(base, zeta, exponent, BITS: tl.constexpr):
    """base^(zeta-1), zero at base 0 for a zeta that is not whole."""
    if BITS < 0:
        safe = base > 1e-37
        logarithm = tl.log2(tl.where(safe, base, 1.0))
        power = tl.where(safe, tl.exp2((zeta - 1.0) * logarithm), 0.0)
    else:
        power = base * 0.0 + 1.0
        for bit in tl.static_range(BITS):
            power = tl.where((exponent >> bit) & 1 != 0, power * base, power)
            base = base * base
    return power


@triton.jit(do_not_specialize=["n_pairs"])
def weigh_pairs(vectors, curves, weights, n_pairs, n_channels, CUTOFF: tl.constexpr,
                BLOCK: tl.constexpr):  # fmt: skip
    """Weights and slopes over r, [2, n_channels, n_pairs], of a block of pairs and a channel."""
    pairs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.program_id(1).to(tl.int64)
    inside = pairs < n_pairs
    x, y, z = load_vector(vectors, pairs, inside)
    value, slope = weigh(tl.sqrt(x * x + y * y + z * z), curves, channel, CUTOFF)
    tl.store(weights + channel * n_pairs + pairs, value, mask=inside)
    tl.store(weights + (channel + n_channels) * n_pairs + pairs, slope, mask=inside)


@triton.jit
def sum_radial(vectors, changes, species, starts, radial, first_radial, curves, columns,
               n_species, n_columns, CUTOFF: tl.constexpr, TANGENT: tl.constexpr,
               BLOCK: tl.constexpr):  # fmt: skip
    """G2, or its change: one of one centre."""
    center = tl.program_id(0).to(tl.int64)
    kind = tl.load(species + center)
    row = tl.load(first_radial + kind * n_species) + tl.program_id(1)
    if row < tl.load(first_radial + (kind + 1) * n_species):
        cell = starts + center * n_species + tl.load(radial + 2 * row)
        begin, end = tl.load(cell), tl.load(cell + 1)
        total = tl.zeros([BLOCK], vectors.dtype.element_ty)
        for start in range(begin, end, BLOCK):
            j = start + tl.arange(0, BLOCK)
            x, y, z = load_vector(vectors, j, j < end)
            value, slope = weigh(tl.sqrt(x * x + y * y + z * z), curves, row, CUTOFF)
            if TANGENT:
                dx, dy, dz = load_vector(changes, j, j < end)
                value = slope * (x * dx + y * dy + z * dz)
            total += tl.where(j < end, value, 0.0)
        column = tl.load(radial + 2 * row + 1)
        tl.store(columns + center * n_columns + column, tl.sum(total, 0))


@triton.jit(do_not_specialize=["n_pairs"])
def sum_angular(vectors, changes, species, starts, weights, groups, first_group, terms, powers,
                curves, columns, n_pairs, n_channels, n_species, n_columns,
                CUTOFF: tl.constexpr, BITS: tl.constexpr, TERMS: tl.constexpr,
                TANGENT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """G4 or G5, or their changes: one group of one centre."""
    center = tl.program_id(0).to(tl.int64)
    kind = tl.load(species + center)
    group = tl.load(first_group + kind) + tl.program_id(1)
    if group < tl.load(first_group + kind + 1):
        a, b = tl.load(groups + 4 * group), tl.load(groups + 4 * group + 1)
        channel = tl.load(groups + 4 * group + 2).to(tl.int64)
        closed = tl.load(groups + 4 * group + 3)
        term = group * TERMS + tl.arange(0, TERMS)
        exponent = tl.load(terms + 4 * term)[:, None, None]
        zeta = tl.load(powers + 2 * term)[:, None, None]
        sign = tl.load(powers + 2 * term + 1)[:, None, None]
        cells = starts + center * n_species
        j_begin, j_end = tl.load(cells + a), tl.load(cells + a + 1)
        k_begin, k_end = tl.load(cells + b), tl.load(cells + b + 1)
        values = weights + channel * n_pairs
        slopes = weights + (channel + n_channels) * n_pairs
        total = tl.zeros([TERMS], vectors.dtype.element_ty)
        for j_start in range(j_begin, j_end, BLOCK):
            j = (j_start + tl.arange(0, BLOCK))[:, None]
            xj, yj, zj = load_vector(vectors, j, j < j_end)
            wj = tl.load(values + j, mask=j < j_end, other=0.0)
            square_j = xj * xj + yj * yj + zj * zj
            k_first = tl.where(a == b, j_start, k_begin)
            for k_start in range(k_first, k_end, BLOCK):
                k = (k_start + tl.arange(0, BLOCK))[None, :]
                xk, yk, zk = load_vector(vectors, k, k < k_end)
                wk = tl.load(values + k, mask=k < k_end, other=0.0)
                square_k = xk * xk + yk * yk + zk * zk
                inverse = 1.0 / tl.sqrt(square_j * square_k)
                cosine = (xj * xk + yj * yk + zj * zk) * inverse
                base = 0.5 + 0.5 * sign * cosine[None, :, :]
                lower = lower_power(base, zeta, exponent, BITS)
                pair = tl.where((a != b) | (k > j), wj * wk, 0.0)
                far, far_slope = pair * 0.0 + 1.0, pair * 0.0
                if closed != 0:
                    far, far_slope = weigh_far_side(
                        xk - xj, yk - yj, zk - zj, curves, channel, CUTOFF
                    )
                weight = pair * far
                if TANGENT:
                    dxj, dyj, dzj = load_vector(changes, j, j < j_end)
                    dxk, dyk, dzk = load_vector(changes, k, k < k_end)
                    along_j = xj * dxj + yj * dyj + zj * dzj
                    along_k = xk * dxk + yk * dyk + zk * dzk
                    crossed = dxj * xk + dyj * yk + dzj * zk + xj * dxk + yj * dyk + zj * dzk
                    bend = crossed * inverse - cosine * (along_j / square_j + along_k / square_k)
                    qj = tl.load(slopes + j, mask=j < j_end, other=0.0)
                    qk = tl.load(slopes + k, mask=k < k_end, other=0.0)
                    stretch = (qj * wk * along_j + wj * qk * along_k) * far
                    stretch += wj * wk * far_slope * (along_j + along_k - crossed)
                    stretch = tl.where((a != b) | (k > j), stretch, 0.0)
                    change = 2.0 * base * stretch[None, :, :]
                    summand = lower * (change + zeta * sign * (bend * weight)[None, :, :])
                else:
                    summand = 2.0 * lower * base * weight[None, :, :]
                total += tl.sum(tl.sum(summand, 2), 1)
        column = tl.load(terms + 4 * term + 1)
        tl.store(columns + center * n_columns + column, total, mask=column >= 0)


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


@triton.jit(do_not_specialize=["n_pairs"])
def pull(vectors, species, centers, neighbors, starts, weights, radial, radial_slots,
         radial_curves, first_radial, groups, terms, powers, members, first_member, curves,
         gradient, output, n_pairs, n_channels, n_species, n_columns, n_touched,
         CUTOFF: tl.constexpr, BITS: tl.constexpr, TERMS: tl.constexpr, JACOBIAN: tl.constexpr,
         WEIGHTED: tl.constexpr, RADIAL_BLOCK: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """dE/dR_ij, or dG/dR_ij in slots, of one pair."""
    j = tl.program_id(0).to(tl.int64)
    center = tl.load(centers + j)
    cell = tl.load(species + center) * n_species + tl.load(species + tl.load(neighbors + j))
    x, y, z = load_vector(vectors, j, j < n_pairs)
    inverse = 1.0 / tl.sqrt(x * x + y * y + z * z)
    out = output + (j * n_touched) * 3
    weight_of_g = gradient + center * n_columns
    pulled_x, pulled_y, pulled_z = x * 0.0, x * 0.0, x * 0.0

    radial_end = tl.load(first_radial + cell + 1)
    for start in range(tl.load(first_radial + cell), radial_end, RADIAL_BLOCK):
        row = start + tl.arange(0, RADIAL_BLOCK)
        known = row < radial_end
        row = tl.where(known, row, start)
        _, slope = weigh(1.0 / inverse, radial_curves, row, CUTOFF)
        if WEIGHTED or not JACOBIAN:
            slope *= tl.load(weight_of_g + tl.load(radial + 2 * row + 1), mask=known, other=0.0)
        if JACOBIAN:
            slot = out + 3 * tl.load(radial_slots + row)
            put(slot, slope * x, slope * y, slope * z, known, WEIGHTED)
        else:
            along = tl.sum(slope, 0)
            pulled_x += along * x
            pulled_y += along * y
            pulled_z += along * z

    for member in range(tl.load(first_member + cell), tl.load(first_member + cell + 1)):
        group = tl.load(members + 3 * member)
        partners = starts + center * n_species + tl.load(members + 3 * member + 1)
        channel = tl.load(groups + 4 * group + 2).to(tl.int64)
        closed = tl.load(groups + 4 * group + 3)
        term = group * TERMS + tl.arange(0, TERMS)
        exponent = tl.load(terms + 4 * term)[:, None]
        column = tl.load(terms + 4 * term + 1)
        zeta = tl.load(powers + 2 * term)[:, None]
        sign = tl.load(powers + 2 * term + 1)[:, None]
        g = tl.load(
            weight_of_g + column, mask=(column >= 0) & (WEIGHTED or not JACOBIAN), other=0.0
        )
        values = weights + channel * n_pairs
        slopes = weights + (channel + n_channels) * n_pairs
        wj, qj = tl.load(values + j), tl.load(slopes + j)
        k_end = tl.load(partners + 1)
        ROWS: tl.constexpr = TERMS if JACOBIAN else 1
        along = tl.zeros([ROWS], vectors.dtype.element_ty)
        across_x = tl.zeros([ROWS], vectors.dtype.element_ty)
        across_y = tl.zeros([ROWS], vectors.dtype.element_ty)
        across_z = tl.zeros([ROWS], vectors.dtype.element_ty)
        for k_start in range(tl.load(partners), k_end, BLOCK):
            k = k_start + tl.arange(0, BLOCK)
            inside = (k < k_end) & (k != j)
            xk, yk, zk = load_vector(vectors, k, k < k_end)
            wk = tl.load(values + k, mask=inside, other=0.0)
            inverse_k = 1.0 / tl.sqrt(xk * xk + yk * yk + zk * zk)
            cosine = (x * xk + y * yk + z * zk) * inverse * inverse_k
            base = 0.5 + 0.5 * sign * cosine[None, :]
            lower = lower_power(base, zeta, exponent, BITS)
            level, bend = 2.0 * lower * base, sign * zeta * lower
            if not JACOBIAN:
                level = tl.sum(level * g[:, None], 0)[None, :]
                bend = tl.sum(bend * g[:, None], 0)[None, :]
            far, far_slope = wk * 0.0 + 1.0, wk * 0.0
            if closed != 0:
                far, far_slope = weigh_far_side(xk - x, yk - y, zk - z, curves, channel, CUTOFF)
            turn = bend * (wj * wk * far)[None, :]
            push = level * (wj * wk * far_slope)[None, :]
            radially = level * (qj * wk * far)[None, :] + push
            along += tl.sum(radially - turn * (cosine * inverse * inverse)[None, :], 1)
            across = turn * (inverse * inverse_k)[None, :] - push
            across_x += tl.sum(across * xk[None, :], 1)
            across_y += tl.sum(across * yk[None, :], 1)
            across_z += tl.sum(across * zk[None, :], 1)
        if JACOBIAN:
            slot = out + 3 * tl.load(terms + 4 * term + 2 + tl.load(members + 3 * member + 2))
            share = g if WEIGHTED else 1.0
            put(slot, share * (along * x + across_x), share * (along * y + across_y),
                share * (along * z + across_z), column >= 0, WEIGHTED)  # fmt: skip
        else:
            pulled_x += tl.sum(along * x + across_x, 0)
            pulled_y += tl.sum(along * y + across_y, 0)
            pulled_z += tl.sum(along * z + across_z, 0)
    if not JACOBIAN:
        tl.store(out, pulled_x)
        tl.store(out + 1, pulled_y)
        tl.store(out + 2, pulled_z)
