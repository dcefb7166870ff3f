"""The cutoff functions of the Triton kernels: fc(r) and its slope, inside the cutoff.

Constants of kernels are of single precision, so those here are whole numbers, but for a threshold;
the others come with the curves, see ``symmetry_functions_plan.py``.
"""

import triton
import triton.language as tl

POLYNOMIAL = -1
"""With gamma; 0 to 8 are the types of ``kernels/symmetry_functions.py``."""
COSINE = 9
"""Type 1 where alpha is 0."""


@triton.jit
def cutoff_function(r, cutoff, wave, own, CUTOFF: tl.constexpr):
    """fc and dfc/dr of a curve's first three numbers; ``CUTOFF`` says which."""
    if CUTOFF == 9:
        root = tl.cos(wave * r)
        inside = root * root
        steepness = -2.0 * wave * root * tl.sin(wave * r)
    elif CUTOFF == -1:
        x = r / cutoff
        power = tl.exp2(own * tl.log2(x))
        inside = 1.0 + power * (own * x - (own + 1.0))
        steepness = own * (own + 1.0) * (power - power / x) / cutoff
    else:
        inside, steepness = cutoff_of_type(r, cutoff, wave, own, CUTOFF)
    return inside, steepness


@triton.jit
def cutoff_of_type(r, cutoff, wave, own, TYPE: tl.constexpr):
    """As :func:`cutoff_function`, for a type's number."""
    inner = 0.0 * cutoff
    if TYPE == 1 or TYPE >= 4:
        inner = own * cutoff
    width = cutoff - inner
    past = tl.minimum(tl.maximum(r - inner, 0.0), width)
    x = past / width
    if TYPE == 0:
        inside, slope = 0.0 * x + 1.0, 0.0 * x
    elif TYPE == 1:
        root = tl.cos(wave * past)
        inside, slope = root * root, -2.0 * wave * width * root * tl.sin(wave * past)
    elif TYPE <= 3:
        e = tl.exp(2.0 * x - 2.0)
        h = (1.0 - e) / (1.0 + e)
        inside, slope = own * h * h * h, 3.0 * own * h * h * (h * h - 1.0)
    elif TYPE == 4:
        u = 1.0 - x * x
        some = u > 0.002
        inverse = 1.0 / tl.where(some, u, 1.0)
        inside = tl.where(some, tl.exp(1.0 - inverse), 0.0)
        slope = -2.0 * x * inverse * inverse * inside
    else:
        N: tl.constexpr = TYPE - 4
        y = 1.0 - x
        term, total, both, steep = 0.0 * x + 1.0, 0.0 * x + 1.0, x * y, 0.0 * x + (2.0 * N + 1.0)
        power = y * y
        bend = both
        for k in tl.static_range(1, N + 1):
            term = term * x * (N + k) / k
            total += term
            steep = steep * (N + k) / k
            if k > 1:
                power *= y
                bend *= both
        inside, slope = power * total, -steep * bend
    return inside, slope / width
