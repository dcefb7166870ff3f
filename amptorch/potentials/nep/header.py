"""The lines of nep.txt before its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .shape import INVARIANTS, VERSIONS, Shape

KINDS = tuple(f"nep{version}{zbl}" for version in VERSIONS for zbl in ("", "_zbl"))


@dataclass(frozen=True)
class Header:
    """What the lines say.

    Attributes:
        shape: of the potential.
        cutoffs: radial and angular, Å, of each element.
        most_neighbors: within either cutoff.
        zbl: the numbers of its line; None without.
    """

    shape: Shape
    cutoffs: Sequence[tuple[float, float]]
    most_neighbors: tuple[int, int]
    zbl: tuple[float, ...] | None = None

    @property
    def flexible(self) -> bool:
        """Whether numbers of a repulsion of each pair of elements follow the parameters."""
        return self.zbl is not None and not any(self.zbl[:2])

    def lines(self) -> Iterator[str]:
        """Those of a file."""
        shape = self.shape
        suffix = "" if self.zbl is None else "_zbl"
        yield f"nep{shape.version}{suffix} {shape.n_elements} {' '.join(shape.elements)}"
        if self.zbl is not None:
            yield "zbl " + " ".join(f"{each:g}" for each in self.zbl)
        own = self.cutoffs if len(set(self.cutoffs)) > 1 else self.cutoffs[:1]
        numbers = [f"{each:g}" for pair in own for each in pair]
        yield " ".join(["cutoff", *numbers, *map(str, self.most_neighbors)])
        yield "n_max {} {}".format(*shape.n_max)
        yield "basis_size {} {}".format(*shape.basis_size)
        yield "l_max " + " ".join(map(str, self._l_max()))
        layers = [*shape.neurons, 0]
        yield "ANN " + " ".join(map(str, layers))

    def _l_max(self) -> list[int]:
        has = [each in self.shape.invariants for each in INVARIANTS]
        flags = [2 * has[0], *map(int, has[1:])]
        while len(flags) > 2 and not flags[-1]:
            del flags[-1]
        return [self.shape.l_max, *flags]


def parse(lines: Sequence[str]) -> tuple[Header, int]:
    """The header, and the number of its lines.

    Raises:
        ValueError: a line that is missing or wrong, or a kind that is not known.
    """
    rows = _Rows(lines)
    kind, number, *elements = rows.words()
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)} in line 1, got {kind!r}")
    if len(elements) != int(number):
        raise ValueError(f"expected {number} elements in line 1, got {elements}")
    zbl = tuple(map(float, rows.of("zbl"))) if kind.endswith("_zbl") else None
    cutoffs = rows.of("cutoff")
    n_max, basis_size = (tuple(map(int, rows.of(name))) for name in ("n_max", "basis_size"))
    l_max, *flags = map(int, rows.of("l_max"))
    neurons = tuple(n for n in map(int, rows.of("ANN")) if n)
    shape = Shape(
        elements=tuple(elements),
        n_max=(n_max[0], n_max[1]),
        basis_size=(basis_size[0], basis_size[1]),
        l_max=l_max,
        invariants=tuple(name for name, flag in zip(INVARIANTS, flags, strict=False) if flag),
        neurons=neurons,
        version=int(kind[3]),
    )
    return Header(shape, *_cutoffs(cutoffs, len(elements)), zbl), rows.used


def _cutoffs(
    words: Sequence[str], n_elements: int
) -> tuple[list[tuple[float, float]], tuple[int, int]]:
    *numbers, radial, angular = words
    if len(numbers) not in (2, 2 * n_elements):
        raise ValueError(f"expected 2 or {2 * n_elements} cutoffs, got {len(numbers)}")
    values = list(map(float, numbers)) * (2 * n_elements // len(numbers))
    return list(zip(values[::2], values[1::2], strict=True)), (int(radial), int(angular))


class _Rows:
    """Lines one after the other."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.used = 0

    def words(self) -> list[str]:
        if self.used == len(self._lines):
            raise ValueError("the file ends within its header")
        self.used += 1
        return self._lines[self.used - 1].split()

    def of(self, name: str) -> list[str]:
        """What follows a name."""
        words = self.words()
        if not words or words[0] != name:
            raise ValueError(f"expected {name!r} in line {self.used}, got {' '.join(words)!r}")
        return words[1:]
