"""The terms b^zeta of the symmetry functions in Triton kernels, b = (1 + lambda c)/2.

What zeta and lambda are may be part of what is compiled: with whole numbers that are the same in
all groups, terms of one lambda share their powers, and none is chosen while the kernel runs.
"""

import triton
import triton.language as tl


@triton.jit
def load_terms(terms, powers, group, TERMS: tl.constexpr):
    """zeta - 1, zeta, lambda, and zeta lambda / 2, which is the slope of b^zeta in c over
    b^(zeta-1), of a group's terms, [TERMS, 1, 1]."""
    term = (group * TERMS + tl.arange(0, TERMS))[:, None, None]
    zeta, sign = tl.load(powers + 2 * term), tl.load(powers + 2 * term + 1)
    return tl.load(terms + 4 * term), zeta, sign, 0.5 * sign * zeta


@triton.jit
def raise_terms(cosine, loaded, CODE: tl.constexpr, BITS: tl.constexpr, TERMS: tl.constexpr):
    """b^zeta and b^(zeta-1), [TERMS, ...], of a group's terms for cosines [...]."""
    if CODE == 0:
        exponent, zeta, sign, _ = loaded
        base = 0.5 + (0.5 * sign) * cosine[None, :, :]
        lower = lower_power(base, zeta, exponent, BITS)
        power = lower * base
    else:
        term = tl.arange(0, TERMS)[:, None, None]
        power = tl.zeros([TERMS, cosine.shape[0], cosine.shape[1]], cosine.dtype)
        lower = tl.zeros([TERMS, cosine.shape[0], cosine.shape[1]], cosine.dtype)
        for t in tl.static_range(TERMS):
            base = 0.5 + (0.5 * ((CODE >> (8 * t + 6) & 3) - 1)) * cosine
            own = whole_power(base, CODE >> (8 * t) & 63)
            power = tl.where(term == t, (own * base)[None, :, :], power)
            lower = tl.where(term == t, own[None, :, :], lower)
    return power, lower


@triton.jit
def whole_power(base, EXPONENT: tl.constexpr):
    """base^EXPONENT, below 64."""
    power = tl.full(base.shape, 1.0, base.dtype)
    for bit in tl.static_range(6):
        if (EXPONENT >> bit) & 1 != 0:
            power = power * base
        base = base * base
    return power


@triton.jit
def lower_power(base, zeta, exponent, BITS: tl.constexpr):
    """base^(zeta-1), zero at base 0 for a zeta that is not whole."""
    if BITS < 0:
        safe = base > 1e-37
        logarithm = tl.log2(tl.where(safe, base, 1.0))
        power = tl.where(safe, tl.exp2((zeta - 1.0) * logarithm), 0.0)
    else:
        power = tl.full(base.shape, 1.0, base.dtype)
        for bit in tl.static_range(BITS):
            power = tl.where((exponent >> bit) & 1 != 0, power * base, power)
            base = base * base
    return power
