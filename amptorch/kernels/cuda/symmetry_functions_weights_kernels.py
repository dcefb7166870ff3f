"""Radial weights w(r) = exp(-eta (r - rs)^2) fc(r) in Triton kernels, and their slopes over r."""

import triton
import triton.language as tl

from .symmetry_functions_cutoff_kernels import cutoff_function

COSINE = tl.constexpr((1.0, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600,
                       -1 / 87178291200, 1 / 20922789888000, -1 / 6402373705728000,
                       1 / 2432902008176640000, -1 / 1124000727777607680000))  # fmt: skip
"""cos x in powers of x^2: up to x^2 = pi^2/4 the first 7 are enough for single precision."""
SINE = tl.constexpr((1.0, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800,
                     -1 / 1307674368000, 1 / 355687428096000, -1 / 121645100408832000,
                     1 / 51090942171709440000, -1 / 25852016738884976640000))  # fmt: skip
"""sin x / x likewise."""


@triton.jit
def power_series(x, coefficients: tl.constexpr, N: tl.constexpr):
    """sum_n c_n x^n, n < N, with coefficients in the precision of x."""
    total = tl.full(x.shape, coefficients[N - 1], x.dtype)
    for n in tl.static_range(2, N + 1):
        total = total * x + tl.full(x.shape, coefficients[N - n], x.dtype)
    return total


@triton.jit
def load_curve(curves, row):
    """Cutoff, pi / (2 span), what else fc has, eta and rs of a curve."""
    at = curves + 5 * row
    return tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3), tl.load(at + 4)


@triton.jit
def weigh(square, curve, CUTOFF: tl.constexpr, CENTERED: tl.constexpr):
    """w and (dw/dr) / r of r^2, finite also at 0. With the cosine cutoff, cos^2 of up to pi/2, and
    rs = 0 (``CENTERED``) all of it is a function of r^2 alone."""
    cutoff, wave, own, eta, shift = curve
    if CUTOFF == 9 and CENTERED:
        N: tl.constexpr = 12 if square.dtype == tl.float64 else 7
        decay = eta * tl.full((), -1.4426950408889634, square.dtype)  # log2(e)
        x = square * (wave * wave)
        root, sinc = power_series(x, COSINE, N), power_series(x, SINE, N)
        gaussian = tl.where(square < cutoff * cutoff, tl.exp2(decay * square), 0.0)
        value = root * gaussian
        slope = -2.0 * value * (wave * wave * sinc + eta * root)
        value = value * root
    else:
        r = tl.sqrt(tl.maximum(square, 1e-30))
        off = r - shift
        inside, steepness = cutoff_function(r, cutoff, wave, own, CUTOFF)
        gaussian = tl.where(r < cutoff, tl.exp(-eta * off * off), 0.0)
        value = inside * gaussian
        slope = (steepness - 2.0 * eta * off * inside) * gaussian / r
    return value, slope
