"""What the Triton kernels of all stems share."""

import triton
import triton.language as tl


@triton.jit
def load_vector(vectors, pairs, inside):
    """x, y, z of some pairs; 1, 1, 1 outside, where nothing may divide by zero."""
    x = tl.load(vectors + 3 * pairs, mask=inside, other=1.0)
    y = tl.load(vectors + 3 * pairs + 1, mask=inside, other=1.0)
    z = tl.load(vectors + 3 * pairs + 2, mask=inside, other=1.0)
    return x, y, z


@triton.jit
def four_zeros(shape: tl.constexpr, dtype: tl.constexpr):
    """Four tensors to begin a loop with, each a value of its own.

    Triton leaves out of what a loop carries every variable that has the same value after one turn
    as before: in ``below, now = now, above`` also ``below``, if both began with one and the same.
    """
    return (
        tl.zeros(shape, dtype),
        tl.zeros(shape, dtype),
        tl.zeros(shape, dtype),
        tl.zeros(shape, dtype),
    )
