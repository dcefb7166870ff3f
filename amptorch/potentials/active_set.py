"""Rows that span the others: sets of the largest volume.

Of rows B [n_rows, n] the active set is n rows A whose determinant none of the others can raise by
replacing one (MaxVol: S. A. Goreinov et al., in Matrix Methods (2010), 247). The grade of a row,

    gamma = max_k |(B A^-1)_k|,

is then at most 1 for these rows, to a tolerance, and what is beyond is extrapolation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]
TOLERANCE, MOST_SWAPS = 1.001, 300
# What stands in for a column of zeros.
FLOOR = 1e-16
# Numbers of a matrix that is worked on at once: half a gigabyte.
NUMBERS = 1 << 26


def maximum_volume(rows: Array) -> Places:
    """Places [n] of the active set among rows [n_rows, n], n_rows at least n."""
    from scipy.linalg import lu  # here: all commands import this module, few choose sets

    n = rows.shape[1]
    empty = np.flatnonzero(~rows.any(0))
    rows = rows.copy()
    rows[empty, empty] = FLOOR
    order, _, _ = lu(rows, p_indices=True)
    chosen = np.argsort(order)[:n]
    shares = np.linalg.solve(rows[chosen].T, rows.T).T
    for _ in range(MOST_SWAPS):
        row, column = np.unravel_index(np.abs(shares).argmax(), shares.shape)
        if abs(shares[row, column]) <= TOLERANCE:
            break
        step = shares[row].copy()
        step[column] -= 1
        shares -= np.outer(shares[:, column], step) / shares[row, column]
        chosen[column] = row
    return chosen


class ActiveSet:
    """Of rows that come some at a time, so that not all are held: whenever there are many, all but
    the active set of those are left out.

    Attributes:
        rows: [n_rows, n] that are held.
        labels: of these rows, as given.
    """

    def __init__(self, n: int) -> None:
        self.rows: Array = np.empty((0, n))
        self.labels: list[Any] = []
        self._most = max(4 * n, NUMBERS // max(n, 1))

    def add(self, rows: Array, labels: Iterable[Any] | None = None) -> None:
        """Rows [., n], and a label for each."""
        self.rows = np.concatenate([self.rows, rows])
        self.labels += [None] * len(rows) if labels is None else list(labels)
        if len(self.rows) > self._most:
            self.choose()

    def choose(self) -> None:
        """Leave all rows but the active set out; there must be as many as columns."""
        chosen = maximum_volume(self.rows)
        self.rows, self.labels = self.rows[chosen], [self.labels[place] for place in chosen]

    def inverse(self) -> Array:
        """A^-1 [n, n] of the rows that :meth:`choose` left; a pseudo-inverse where they do not span
        all columns."""
        return np.linalg.pinv(self.rows).astype(np.float64)
