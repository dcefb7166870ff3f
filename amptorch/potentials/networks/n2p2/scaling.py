"""``scaling.data``: smallest, largest and mean value of each function, and its deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .settings import Settings

NAME = "scaling.data"
Array = NDArray[np.float64]


def read_statistics(path: Path, counts: Sequence[int]) -> list[Array]:
    """Of each element [n_functions, 4]: smallest, largest, mean value, standard deviation; the last
    one is nan where the file has none.

    Args:
        path: of the file.
        counts: number of functions of each element.

    Raises:
        ValueError: a line that cannot be read, or others than those of the functions in order.
    """
    found: list[list[list[float]]] = [[] for _ in counts]
    expected = [(e + 1, k + 1) for e, count in enumerate(counts) for k in range(count)]
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = text.split("#")[0].split()
        if not words:
            continue
        at = sum(map(len, found))
        wanted = expected[at] if at < len(expected) else None
        where = f"{path}, line {number}"
        if wanted is None:
            raise ValueError(f"{where}: expected no more than {at} functions, got {text!r}")
        found[wanted[0] - 1].append(_values(words, wanted, where))
    if sum(map(len, found)) < len(expected):
        raise ValueError(f"{path}: expected {len(expected)} functions, got {sum(map(len, found))}")
    return [np.array(rows).reshape(-1, 4) for rows in found]


def _values(words: Sequence[str], wanted: tuple[int, int], where: str) -> list[float]:
    try:
        element, function, *values = int(words[0]), int(words[1]), *map(float, words[2:6])
    except (ValueError, IndexError) as error:
        raise ValueError(f"{where}: expected two indices and numbers, got {words}") from error
    if (element, function) != wanted or len(values) < 3:
        raise ValueError(
            f"{where}: expected element {wanted[0]}, function {wanted[1]} and 3 or 4 numbers, got "
            f"{' '.join(words)}"
        )
    return [*values, *[np.nan] * (4 - len(values))]


def affine_of(settings: Settings, statistics: Array, element: str) -> tuple[Array, Array]:
    """Factors and shifts of G' = factor G + shift, by the keywords of ``input.nn``.

    Raises:
        ValueError: a function that has one value only, which nothing scales.
    """
    low, high, mean, deviation = statistics.T
    scale, center = (settings.has(f"{word}_symmetry_functions") for word in ("scale", "center"))
    sigma = settings.has("scale_symmetry_functions_sigma")
    ones = np.ones_like(low)
    if not (scale or sigma or center):
        return ones, 0.0 * ones
    if center and not scale:
        return ones, -mean
    least = settings.number("scale_min_short", 0.0)
    most = settings.number("scale_max_short", 1.0)
    spread = high - low if scale else deviation
    usable = np.isfinite(spread) & (spread != 0)
    if not usable.all():
        index = int(np.flatnonzero(~usable)[0])
        raise ValueError(
            f"{settings.path.parent / NAME}: function {index + 1} of {element} has no spread to be "
            f"scaled by, got {spread[index]}"
        )
    factor = (most - least) / spread
    return factor, least - factor * (low if scale and not center else mean)


def text_of(statistics: Mapping[int, Array]) -> str:
    """The file for elements from 1 on: rows of smallest, largest and mean value and deviation."""
    lines = ["# element, function, minimum, maximum, mean, standard deviation"]
    for element, rows in statistics.items():
        for index, row in enumerate(rows, start=1):
            numbers = " ".join(f"{value:24.16E}" for value in row)
            lines.append(f"{element:10d} {index:10d} {numbers}")
    return "\n".join(lines) + "\n"
