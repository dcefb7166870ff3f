"""Symmetry functions on a GPU: what each operation launches.

Equations and operations as in ``kernels/symmetry_functions.py``. All frames of an environment go
in one launch of each kernel; nothing is read back, so the host does not wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..environment import Environment
from .cells import starts
from .operations import OPTIONS, Kernels, Launch
from .symmetry_functions_cutoff_kernels import COSINE, POLYNOMIAL
from .symmetry_functions_kernels import pull, sum_angular, sum_radial
from .symmetry_functions_plan import plan
from .tables import Kept

if TYPE_CHECKING:
    from ..symmetry_functions import SymmetryFunctions

RADIAL_BLOCK = 64
"""Neighbours that a program of one G2 looks at at a time."""
ROWS, BLOCK = 8, 8
"""Pairs and partners of a tile, two for each of a program's 32 threads: on an H200 the fastest of
those tried in both precisions. More take registers, fewer work out more weights anew."""
SPLIT = 4
"""Programs that share the pairs of a cell."""
FUNCTIONS = 4
"""G2 of a pair at a time."""


class _Launch(Launch["SymmetryFunctions"]):
    """What the operations on one environment share."""

    def __init__(self, environment: Environment, functions: SymmetryFunctions) -> None:
        self.environment = environment
        self.functions = functions
        self.vectors = environment.vectors.detach()
        self.plan = plan(functions, self.vectors)
        self.starts = starts(environment, functions.n_species)
        self.common: dict[str, Any] = {
            "CUTOFF": _cutoff_kind(functions),
            "CENTERED": self.plan.centered,
            **OPTIONS,
        }
        self.angular = {
            "CODE": self.plan.code,
            "BITS": self.plan.bits,
            "TERMS": self.plan.terms.shape[1],
            "num_warps": 1,
            **self.common,
        }

    @staticmethod
    def takes(functions: SymmetryFunctions) -> bool:
        """Lanes of a program write slots, so functions of the same neighbours share no feature.
        Asked at every call, so the answer is kept."""
        return _share_nothing(functions)

    def features(self) -> Tensor:
        return self._sum(None)

    def push(self, changes: Tensor) -> Tensor:
        return self._sum(changes.detach())

    def _sum(self, changes: Tensor | None) -> Tensor:
        """G [n_atoms, n_features], or its change with the vectors."""
        plan, n_atoms = self.plan, self.environment.n_atoms
        n_species, n_columns = self.functions.n_species, plan.shares.shape[1]
        columns = self.vectors.new_zeros(n_atoms, n_columns)
        tangent = self.vectors if changes is None else changes
        inputs = (self.vectors, tangent, self.environment.species, self.starts)
        is_tangent = changes is not None
        with torch.cuda.device_of(self.vectors):
            sum_radial[(n_atoms, plan.most_radial)](
                *inputs, plan.radial, plan.first_radial, plan.radial_curves, columns,
                n_species, n_columns,
                **self.common, TANGENT=is_tangent, BLOCK=RADIAL_BLOCK, num_warps=1,
            )  # fmt: skip
            sum_angular[(n_atoms, plan.most_groups)](
                *inputs, plan.groups, plan.first_group, plan.terms, plan.powers, plan.curves,
                columns, n_species, n_columns, **self.angular, TANGENT=is_tangent,
                ROWS=ROWS, BLOCK=BLOCK,
            )  # fmt: skip
        return self._add_up(columns) if plan.weighted else columns

    def _shares(self) -> Tensor:
        """Weights of the columns of each atom, [n_atoms, columns of a feature, n_features]."""
        shares = self.plan.shares[self.environment.species]
        return shares.view(len(shares), -1, self.functions.n_features)

    def _add_up(self, columns: Tensor) -> Tensor:
        shares = self._shares()
        return (columns.view(shares.shape) * shares).sum(1)

    def _slopes_of_columns(self, gradient: Tensor | None) -> Tensor:
        """dE/dG of the columns; without a gradient what of dG/dR each of them is."""
        if not self.plan.weighted:
            return self.vectors if gradient is None else gradient.detach()
        shares = self._shares()
        slopes = shares if gradient is None else shares * gradient.detach()[:, None]
        return slopes.flatten(1).contiguous()

    def pull(self, gradient: Tensor | None, output: Tensor) -> None:
        plan, functions = self.plan, self.functions
        n_touched = 1 if gradient is not None else output.shape[1]
        # A sum for each function in place of one leaves room for fewer pairs.
        rows = ROWS if gradient is not None else ROWS // 2
        with torch.cuda.device_of(self.vectors):
            pull[(self.environment.n_atoms * functions.n_species, SPLIT)](
                self.vectors, self.environment.species, self.starts, plan.radial,
                plan.radial_slots, plan.radial_curves, plan.first_radial, plan.groups, plan.terms,
                plan.powers, plan.members, plan.first_member, plan.curves,
                self._slopes_of_columns(gradient), output, functions.n_species,
                plan.shares.shape[1], n_touched, **self.angular, JACOBIAN=gradient is None,
                WEIGHTED=plan.weighted, FUNCTIONS=FUNCTIONS, ROWS=rows, BLOCK=BLOCK,
            )  # fmt: skip


def _cutoff_kind(functions: SymmetryFunctions) -> int:
    """Of the constants that ``symmetry_functions_cutoff_kernels.py`` names, or a type's number."""
    if functions.gamma:
        return POLYNOMIAL
    is_cosine = functions.cutoff_type == 1 and functions.alpha == 0
    return COSINE if is_cosine else functions.cutoff_type


def _without_shared_features(functions: SymmetryFunctions) -> bool:
    neighbors = functions.kinds[:, 3:].sort(1).values
    kinds = torch.cat([functions.kinds[:, :3], neighbors], 1)
    return len(kinds.unique(dim=0)) == len(kinds)


_share_nothing = Kept(_without_shared_features)

KERNELS = Kernels(_Launch)
