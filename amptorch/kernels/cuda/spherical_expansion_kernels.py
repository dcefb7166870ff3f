"""Triton kernels of the spherical expansions: sums over pairs of products of functions and
harmonics, and the transpose."""

import triton
import triton.language as tl


@triton.jit
def add_products(
    functions,
    harmonics,
    first,
    sums,
    offset,
    N_FUNCTIONS: tl.constexpr,
    N_HARMONICS: tl.constexpr,
    STRIDE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    MORE: tl.constexpr,
):
    """Of the pairs of an atom with neighbours of an element sum_j f_k Y_lm, to ``sums`` from
    ``offset`` on, with ``MORE`` added to what is there."""
    program = tl.program_id(0).to(tl.int64)
    rows, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    to = sums + program * STRIDE + offset + rows[:, None] * N_HARMONICS + columns[None, :]
    inside = (rows < N_FUNCTIONS)[:, None] & (columns < N_HARMONICS)[None, :]
    total = tl.zeros([ROWS, COLUMNS], sums.dtype.element_ty)
    if MORE:
        total = tl.load(to, mask=inside, other=0.0)
    begin, end = tl.load(first + program), tl.load(first + program + 1)
    for pair in range(begin, end):
        at = functions + pair * N_FUNCTIONS + rows
        value = tl.load(at, mask=rows < N_FUNCTIONS, other=0.0)
        at = harmonics + pair * N_HARMONICS + columns
        total += value[:, None] * tl.load(at, mask=columns < N_HARMONICS, other=0.0)[None, :]
    tl.store(to, total, mask=inside)


@triton.jit
def pull_pair(
    functions,
    slopes,
    harmonics,
    gradients,
    blocks,
    gradient,
    offset,
    pulled,
    N_FUNCTIONS: tl.constexpr,
    N_HARMONICS: tl.constexpr,
    STRIDE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Of a pair sum_klm g_klm f'_k Y_lm, and sum_klm g_klm f_k dY_lm/du of the unit vector u; all
    four are added to ``pulled``."""
    pair = tl.program_id(0).to(tl.int64)
    rows, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    inside = (rows < N_FUNCTIONS)[:, None] & (columns < N_HARMONICS)[None, :]
    at = gradient + tl.load(blocks + pair) * STRIDE + offset
    weights = tl.load(at + rows[:, None] * N_HARMONICS + columns[None, :], mask=inside, other=0.0)
    at = pair * N_FUNCTIONS + rows
    value = tl.load(functions + at, mask=rows < N_FUNCTIONS, other=0.0)
    slope = tl.load(slopes + at, mask=rows < N_FUNCTIONS, other=0.0)
    near, wanted = tl.sum(weights * value[:, None], 0), columns < N_HARMONICS
    along = tl.sum(weights * slope[:, None], 0)
    own = tl.load(harmonics + pair * N_HARMONICS + columns, mask=wanted, other=0.0)
    to = pulled + 4 * pair
    tl.store(to, tl.load(to) + tl.sum(along * own, 0))
    for axis in tl.static_range(3):
        at = gradients + (pair * 3 + axis) * N_HARMONICS + columns
        turned = tl.sum(near * tl.load(at, mask=wanted, other=0.0), 0)
        tl.store(to + 1 + axis, tl.load(to + 1 + axis) + turned)
