"""The Triton kernels of the order norms with solid harmonics.

A solid harmonic is the product of a function of z and rho = r^2 and one of x and y,

    R_lm = Pi_lm(z, rho) S_m(x, y),  S_0 = 1,  S_m, S_-m = N_m Re, N_m Im (x + iy)^m,
    N_1 = 1, N_(m+1) = N_m sqrt((2m+1)/(2m+2)),

    sqrt(l^2-m^2) Pi_lm = (2l-1) z Pi_(l-1)m - sqrt((l-1)^2-m^2) rho Pi_(l-2)m,  Pi_mm = 1,

with dR_lm/dz = sqrt(l^2-m^2) R_(l-1)m, so all 2l+1 components of an order (rows) of a block of
neighbours (columns) climb from order to order together. Rows are m = 0, 1, -1, 2, -2, ...

With F_lm = sum_j W_jl R_lm(R_ij), the multipoles that the first kernel leaves for the others are
F_lm dG/dS_l dS_l/d(F_lm^2) 2, so that dG = sum_m multipole_lm dF_lm.
"""

import triton
import triton.language as tl

from .pairs import four_zeros, load_vector


@triton.jit
def in_plane(x, y, norms, BITS: tl.constexpr, ROWS: tl.constexpr):
    """S_m of all rows and its slopes along x and y, [ROWS, block], from (x + iy)^(|m|-1)."""
    row = tl.arange(0, ROWS)[:, None]
    m = (row + 1) // 2
    norm = tl.load(norms + row)
    base_re, base_im = x[None, :], y[None, :]
    re, im = norm + base_re * 0.0, norm * 0.0 + base_re * 0.0
    for bit in tl.static_range(BITS):
        taken = (((m - 1) >> bit) & 1) != 0
        next_re = re * base_re - im * base_im
        next_im = re * base_im + im * base_re
        re, im = tl.where(taken, next_re, re), tl.where(taken, next_im, im)
        base_re, base_im = base_re * base_re - base_im * base_im, 2.0 * base_re * base_im
    is_real = row % 2 == 1
    value = tl.where(is_real, re * x[None, :] - im * y[None, :], re * y[None, :] + im * x[None, :])
    slope_x = tl.where(m == 0, 0.0, m * tl.where(is_real, re, im))
    slope_y = tl.where(m == 0, 0.0, m * tl.where(is_real, -im, re))
    return tl.where(m == 0, 1.0, value), slope_x, slope_y


@triton.jit
def load_recurrence(recurrences, order, ROWS: tl.constexpr):
    """(2l-1) / sqrt(l^2-m^2), sqrt((l-1)^2-m^2) / sqrt(l^2-m^2), Pi_mm and sqrt(l^2-m^2) of every
    row, [ROWS, 1], each zero where it has no part in Pi_lm."""
    at = recurrences + 4 * order * ROWS + tl.arange(0, ROWS)[:, None]
    return tl.load(at), tl.load(at + ROWS), tl.load(at + 2 * ROWS), tl.load(at + 3 * ROWS)


@triton.jit
def climb(now, below, up, down, begin, z, rho):
    """Pi of an order from those of the two below it."""
    return up * z[None, :] * now - down * rho[None, :] * below + begin


@triton.jit
def climb_slope(now, below, below_pi, up, down, z, rho):
    """dPi/drho of an order from those of the two below it, and from Pi two below."""
    return up * z[None, :] * now - down * (below_pi + rho[None, :] * below)


@triton.jit
def load_gaussians(gaussians, kind, sigma, n_sigmas, GAUSSIANS: tl.constexpr):
    """Height, decay and contraction lambda, [GAUSSIANS, block], of neighbours' Gaussians."""
    place = ((kind * n_sigmas + sigma) * GAUSSIANS)[None, :] + tl.arange(0, GAUSSIANS)[:, None]
    height = tl.load(gaussians + 3 * place)
    return height, tl.load(gaussians + 3 * place + 1), tl.load(gaussians + 3 * place + 2)


@triton.jit
def sum_multipoles(vectors, first, neighbors, species, gaussians, columns, norms,
                   recurrences, factors, features, multipoles, n_sigmas, n_features,
                   SQUARE: tl.constexpr, EPSILON: tl.constexpr, HIGHEST: tl.constexpr,
                   ORDERS: tl.constexpr, ROWS: tl.constexpr, GAUSSIANS: tl.constexpr,
                   BITS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """G and the multipoles [ORDERS, ROWS] of one centre and one sigma."""
    center, sigma = tl.program_id(0).to(tl.int64), tl.program_id(1)
    order, row = tl.arange(0, ORDERS), tl.arange(0, ROWS)
    own = (tl.load(species + center) * n_sigmas + sigma) * GAUSSIANS + tl.arange(0, GAUSSIANS)
    overlap = tl.sum(tl.load(gaussians + 3 * own), 0)
    sums = tl.where((order[:, None] == 0) & (row[None, :] == 0), overlap, 0.0)
    end = tl.load(first + center + 1)
    for start in range(tl.load(first + center), end, BLOCK):
        pairs = start + tl.arange(0, BLOCK)
        inside = pairs < end
        x, y, z = load_vector(vectors, pairs, inside)
        rho = x * x + y * y + z * z
        flat, _, _ = in_plane(x, y, norms, BITS, ROWS)
        kind = tl.load(species + tl.load(neighbors + pairs, mask=inside, other=0))
        height, decay, contraction = load_gaussians(gaussians, kind, sigma, n_sigmas, GAUSSIANS)
        weight = tl.where(inside[None, :], height * tl.exp(-decay * rho[None, :]), 0.0)
        now = tl.zeros([ROWS, BLOCK], vectors.dtype.element_ty)
        below = tl.zeros([ROWS, BLOCK], vectors.dtype.element_ty)
        for level in range(0, HIGHEST + 1):
            up, down, begin, _leg = load_recurrence(recurrences, level, ROWS)
            above = climb(now, below, up, down, begin, z, rho)
            below, now = now, above
            summand = tl.sum(now * flat * tl.sum(weight, 0)[None, :], 1)
            sums += tl.where(order[:, None] == level, summand[None, :], 0.0)
            weight *= contraction
    factor = tl.load(factors + order)
    values = factor * tl.sum(sums * sums, 1)
    slopes = 2.0 * factor
    if not SQUARE:
        steep = values > EPSILON
        slopes = tl.where(steep, factor / tl.sqrt(tl.where(steep, values, 1.0)), 0.0)
        values = tl.sqrt(values)
    column = tl.load(columns + sigma * ORDERS + order)
    tl.store(features + center * n_features + column, values, mask=column >= 0)
    place = ((center * n_sigmas + sigma) * ORDERS + order)[:, None] * ROWS + row[None, :]
    tl.store(multipoles + place, sums * slopes[:, None])


@triton.jit
def gather(bent, level, tilted, raised, x, y, z, flat, flat_x, flat_y):
    """Gradients of a block of neighbours from sums that multiply S_m: along R, and from the slopes
    of S_m, of Pi by rho and of R_lm by z."""
    along = tl.sum(bent * flat, 0)
    sideways = 2.0 * tl.sum(tilted * flat, 0)
    gx = tl.sum(level * flat_x, 0) + (along + sideways) * x
    gy = tl.sum(level * flat_y, 0) + (along + sideways) * y
    return gx, gy, tl.sum(raised * flat, 0) + along * z


@triton.jit(do_not_specialize=["n_pairs"])
def pull(vectors, centers, neighbors, species, gaussians, columns, norms, recurrences,
         multipoles, gradient, output, n_pairs, n_sigmas, n_features,
         JACOBIAN: tl.constexpr, HIGHEST: tl.constexpr, ORDERS: tl.constexpr,
         ROWS: tl.constexpr, GAUSSIANS: tl.constexpr, BITS: tl.constexpr,
         BLOCK: tl.constexpr):  # fmt: skip
    """dE/dR_ij, or dG/dR_ij of all features, of a block of pairs."""
    pairs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = pairs < n_pairs
    row = tl.arange(0, ROWS)[:, None]
    center = tl.load(centers + pairs, mask=inside, other=0)
    kind = tl.load(species + tl.load(neighbors + pairs, mask=inside, other=0))
    x, y, z = load_vector(vectors, pairs, inside)
    rho = x * x + y * y + z * z
    flat, flat_x, flat_y = in_plane(x, y, norms, BITS, ROWS)
    dtype: tl.constexpr = vectors.dtype.element_ty
    bent, level, tilted, raised = four_zeros([ROWS, BLOCK], dtype)
    for sigma in range(0, n_sigmas):
        height, decay, contraction = load_gaussians(gaussians, kind, sigma, n_sigmas, GAUSSIANS)
        weight = height * tl.exp(-decay * rho[None, :])
        now, below, slope, slope_below = four_zeros([ROWS, BLOCK], dtype)
        for order in range(0, HIGHEST + 1):
            up, down, begin, leg = load_recurrence(recurrences, order, ROWS)
            above = climb(now, below, up, down, begin, z, rho)
            slope_above = climb_slope(slope, slope_below, below, up, down, z, rho)
            below, now, slope_below, slope = now, above, slope, slope_above
            column = tl.broadcast_to(tl.load(columns + sigma * ORDERS + order), [BLOCK])
            known = inside & (column >= 0)
            place = ((center * n_sigmas + sigma) * ORDERS + order) * ROWS
            multipole = tl.load(multipoles + place[None, :] + row)
            if JACOBIAN:
                bent, level, tilted, raised = four_zeros([ROWS, BLOCK], dtype)
            else:
                g = tl.load(gradient + center * n_features + column, mask=known, other=0.0)
                multipole *= g[None, :]
            scaled = multipole * tl.sum(weight, 0)[None, :]
            bent += multipole * now * tl.sum(-2.0 * decay * weight, 0)[None, :]
            level += scaled * now
            tilted += scaled * slope
            raised += scaled * leg * below
            if JACOBIAN:
                gx, gy, gz = gather(bent, level, tilted, raised, x, y, z, flat, flat_x, flat_y)
                block = output + (pairs * n_features + column) * 3
                tl.store(block, gx, mask=known)
                tl.store(block + 1, gy, mask=known)
                tl.store(block + 2, gz, mask=known)
            weight *= contraction
    if not JACOBIAN:
        gx, gy, gz = gather(bent, level, tilted, raised, x, y, z, flat, flat_x, flat_y)
        tl.store(output + 3 * pairs, gx, mask=inside)
        tl.store(output + 3 * pairs + 1, gy, mask=inside)
        tl.store(output + 3 * pairs + 2, gz, mask=inside)


@triton.jit
def push(vectors, changes, first, neighbors, species, gaussians, columns, norms, recurrences,
         multipoles, features, n_sigmas, n_features,
         HIGHEST: tl.constexpr, ORDERS: tl.constexpr, ROWS: tl.constexpr,
         GAUSSIANS: tl.constexpr, BITS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """The change of G with the vectors, of one centre and one sigma."""
    center, sigma = tl.program_id(0).to(tl.int64), tl.program_id(1)
    orders, row = tl.arange(0, ORDERS), tl.arange(0, ROWS)[:, None]
    total = tl.zeros([ORDERS, BLOCK], vectors.dtype.element_ty)
    end = tl.load(first + center + 1)
    for start in range(tl.load(first + center), end, BLOCK):
        pairs = start + tl.arange(0, BLOCK)
        inside = pairs < end
        x, y, z = load_vector(vectors, pairs, inside)
        dx, dy, dz = load_vector(changes, pairs, inside)
        rho = x * x + y * y + z * z
        flat, flat_x, flat_y = in_plane(x, y, norms, BITS, ROWS)
        sideways = 2.0 * (x * dx + y * dy)
        along = 0.5 * sideways + z * dz
        turned = flat_x * dx[None, :] + flat_y * dy[None, :]
        kind = tl.load(species + tl.load(neighbors + pairs, mask=inside, other=0))
        height, decay, contraction = load_gaussians(gaussians, kind, sigma, n_sigmas, GAUSSIANS)
        weight = tl.where(inside[None, :], height * tl.exp(-decay * rho[None, :]), 0.0)
        dtype: tl.constexpr = vectors.dtype.element_ty
        now, below, slope, slope_below = four_zeros([ROWS, BLOCK], dtype)
        for order in range(0, HIGHEST + 1):
            up, down, begin, leg = load_recurrence(recurrences, order, ROWS)
            above = climb(now, below, up, down, begin, z, rho)
            slope_above = climb_slope(slope, slope_below, below, up, down, z, rho)
            below, now, slope_below, slope = now, above, slope, slope_above
            place = ((center * n_sigmas + sigma) * ORDERS + order) * ROWS
            multipole = tl.load(multipoles + place + row)
            raised = slope * sideways[None, :] + leg * below * dz[None, :]
            change = (now * turned + raised * flat) * tl.sum(weight, 0)[None, :]
            steepness = tl.sum(-2.0 * decay * weight, 0) * along
            change += now * flat * steepness[None, :]
            change = tl.sum(multipole * change, 0)
            total += tl.where(orders[:, None] == order, change[None, :], 0.0)
            weight *= contraction
    column = tl.load(columns + sigma * ORDERS + orders)
    tl.store(features + center * n_features + column, tl.sum(total, 1), mask=column >= 0)
