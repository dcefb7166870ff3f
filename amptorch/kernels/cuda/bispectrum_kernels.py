"""Triton kernels of the bispectrum components.

An element of U^j is (alpha*)^K (-omega)^L p_n or (alpha*)^K (omega*)^L p_n, omega = beta*, with
Jacobi polynomials p_n(|alpha|^2 - |beta|^2), n = (j - K - L)/2 (kernels/cpu/bispectrum.h): a row is
a pair (K, L), named k and m, columns are neighbours. Densities, Z and Y lie by element, real and
imaginary parts apart, with atoms next to each other.
"""

import triton
import triton.language as tl

from .pairs import four_zeros, load_vector


@triton.jit
def times(x_re, x_im, y_re, y_im):
    return x_re * y_re - x_im * y_im, x_re * y_im + x_im * y_re


@triton.jit
def power(re, im, exponent, BITS: tl.constexpr):
    """base^n and its derivative by the base, [ROWS, block]."""
    below = tl.maximum(exponent - 1, 0)
    base_re, base_im = re[None, :], im[None, :]
    low_re, low_im = 1.0 + 0.0 * base_re * exponent, 0.0 * base_re * exponent
    for bit in tl.static_range(BITS):
        taken = ((below >> bit) & 1) != 0
        next_re, next_im = times(low_re, low_im, base_re, base_im)
        low_re, low_im = tl.where(taken, next_re, low_re), tl.where(taken, next_im, low_im)
        base_re, base_im = times(base_re, base_im, base_re, base_im)
    full_re, full_im = times(low_re, low_im, re[None, :], im[None, :])
    none = exponent == 0
    full_re, full_im = tl.where(none, 1.0, full_re), tl.where(none, 0.0, full_im)
    return full_re, full_im, exponent * low_re, exponent * low_im


@triton.jit
def climb(value, below, slope, slope_below, variable, recurrences, step, ROWS: tl.constexpr):
    """p_n and its slope from those of the two below, [ROWS, block]."""
    at = recurrences + 3 * (step * ROWS + tl.arange(0, ROWS)[:, None])
    a, b, c = tl.load(at), tl.load(at + 1), tl.load(at + 2)
    factor = a * variable[None, :] + b
    next_slope = factor * slope + a * value - c * slope_below
    return factor * value - c * below, value, next_slope, slope


@triton.jit
def look(vectors, pairs, inside, kinds, kind, OUTER: tl.constexpr, INNER: tl.constexpr):
    """Unit vectors, cosine and sine of theta, d theta/dr, 1/r, weight and its slope."""
    x, y, z = load_vector(vectors, pairs, inside)
    r = tl.sqrt(x * x + y * y + z * z)
    at = kinds + 8 * kind
    cutoff, span, turn, shift = tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)
    weight, slope = tl.load(at + 7), 0.0 * r
    if OUTER:
        angle = tl.maximum(r - shift, 0.0) * span
        slope = -0.5 * weight * span * tl.sin(angle)
        weight = 0.5 * weight * (1.0 + tl.cos(angle))
    if INNER:
        begin, end, speed = tl.load(at + 4), tl.load(at + 5), tl.load(at + 6)
        within = (r > begin) & (r < end)
        angle = tl.where(within, (r - begin) * speed, 0.0)
        value = tl.where(within, 0.5 - 0.5 * tl.cos(angle), tl.where(r >= end, 1.0, 0.0))
        slope = slope * value + tl.where(within, 0.5 * weight * speed * tl.sin(angle), 0.0)
        weight = weight * value
    counts = inside & (r < cutoff)
    weight, slope = tl.where(counts, weight, 0.0), tl.where(counts, slope, 0.0)
    theta = (r - shift) * turn
    cosine, sine = tl.cos(theta), tl.sin(theta)
    negative = sine < 0
    cosine, sine = tl.where(negative, -cosine, cosine), tl.where(negative, -sine, sine)
    return x / r, y / r, z / r, cosine, sine, turn, 1.0 / r, weight, slope


@triton.jit
def sum_densities(vectors, changes, first, neighbors, species, kinds, rows, recurrences, places,
                  densities, moved, n_atoms, n_species, n_full, n_densities,
                  CHANGES: tl.constexpr, SELF_ALL: tl.constexpr, CHEMICAL: tl.constexpr,
                  OUTER: tl.constexpr, INNER: tl.constexpr, ROWS: tl.constexpr,
                  BITS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Elements of one n of a density of an atom, and their change with the vectors."""
    center = tl.program_id(0).to(tl.int64)
    step, density = tl.program_id(1) // n_densities, tl.program_id(1) % n_densities
    own = tl.load(species + center)
    row = tl.arange(0, ROWS)
    k, m = tl.load(rows + row)[:, None], tl.load(rows + ROWS + row)[:, None]
    odd = 1.0 - 2.0 * (m % 2)
    dtype: tl.constexpr = vectors.dtype.element_ty
    plus_re, plus_im, minus_re, minus_im = four_zeros([ROWS, BLOCK], dtype)
    d_plus_re, d_plus_im, d_minus_re, d_minus_im = four_zeros([ROWS, BLOCK], dtype)
    end = tl.load(first + center + 1)
    for start in range(tl.load(first + center), end, BLOCK):
        pairs = start + tl.arange(0, BLOCK)
        inside = pairs < end
        kind = tl.load(species + tl.load(neighbors + pairs, mask=inside, other=0))
        if CHEMICAL:
            inside = inside & (kind == density)
        x, y, z, cosine, sine, turn, inverse, weight, slope = look(
            vectors, pairs, inside, kinds, own * n_species + kind, OUTER, INNER
        )
        u, v, q = sine * y, sine * x, sine * z
        variable = cosine * cosine + q * q - u * u - v * v
        a_re, a_im, da_re, da_im = power(cosine, q, k, BITS)
        o_re, o_im, do_re, do_im = power(u, v, m, BITS)
        p, below, bent, bent_below = four_zeros([ROWS, BLOCK], dtype)
        p += 1.0
        for n in range(0, step + 1):
            p, below, bent, bent_below = climb(
                p, below, bent, bent_below, variable, recurrences, n, ROWS
            )
        g_re, g_im = a_re * weight[None, :], a_im * weight[None, :]
        f_re, f_im = times(g_re, g_im, o_re, o_im)
        f_re, f_im = odd * f_re, odd * f_im
        m_re, m_im = times(g_re, g_im, o_re, -o_im)
        plus_re += p * f_re
        plus_im += p * f_im
        minus_re += p * m_re
        minus_im += p * m_im
        if CHANGES:
            dx, dy, dz = load_vector(changes, pairs, inside)
            along = x * dx + y * dy + z * dz
            across = sine * inverse
            radial = (cosine * turn - across) * along
            dc, dq = -sine * turn * along, radial * z + across * dz
            du, dv = radial * y + across * dy, radial * x + across * dx
            by = bent * (2.0 * (cosine * dc + q * dq - u * du - v * dv))[None, :]
            h_re, h_im = times(da_re, da_im, dc[None, :], dq[None, :])
            faster = (slope * along)[None, :]
            h_re = h_re * weight[None, :] + a_re * faster
            h_im = h_im * weight[None, :] + a_im * faster
            do_re, do_im = times(do_re, do_im, du[None, :], dv[None, :])
            e_re, e_im = times(h_re, h_im, o_re, o_im)
            t_re, t_im = times(g_re, g_im, do_re, do_im)
            d_plus_re += p * odd * (e_re + t_re) + by * f_re
            d_plus_im += p * odd * (e_im + t_im) + by * f_im
            e_re, e_im = times(h_re, h_im, o_re, -o_im)
            t_re, t_im = times(g_re, g_im, do_re, -do_im)
            d_minus_re += p * (e_re + t_re) + by * m_re
            d_minus_im += p * (e_im + t_im) + by * m_im
    # The unit matrix: elements of l = 0.
    mine = (n_densities == 1) | SELF_ALL | (own == density)
    unit = tl.where((m == 0) & mine, 1.0, 0.0)
    unit = tl.sum(unit, 1)
    to = density * n_full
    spread(densities, center, n_atoms, to, places, step, 0, tl.sum(plus_re, 1) + unit,
           tl.sum(plus_im, 1), ROWS)  # fmt: skip
    spread(densities, center, n_atoms, to, places, step, 1, tl.sum(minus_re, 1),
           tl.sum(minus_im, 1), ROWS)  # fmt: skip
    if CHANGES:
        spread(moved, center, n_atoms, to, places, step, 0, tl.sum(d_plus_re, 1),
               tl.sum(d_plus_im, 1), ROWS)  # fmt: skip
        spread(moved, center, n_atoms, to, places, step, 1, tl.sum(d_minus_re, 1),
               tl.sum(d_minus_im, 1), ROWS)  # fmt: skip


@triton.jit
def spread(densities, center, n_atoms, to, places, step, minus, re, im, ROWS: tl.constexpr):
    """Stores elements and their mirrors, each its own or sign times the conjugate."""
    at = places + 4 * ((2 * step + minus) * ROWS + tl.arange(0, ROWS))
    full, mirror, sign = tl.load(at), tl.load(at + 1), tl.load(at + 2)
    there = full >= 0
    own = densities + 2 * (to + full).to(tl.int64) * n_atoms + center
    tl.store(own, re, mask=there)
    tl.store(own + n_atoms, im, mask=there)
    there = there & (full != mirror)
    other = densities + 2 * (to + mirror).to(tl.int64) * n_atoms + center
    tl.store(other, sign * re, mask=there)
    tl.store(other + n_atoms, -sign * im, mask=there)


@triton.jit
def multiply(densities, couplings, elements, z, n_atoms, begin, count, BLOCK: tl.constexpr):
    """One element of Z of some atoms."""
    held = tl.program_id(0).to(tl.int64)
    atoms = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = atoms < count
    at = elements + 8 * held
    x, y, j1, j2 = tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)
    total_b, total_a = tl.load(at + 4), tl.load(at + 5)
    couplings_b, couplings_a = couplings + tl.load(at + 6), couplings + tl.load(at + 7)
    low_b, low_a = tl.maximum(total_b - j2, 0), tl.maximum(total_a - j2, 0)
    re = tl.zeros([BLOCK], z.dtype.element_ty)
    im = tl.zeros([BLOCK], z.dtype.element_ty)
    for b1 in range(low_b, tl.minimum(j1, total_b) + 1):
        outer = tl.load(couplings_b + b1 - low_b)
        left = x + b1 * (j1 + 1)
        right = y + (total_b - b1) * (j2 + 1) + total_a
        for a1 in range(low_a, tl.minimum(j1, total_a) + 1):
            factor = outer * tl.load(couplings_a + a1 - low_a)
            one = densities + 2 * (left + a1).to(tl.int64) * n_atoms + begin + atoms
            other = densities + 2 * (right - a1).to(tl.int64) * n_atoms + begin + atoms
            one_re = tl.load(one, mask=inside, other=0.0)
            one_im = tl.load(one + n_atoms, mask=inside, other=0.0)
            other_re = tl.load(other, mask=inside, other=0.0)
            other_im = tl.load(other + n_atoms, mask=inside, other=0.0)
            product_re, product_im = times(one_re, one_im, other_re, other_im)
            re += factor * product_re
            im += factor * product_im
    to = z + 2 * held * count + atoms
    tl.store(to, re, mask=inside)
    tl.store(to + count, im, mask=inside)


@triton.jit
def overlap(z, densities, terms, factors, levels, halves, lonely, species, features,
            n_atoms, begin, count, n_features, n_components, n_full, n_densities,
            FIRST: tl.constexpr, ZERO: tl.constexpr, SELF_ALL: tl.constexpr,
            BLOCK: tl.constexpr):  # fmt: skip
    """One feature of some atoms, of the third of its terms, or its change, of all three."""
    feature = tl.program_id(0)
    atoms = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = atoms < count
    value = tl.zeros([BLOCK], z.dtype.element_ty)
    for term in range(FIRST, 3):
        at = terms + 3 * (3 * feature + term)
        place, density, j = tl.load(at), tl.load(at + 1), tl.load(at + 2)
        half, n_half = tl.load(levels + 2 * j), tl.load(levels + 2 * j + 1)
        total = tl.zeros([BLOCK], z.dtype.element_ty)
        for h in range(0, n_half):
            full = density * n_full + tl.load(halves + 2 * (half + h))
            times_counted = tl.load(halves + 2 * (half + h) + 1)
            own = z + 2 * (place + h).to(tl.int64) * count + atoms
            other = densities + 2 * full.to(tl.int64) * n_atoms + begin + atoms
            re = tl.load(own, mask=inside, other=0.0) * tl.load(other, mask=inside, other=0.0)
            im = tl.load(own + count, mask=inside, other=0.0) * tl.load(
                other + n_atoms, mask=inside, other=0.0
            )
            total += times_counted * (re + im)
        value += tl.load(factors + 3 * feature + term) * total
    if ZERO:
        own = tl.load(species + begin + atoms, mask=inside, other=0)
        triple = feature // n_components
        e1, e2, e3 = triple // (n_densities * n_densities), triple // n_densities, triple
        mine = (own == e1) & (own == e2 % n_densities) & (own == e3 % n_densities)
        mine = mine | SELF_ALL | (n_densities == 1)
        value -= tl.where(mine, tl.load(lonely + feature % n_components), 0.0)
    tl.store(features + (begin + atoms).to(tl.int64) * n_features + feature, value, mask=inside)


@triton.jit
def adjoin(z, gradient, first_term, adjoint_terms, adjoint_factors, half_levels, halves, adjoint,
           n_atoms, begin, count, n_features, n_half, n_levels,
           BLOCK: tl.constexpr):  # fmt: skip
    """One element of Y* of some atoms, times how often it counts."""
    density, half = tl.program_id(0) // n_half, tl.program_id(0) % n_half
    atoms = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = atoms < count
    j, h = tl.load(half_levels + 2 * half), tl.load(half_levels + 2 * half + 1)
    re = tl.zeros([BLOCK], z.dtype.element_ty)
    im = tl.zeros([BLOCK], z.dtype.element_ty)
    at = first_term + density * n_levels + j
    for term in range(tl.load(at), tl.load(at + 1)):
        place, feature = tl.load(adjoint_terms + 2 * term), tl.load(adjoint_terms + 2 * term + 1)
        slope = gradient + (begin + atoms).to(tl.int64) * n_features + feature
        by = tl.load(adjoint_factors + term) * tl.load(slope, mask=inside, other=0.0)
        own = z + 2 * (place + h).to(tl.int64) * count + atoms
        re += by * tl.load(own, mask=inside, other=0.0)
        im += by * tl.load(own + count, mask=inside, other=0.0)
    times_counted = tl.load(halves + 2 * half + 1)
    to = adjoint + 2 * tl.program_id(0).to(tl.int64) * n_atoms + begin + atoms
    tl.store(to, times_counted * re, mask=inside)
    tl.store(to + n_atoms, -times_counted * im, mask=inside)


@triton.jit
def load_adjoint(adjoint, half, there, center, n_atoms):
    at = adjoint + 2 * half.to(tl.int64) * n_atoms + center
    return tl.load(at, mask=there, other=0.0), tl.load(at + n_atoms, mask=there, other=0.0)


@triton.jit
def load_product(z, place, half, factor, there, center, count, halves):
    """Y* of one feature from one of its products."""
    at = z + 2 * place.to(tl.int64) * count + center
    by = factor * tl.load(halves + 2 * half + 1, mask=there, other=0)
    re, im = tl.load(at, mask=there, other=0.0), tl.load(at + count, mask=there, other=0.0)
    return by * re, -by * im


@triton.jit(do_not_specialize=["n_pairs"])
def pull(vectors, centers, neighbors, species, kinds, rows, recurrences, places, source, terms,
         factors, levels, halves, columns, output, n_pairs, n_atoms, begin, count, n_species,
         n_half, n_touched,
         JACOBIAN: tl.constexpr, CHEMICAL: tl.constexpr, OUTER: tl.constexpr,
         INNER: tl.constexpr, STEPS: tl.constexpr, ROWS: tl.constexpr, BITS: tl.constexpr,
         BLOCK: tl.constexpr):  # fmt: skip
    """dE/dR_ij of a block of pairs from Y*, or dG/dR_ij of one column from Z."""
    pairs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = pairs < n_pairs
    center = tl.load(centers + pairs, mask=inside, other=0)
    own = tl.load(species + center)
    kind = tl.load(species + tl.load(neighbors + pairs, mask=inside, other=0))
    if JACOBIAN:
        inside = inside & (center >= begin) & (center < begin + count)
    x, y, z, cosine, sine, turn, inverse, weight, slope = look(
        vectors, pairs, inside, kinds, own * n_species + kind, OUTER, INNER
    )
    density = kind if CHEMICAL else kind * 0
    u, v, q = sine * y, sine * x, sine * z
    variable = cosine * cosine + q * q - u * u - v * v
    row = tl.arange(0, ROWS)
    k, m = tl.load(rows + row)[:, None], tl.load(rows + ROWS + row)[:, None]
    dtype: tl.constexpr = vectors.dtype.element_ty
    p, below, bent, bent_below = four_zeros([ROWS, BLOCK], dtype)
    p += 1.0
    plus_re, plus_im, minus_re, minus_im = four_zeros([ROWS, BLOCK], dtype)
    b_plus_re, b_plus_im, b_minus_re, b_minus_im = four_zeros([ROWS, BLOCK], dtype)
    for n in range(0, STEPS):
        p, below, bent, bent_below = climb(
            p, below, bent, bent_below, variable, recurrences, n, ROWS
        )
        plus = tl.load(places + 4 * (2 * n * ROWS + row) + 3)[:, None]
        minus = tl.load(places + 4 * ((2 * n + 1) * ROWS + row) + 3)[:, None]
        if JACOBIAN:
            feature = tl.load(columns + density * n_touched + tl.program_id(1))
            for term in range(0, 3):
                at = terms + 3 * (3 * feature + term)
                there = (inside & (tl.load(at + 1) == density))[None, :]
                j = tl.load(at + 2)
                there = there & (k + m + 2 * n == j[None, :])
                place = (tl.load(at) - tl.load(levels + 2 * j))[None, :]
                factor = tl.load(factors + 3 * feature + term)[None, :]
                y_re, y_im = load_product(source, place + plus, plus, factor, there & (plus >= 0),
                                          (center - begin)[None, :], count, halves)  # fmt: skip
                plus_re += y_re * p
                plus_im += y_im * p
                b_plus_re += y_re * bent
                b_plus_im += y_im * bent
                y_re, y_im = load_product(source, place + minus, minus, factor,
                                          there & (minus >= 0), (center - begin)[None, :],
                                          count, halves)  # fmt: skip
                minus_re += y_re * p
                minus_im += y_im * p
                b_minus_re += y_re * bent
                b_minus_im += y_im * bent
        else:
            to = (density * n_half)[None, :]
            y_re, y_im = load_adjoint(source, to + plus, inside[None, :] & (plus >= 0),
                                      center[None, :], n_atoms)  # fmt: skip
            plus_re += y_re * p
            plus_im += y_im * p
            b_plus_re += y_re * bent
            b_plus_im += y_im * bent
            y_re, y_im = load_adjoint(source, to + minus, inside[None, :] & (minus >= 0),
                                      center[None, :], n_atoms)  # fmt: skip
            minus_re += y_re * p
            minus_im += y_im * p
            b_minus_re += y_re * bent
            b_minus_im += y_im * bent
    odd = 1.0 - 2.0 * (m % 2)
    a_re, a_im, da_re, da_im = power(cosine, q, k, BITS)
    o_re, o_im, do_re, do_im = power(u, v, m, BITS)
    # Derivatives by alpha*, omega, omega* and the variable of the polynomials, and the value.
    f_re, f_im = times(plus_re * odd, plus_im * odd, o_re, o_im)
    m_re, m_im = times(minus_re, minus_im, o_re, -o_im)
    t_re, t_im = f_re + m_re, f_im + m_im
    value = tl.sum(t_re * a_re - t_im * a_im, 0)
    by_a_re, by_a_im = times(t_re, t_im, da_re, da_im)
    f_re, f_im = times(b_plus_re * odd, b_plus_im * odd, o_re, o_im)
    m_re, m_im = times(b_minus_re, b_minus_im, o_re, -o_im)
    twice = 2.0 * tl.sum((f_re + m_re) * a_re - (f_im + m_im) * a_im, 0)
    f_re, f_im = times(plus_re * odd, plus_im * odd, a_re, a_im)
    f_re, f_im = times(f_re, f_im, do_re, do_im)
    m_re, m_im = times(minus_re, minus_im, a_re, a_im)
    m_re, m_im = times(m_re, m_im, do_re, -do_im)
    g_cosine = tl.sum(by_a_re, 0) + twice * cosine
    gz = twice * q - tl.sum(by_a_im, 0)
    gy = tl.sum(f_re + m_re, 0) - twice * u
    gx = tl.sum(m_im - f_im, 0) - twice * v
    across = sine * inverse
    along = gx * x + gy * y + gz * z
    radial = (cosine * turn - across) * along - sine * turn * g_cosine
    radial = slope * value + weight * radial
    flat = weight * across
    at = output + 3 * pairs
    if JACOBIAN:
        at = output + 3 * (pairs * n_touched + tl.program_id(1))
    tl.store(at, radial * x + flat * gx, mask=inside)
    tl.store(at + 1, radial * y + flat * gy, mask=inside)
    tl.store(at + 2, radial * z + flat * gz, mask=inside)
