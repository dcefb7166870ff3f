"""The Triton kernel that sums over pairs, see ``pair_sums.py``."""

import triton
import triton.language as tl

from .pairs import four_zeros


@triton.jit
def load_axis(vectors, pair, AXIS: tl.constexpr, inside):
    """A component of the vectors of some pairs, [1, n], in float64."""
    return tl.load(vectors + 3 * pair + AXIS, mask=inside, other=0.0).to(tl.float64)[None, :]


@triton.jit(do_not_specialize=["begin"])
def sum_pairs(
    vectors, gradients, first, neighbors, forces, virials, begin, BLOCK: tl.constexpr
):  # fmt: skip
    """Forces of a centre and, with the other sign, of its neighbours, and its virial."""
    center = tl.program_id(0).to(tl.int64)
    start, end = tl.load(first + center), tl.load(first + center + 1)
    axis = tl.arange(0, 4)
    real = (axis < 3)[:, None]
    force, along_x, along_y, along_z = four_zeros([4, BLOCK], tl.float64)
    for some in range(start, end, BLOCK):
        pair = some + tl.arange(0, BLOCK)
        inside = pair < end
        there = real & inside[None, :]
        gradient = tl.load(gradients + 3 * pair[None, :] + axis[:, None], mask=there, other=0.0)
        gradient = gradient.to(tl.float64)
        neighbor = tl.load(neighbors + pair, mask=inside, other=0)[None, :]
        tl.atomic_add(forces + 3 * neighbor + axis[:, None], -gradient, mask=there, sem="relaxed")
        force += gradient
        along_x += load_axis(vectors, pair, 0, inside) * gradient
        along_y += load_axis(vectors, pair, 1, inside) * gradient
        along_z += load_axis(vectors, pair, 2, inside) * gradient
    own = forces + 3 * (begin + center) + axis
    tl.atomic_add(own, tl.sum(force, 1), mask=axis < 3, sem="relaxed")
    row = virials + 9 * center + axis
    tl.store(row, tl.sum(along_x, 1), mask=axis < 3)
    tl.store(row + 3, tl.sum(along_y, 1), mask=axis < 3)
    tl.store(row + 6, tl.sum(along_z, 1), mask=axis < 3)
