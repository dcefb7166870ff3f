"""From single products, as files for evaluation have them, back to invariants.

Products of the same elements, n and l are sum_lint c_lint C_lint(m); the c_lint follow from their
coefficients by least squares, after those of products that are equal are added up: of the same
factors in another order, and of all m with the other sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .couplings import Numbers, coefficients, independent
from .files.contents import Contents
from .functions import Function

Array = NDArray[np.float64]
Group = tuple[Numbers, Numbers, Numbers]
Key = tuple[tuple[int, int, int, int], ...]

# Of the coefficients of a group: what is left of them, and of an invariant that is not there.
LEFT, ABSENT = 1e-6, 1e-12


def with_invariants(contents: Contents) -> Contents:
    """The same potential in invariants.

    Raises:
        ValueError: products that are none.
    """
    if all(each.lint is not None for of in contents.functions for each in of):
        return contents
    functions, values = [], []
    for own, numbers in zip(contents.functions, contents.coefficients, strict=True):
        found = [*_of_element(own, numbers)]
        functions.append([function for function, _ in found])
        values.append(np.array([each for _, each in found]).reshape(-1, numbers.shape[1]))
    return replace(contents, functions=functions, coefficients=values)


def _of_element(functions: Sequence[Function], values: Array) -> Iterator[tuple[Function, Array]]:
    groups: dict[Group, dict[Key, Array]] = {}
    for function, own in zip(functions, values, strict=True):
        sums = groups.setdefault(function.group, {})
        for ms, weight in function.products().items():
            key = _key(function.group, ms)
            sums[key] = sums.get(key, 0.0) + weight * own
    for group, sums in groups.items():
        yield from _of_group(group, sums)


def _of_group(group: Group, sums: Mapping[Key, Array]) -> Iterator[tuple[Function, Array]]:
    mus, ns, ls = group
    kinds = sorted({*zip(mus, ns, strict=True)})
    markers = tuple(kinds.index(each) for each in zip(mus, ns, strict=True))
    lints = [*independent(markers, ls)]
    columns = [_folded(group, lint) for lint in lints]
    keys = sorted({*sums}.union(*columns))
    matrix = np.array([[column.get(key, 0.0) for column in columns] for key in keys])
    given = np.array([sums.get(key, np.zeros_like(next(iter(sums.values())))) for key in keys])
    solved = np.linalg.lstsq(matrix, given, rcond=None)[0]
    size = np.abs(given).max()
    if np.abs(matrix @ solved - given).max() > LEFT * size:
        raise ValueError(f"functions: products of n {ns} and l {ls} are no invariants")
    for lint, own in zip(lints, solved, strict=True):
        if np.abs(own).max() > ABSENT * size:
            yield Function(mus, ns, ls, lint), own


def _folded(group: Group, lint: Numbers) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for ms, value in coefficients(group[2], lint).items():
        key = _key(group, ms)
        found[key] = found.get(key, 0.0) + value
    return found


def _key(group: Group, ms: Numbers) -> Key:
    """The same for products that are equal, or the complex conjugate of one another."""
    signs = (tuple(sign * m for m in ms) for sign in (1, -1))
    return max(tuple(sorted(zip(*group, each, strict=True))) for each in signs)
