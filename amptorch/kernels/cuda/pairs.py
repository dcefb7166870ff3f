"""What the Triton kernels of all stems do with pairs."""

import triton
import triton.language as tl


@triton.jit
def load_vector(vectors, pairs, inside):
    """x, y, z of some pairs; 1, 1, 1 outside, where nothing may divide by zero."""
    x = tl.load(vectors + 3 * pairs, mask=inside, other=1.0)
    y = tl.load(vectors + 3 * pairs + 1, mask=inside, other=1.0)
    z = tl.load(vectors + 3 * pairs + 2, mask=inside, other=1.0)
    return x, y, z
