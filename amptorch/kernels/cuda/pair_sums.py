"""Forces and virials from dE/dR_ij on a GPU, summed in float64 whatever the precision.

A program a centre reads each of its pairs once. Forces of an atom come from several programs, which
add them in any order, so that they are the same up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..environment import Part
from .pair_sums_kernels import sum_pairs

BLOCK = 32


def add_part(part: Part, gradients: Tensor, forces: Tensor, virials: Tensor, of: Tensor) -> None:
    """See :func:`amptorch.kernels.force_pass.add_part`."""
    environment, n = part.environment, part.n_centers
    atomic = forces.new_empty(n, 3, 3)
    with torch.cuda.device_of(forces):
        sum_pairs[(n,)](
            environment.vectors, gradients.contiguous(), environment.first, part.neighbors, forces,
            atomic, part.begin, BLOCK=BLOCK, num_warps=1,
        )  # fmt: skip
    if len(virials) == 1:
        virials[0] += atomic.sum(0)  # in a fixed order
    else:
        virials.index_add_(0, of[part.begin : part.begin + n], atomic)


KERNELS = add_part
