"""Rows of a least-squares problem, kept as what is left of them when they are summed.

Rows are [A | b], predictions for each coefficient alone and the target. Of any number of them stays
one square matrix for each group of frames, kind of row and fold of a cross-validation, so that
weights of groups and kinds may change, and rows be added, without the rows that were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from ...processes.group import is_shared


class Key(NamedTuple):
    """Where rows belong."""

    group: str
    kind: str
    fold: int


@dataclass
class Gram:
    """[A | b]^T [A | b].

    Attributes:
        matrix: [p + 1, p + 1].
        count: number of rows.
    """

    matrix: Tensor
    count: int = 0

    def add(self, rows: Tensor) -> None:
        """Add rows [n, p + 1]."""
        self.matrix.addmm_(rows.T, rows)
        self.count += len(rows)

    def gram(self) -> Tensor:
        """[p + 1, p + 1]"""
        return self.matrix

    def squares(self, coefficients: Tensor) -> float:
        """|A c - b|^2 of coefficients c [p]."""
        c = beside_target(coefficients)
        return max(float(c @ self.matrix @ c), 0.0)

    def join(self) -> None:
        """Sum over processes."""
        count = torch.tensor(self.count)
        dist.all_reduce(count)
        dist.all_reduce(self.matrix)
        self.count = int(count)


@dataclass
class Triangle(Gram):
    """R of [A | b] = Q R: it has the condition number of A, and not the square of it.

    Rows are gathered until there are several times as many as columns: their factorization then
    costs little more than a product.
    """

    _waiting: list[Tensor] = field(default_factory=list)
    _size: int = 0

    def add(self, rows: Tensor) -> None:
        self._waiting.append(rows)
        self._size += len(rows)
        self.count += len(rows)
        if self._size > 3 * rows.shape[1]:
            self._factorize()

    def _factorize(self) -> None:
        if self._waiting:
            self.matrix = triangle([self.matrix, *self._waiting])
            self._waiting, self._size = [], 0

    def gram(self) -> Tensor:
        return self.root().T @ self.root()

    def squares(self, coefficients: Tensor) -> float:
        return float((self.root() @ beside_target(coefficients)).square().sum())

    def root(self) -> Tensor:
        """R [p + 1, p + 1]"""
        self._factorize()
        return self.matrix

    def join(self) -> None:
        self._factorize()
        count = torch.tensor(self.count)
        parts = [torch.empty_like(self.matrix) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, self.matrix.contiguous())
        dist.all_reduce(count)
        self.matrix, self.count = triangle(parts), int(count)


def beside_target(coefficients: Tensor) -> Tensor:
    """[p + 1], what [A | b] is multiplied by to give errors."""
    return torch.cat([coefficients, coefficients.new_tensor([-1.0])])


def triangle(parts: Sequence[Tensor]) -> Tensor:
    """R [p + 1, p + 1] of the rows [., p + 1] of several parts."""
    return torch.linalg.qr(torch.cat(list(parts)), mode="r").R


@dataclass
class Moments:
    """All that is left of rows.

    Attributes:
        size: p + 1.
        kind: of the matrices.
        parts: by where the rows belong.
    """

    size: int
    kind: type[Gram]
    parts: dict[Key, Gram] = field(default_factory=dict)

    def add(self, key: Key, rows: Tensor) -> None:
        """Add rows [n, p + 1], float64."""
        self._part(key).add(rows)

    def _part(self, key: Key) -> Gram:
        if key not in self.parts:
            zeros = torch.zeros(self.size, self.size, dtype=torch.float64)
            self.parts[key] = self.kind(zeros)
        return self.parts[key]

    def of_folds(self, folds: Iterable[int]) -> Moments:
        """Those of the frames of some folds, which are not copied."""
        own = set(folds)
        parts = {key: part for key, part in self.parts.items() if key.fold in own}
        return Moments(self.size, self.kind, parts)

    def errors(self, coefficients: Tensor) -> dict[str, float]:
        """Root mean square of A c - b of each kind of rows that there are."""
        found = {}
        for kind in sorted({key.kind for key in self.parts}):
            own = {key: 1.0 for key in self.parts if key.kind == kind}
            found[kind] = (self.squares(own, coefficients) / max(self.count(own), 1)) ** 0.5
        return found

    def join(self) -> None:
        """Sum over processes, in each of them."""
        if not is_shared():
            return
        known: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(known, list(self.parts))
        for key in sorted({Key(*each) for keys in known for each in keys}):
            self._part(key).join()

    def gram(self, weights: Mapping[Key, float]) -> Tensor:
        """[p + 1, p + 1] of the rows times weights; a key that has none is left out."""
        total = torch.zeros(self.size, self.size, dtype=torch.float64)
        for key, weight in weights.items():
            total += weight**2 * self.parts[key].gram()
        return total

    def root(self, weights: Mapping[Key, float]) -> Tensor:
        """R of the rows times weights, of triangles."""
        parts = [(weight, self.parts[key]) for key, weight in weights.items()]
        return triangle([w * part.root() for w, part in parts if isinstance(part, Triangle)])

    def squares(self, weights: Mapping[Key, float], coefficients: Tensor) -> float:
        """|A c - b|^2 of the rows times weights."""
        return sum(w**2 * self.parts[key].squares(coefficients) for key, w in weights.items())

    def count(self, keys: Iterable[Key]) -> int:
        """Number of rows."""
        return sum(self.parts[key].count for key in keys)

    def state(self) -> list[dict[str, Any]]:
        """Plain values and tensors."""
        return [
            {**key._asdict(), "count": part.count, "matrix": _settled(part)}
            for key, part in self.parts.items()
        ]

    def take(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Add what :meth:`state` gave.

        Raises:
            ValueError: of another number of coefficients.
        """
        for each in state:
            if len(each["matrix"]) != self.size:
                raise ValueError(
                    f"least squares: expected rows of {self.size - 1} coefficients to go on from, "
                    f"got {len(each['matrix']) - 1}"
                )
            key = Key(each["group"], each["kind"], each["fold"])
            self.parts[key] = self.kind(each["matrix"].double().clone(), each["count"])


def _settled(part: Gram) -> Tensor:
    return part.root() if isinstance(part, Triangle) else part.matrix
