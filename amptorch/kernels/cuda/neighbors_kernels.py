"""The Triton kernels that find neighbours; what they share is laid out in ``neighbors.py``.

They multiply and add as ``kernels/cpu/neighbor_search.h`` does, in float64 and without fused
operations, so that they agree with it on which pairs there are to the last bit. A bin is known by
its three places in the cell, or by its number among those of all frames.
"""

import triton
import triton.language as tl


@triton.jit
def load_three(values, row, there, other):
    """The three values of some rows."""
    x = tl.load(values + 3 * row, mask=there, other=other)
    y = tl.load(values + 3 * row + 1, mask=there, other=other)
    return x, y, tl.load(values + 3 * row + 2, mask=there, other=other)


@triton.jit
def row_times(x, y, z, matrices, frame, COLUMN: tl.constexpr, there):
    """A component of a row vector times the matrix of a frame."""
    column = matrices + 9 * frame + COLUMN
    sum = x * tl.load(column, mask=there, other=0.0)
    sum += y * tl.load(column + 3, mask=there, other=0.0)
    sum += z * tl.load(column + 6, mask=there, other=0.0)
    return sum


@triton.jit
def wrap_fraction(fraction, frame, periodic, scales, counts, AXIS: tl.constexpr, there):
    """By how many cells an atom moves to be in the home cell, and its bin along an axis; along one
    that is not periodic bins go on and on, and share ``counts`` places in turn."""
    wraps = tl.load(periodic + 3 * frame + AXIS, mask=there, other=0) != 0
    count = tl.load(counts + 3 * frame + AXIS, mask=there, other=1)
    move = tl.where(wraps, -tl.floor(fraction), 0.0)
    place = tl.floor((fraction + move) * tl.load(scales + 3 * frame + AXIS, mask=there, other=1.0))
    shared = place - tl.floor(place / count.to(tl.float64)) * count.to(tl.float64)
    bin = tl.where(wraps, place, shared).to(tl.int64)
    return move, tl.minimum(tl.maximum(bin, 0), count - 1)


@triton.jit(do_not_specialize=["n_atoms"])
def wrap(
    positions, frames, cells, inverses, periodic, scales, counts, first_bins,
    wrapped, bins, n_atoms, BLOCK: tl.constexpr,
):  # fmt: skip
    """Atoms in the home cell along periodic axes, and their bins."""
    atom = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = atom < n_atoms
    frame = tl.load(frames + atom, mask=there, other=0)
    x, y, z = load_three(positions, atom, there, 0.0)
    u = row_times(x, y, z, inverses, frame, 0, there)
    v = row_times(x, y, z, inverses, frame, 1, there)
    w = row_times(x, y, z, inverses, frame, 2, there)
    u, a = wrap_fraction(u, frame, periodic, scales, counts, 0, there)
    v, b = wrap_fraction(v, frame, periodic, scales, counts, 1, there)
    w, c = wrap_fraction(w, frame, periodic, scales, counts, 2, there)
    x += row_times(u, v, w, cells, frame, 0, there)
    y += row_times(u, v, w, cells, frame, 1, there)
    z += row_times(u, v, w, cells, frame, 2, there)
    tl.store(wrapped + 3 * atom, x, mask=there)
    tl.store(wrapped + 3 * atom + 1, y, mask=there)
    tl.store(wrapped + 3 * atom + 2, z, mask=there)
    first = tl.load(first_bins + frame, mask=there, other=0)
    _, along_b, along_c = load_three(counts, frame, there, 1)
    tl.store(bins + atom, first + (a * along_b + b) * along_c + c, mask=there)


@triton.jit
def image_of(place, reach, count, periodic):
    """Of a bin by its place, which may be outside the cell: by how many cells its atoms are images,
    and its place inside, which along an axis that is not periodic is that of other bins as well."""
    shift = (place + reach * count) // count - reach
    return shift * periodic, place - shift * count


@triton.jit(do_not_specialize=["n_rows", "n_species", "n_most", "n_images"])
def visit(
    wrapped, frames, species, bins, order, begins, first_atoms, first_bins,
    cells, periodic, counts, reaches, square,
    rows, first, keys, nearest, n_rows, n_species, n_most, n_images,
    FILL: tl.constexpr, CENTERS: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Go through the bins around the atoms ``rows``, BLOCK / DEPTH bins at a time and DEPTH atoms
    of each.

    Without FILL ``first`` gets how many neighbours there are and ``nearest`` the least square of a
    distance; with FILL ``keys`` get centre, species, atom and image of each as one number, from
    ``first`` on.
    """
    # Atoms of one bin one after the other: they read the same.
    row = tl.program_id(0).to(tl.int64) * CENTERS + tl.arange(0, CENTERS)[:, None]
    known = row < n_rows
    center = tl.load(rows + row, mask=known, other=0)
    frame = tl.load(frames + center)
    first_bin, first_atom = tl.load(first_bins + frame), tl.load(first_atoms + frame)
    count_a, count_b, count_c = load_three(counts, frame, known, 1)
    reach_a, reach_b, reach_c = load_three(reaches, frame, known, 0)
    periodic_a, periodic_b, periodic_c = load_three(periodic, frame, known, 0)
    own_x, own_y, own_z = load_three(wrapped, center, known, 0.0)
    own_bin = tl.load(bins + center) - first_bin
    width_b, width_c = 2 * reach_b + 1, 2 * reach_c + 1
    n_bins = tl.where(known, (2 * reach_a + 1) * width_b * width_c, 0)
    limit = tl.load(square)

    lane = tl.arange(0, BLOCK)[None, :]
    found = tl.zeros((CENTERS, 1), tl.int64)
    if FILL:
        found += tl.load(first + center)
    least = tl.full((CENTERS, BLOCK), float("inf"), tl.float64)
    for some in range(0, tl.max(n_bins), BLOCK // DEPTH):
        around = some + (lane // DEPTH).to(tl.int64)
        inside = around < n_bins
        a = own_bin // (count_b * count_c) + around // (width_b * width_c) - reach_a
        b = own_bin // count_c % count_b + around // width_c % width_b - reach_b
        c = own_bin % count_c + around % width_c - reach_c
        shift_a, a = image_of(a, reach_a, count_a, periodic_a)
        shift_b, b = image_of(b, reach_b, count_b, periodic_b)
        shift_c, c = image_of(c, reach_c, count_c, periodic_c)
        bin = first_bin + (a * count_b + b) * count_c + c
        begin = tl.load(begins + bin, mask=inside, other=0)
        end = tl.load(begins + bin + 1, mask=inside, other=0)
        image = ((shift_a + reach_a) * width_b + shift_b + reach_b) * width_c + shift_c + reach_c
        home = (shift_a == 0) & (shift_b == 0) & (shift_c == 0)
        u, v, w = shift_a.to(tl.float64), shift_b.to(tl.float64), shift_c.to(tl.float64)
        offset_x = row_times(u, v, w, cells, frame, 0, known)
        offset_y = row_times(u, v, w, cells, frame, 1, known)
        offset_z = row_times(u, v, w, cells, frame, 2, known)
        for depth in range(0, tl.max(end - begin), DEPTH):
            place = begin + depth + lane % DEPTH
            there = place < end
            atom = tl.load(order + place, mask=there, other=0)
            x, y, z = load_three(wrapped, atom, there, 0.0)
            x, y, z = x + offset_x - own_x, y + offset_y - own_y, z + offset_z - own_z
            distance = x * x + y * y + z * z
            near = there & (distance < limit) & ~(home & (atom == center))
            if FILL:
                kind = tl.load(species + atom, mask=near, other=0)
                key = ((center * n_species + kind) * n_most + atom - first_atom) * n_images + image
                to = found + tl.cumsum(near.to(tl.int64), 1) - 1
                tl.store(keys + to, key, mask=near)
            else:
                least = tl.minimum(least, tl.where(near, distance, float("inf")))
            found += tl.sum(near.to(tl.int64), 1, keep_dims=True)
    if not FILL:
        tl.store(first + center, found, mask=known)
        tl.store(nearest + row, tl.min(least, 1, keep_dims=True), mask=known)


@triton.jit(do_not_specialize=["n_pairs", "n_species", "n_most", "n_images"])
def read_keys(
    keys, wrapped, frames, first_atoms, cells, reaches,
    vectors, neighbors, n_pairs, n_species, n_most, n_images, BLOCK: tl.constexpr,
):  # fmt: skip
    """Vectors and neighbours of pairs whose keys are in order."""
    pair = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = pair < n_pairs
    key = tl.load(keys + pair, mask=there, other=0)
    image, rest = key % n_images, key // n_images
    center = rest // n_most // n_species
    frame = tl.load(frames + center, mask=there, other=0)
    atom = tl.load(first_atoms + frame, mask=there, other=0) + rest % n_most
    reach_a, reach_b, reach_c = load_three(reaches, frame, there, 0)
    width_b, width_c = 2 * reach_b + 1, 2 * reach_c + 1
    u = (image // (width_b * width_c) - reach_a).to(tl.float64)
    v = (image // width_c % width_b - reach_b).to(tl.float64)
    w = (image % width_c - reach_c).to(tl.float64)
    for axis in tl.static_range(3):
        offset = row_times(u, v, w, cells, frame, axis, there)
        place = tl.load(wrapped + 3 * atom + axis, mask=there, other=0.0) + offset
        own = tl.load(wrapped + 3 * center + axis, mask=there, other=0.0)
        tl.store(vectors + 3 * pair + axis, place - own, mask=there)
    tl.store(neighbors + pair, atom, mask=there)
