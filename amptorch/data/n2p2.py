"""Frames in the files of n2p2 and RuNNer (``input.data``), one after the other.

A frame stands between ``begin`` and ``end``; its lines come in any order::

    comment any text
    lattice x y z                      three times, or none: not periodic
    atom x y z element charge unused fx fy fz
    energy E
    charge Q

The files do not say their units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from .targets import TargetReader
from .units import Units

_NUMBERS = ("lattice", "energy", "charge")
_SETS = ("set=train", "set=test")


def looks_like_one(path: Path) -> bool:
    """Whether the first line with anything on it is ``begin``."""
    with open(path, "rb") as file:
        for line in file:
            if words := line.split():
                return words[0] == b"begin"
    return False


@dataclass
class _Block:
    """What has been read of a frame, in the units of the file."""

    frame: int
    line: int
    info: dict[str, str | float] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)
    atoms: list[list[float]] = field(default_factory=list)
    lattice: list[list[float]] = field(default_factory=list)
    energy: float | None = None

    def image(self, units: Units) -> Atoms:
        if len(self.lattice) not in (0, 3):
            raise ValueError(f"expected three lines 'lattice' or none, got {len(self.lattice)}")
        if not self.atoms:
            raise ValueError("expected at least one atom, got none")
        numbers = np.array(self.atoms)
        image = Atoms(self.symbols, numbers[:, :3] * units.length)
        if self.lattice:
            image.cell, image.pbc = np.array(self.lattice) * units.length, True
        if numbers[:, 3].any():
            image.set_initial_charges(numbers[:, 3])
        image.info.update(self.info)
        results: dict[str, Any] = {"forces": numbers[:, 5:] * units.force}
        if self.energy is not None:
            results["energy"] = self.energy * units.energy
        image.calc = SinglePointCalculator(image, **results)
        return image


def read_n2p2_frames(path: Path, units: Units = Units()) -> Iterator[Atoms]:  # noqa: B008
    """The frames of a file, with energies (eV), forces (eV/Å) and, where they are not zero, charges
    of atoms; ``comment`` and the frame's ``charge`` are in ``info``.

    Args:
        path: of the file.
        units: of its lengths and energies.

    Raises:
        ValueError: a line that cannot be read, or a frame that is not whole; says which.
    """
    block: _Block | None = None
    count = number = 0
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            keyword, *rest = line.split() or [""]
            try:
                if block is None:
                    block = _begun(keyword, rest, count, number)
                elif keyword == "end":
                    yield block.image(units)
                    block, count = None, count + 1
                else:
                    _read_line(block, keyword, rest, line)
            except ValueError as error:
                raise ValueError(f"frame {count}, line {number}: {error}") from error
    if block is not None:
        raise ValueError(f"frame {count} (from line {block.line}): expected 'end', the file ends")


def _begun(keyword: str, rest: list[str], frame: int, line: int) -> _Block | None:
    if not keyword:
        return None
    if keyword != "begin" or any(word not in _SETS for word in rest):
        raise ValueError(f"expected 'begin', got {' '.join([keyword, *rest])[:60]!r}")
    return _Block(frame, line, {k: v for k, _, v in (word.partition("=") for word in rest)})


def _read_line(block: _Block, keyword: str, rest: list[str], line: str) -> None:
    if keyword == "comment":
        block.info["comment"] = line.strip().removeprefix("comment").strip()
    elif keyword == "atom":
        _read_atom(block, rest)
    elif keyword in _NUMBERS:
        values = _floats(rest, 3 if keyword == "lattice" else 1, keyword)
        if keyword == "lattice":
            block.lattice.append(values)
        elif keyword == "energy":
            block.energy = values[0]
        elif values[0]:
            block.info["charge"] = values[0]
    else:
        raise ValueError(
            "expected comment, lattice, atom, energy, charge or end, got "
            f"{' '.join([keyword, *rest])[:60]!r}"
        )


def _read_atom(block: _Block, words: list[str]) -> None:
    symbol = words[3] if len(words) > 3 else ""
    if not atomic_numbers.get(symbol):
        raise ValueError(f"expected an element as the fourth entry of an atom, got {symbol!r}")
    block.symbols.append(symbol)
    block.atoms.append(_floats([*words[:3], *words[4:]], 8, "atom"))


def _floats(words: Sequence[str], count: int, keyword: str) -> list[float]:
    if len(words) < count:
        raise ValueError(f"{keyword}: expected {count} numbers, got {len(words)}")
    return [float(word) for word in words[:count]]


def write_n2p2_frames(
    path: str | Path,
    images: Iterable[Atoms],
    length_unit: str | None = None,
    energy_unit: str | None = None,
    reader: TargetReader | None = None,
) -> None:
    """Write frames with their energies and forces; what :func:`read_n2p2_frames` reads.

    Args:
        path: file to write.
        images: list of ``Atoms`` with energies and forces.
        length_unit, energy_unit: of the file, see :mod:`.units`; default Å and eV.
        reader: says under which names energies and forces are; one without forces writes zeros.

    Raises:
        ValueError: a frame without energy or forces, or with a cell that is periodic in part.
    """
    units, reader = Units.of(length_unit, energy_unit), reader or TargetReader()
    with open(path, "w", encoding="utf-8") as file:
        for index, image in enumerate(images):
            file.writelines(f"{line}\n" for line in _lines(image, units, reader, f"image {index}"))


def _lines(image: Atoms, units: Units, reader: TargetReader, name: str) -> Iterator[str]:
    if image.pbc.any() and not image.pbc.all():
        raise ValueError(
            f"{name}: expected it periodic in three directions or in none, got pbc "
            f"{image.pbc.tolist()}: input.data knows no other"
        )
    targets = reader.read(image, name)
    forces = np.zeros((len(image), 3)) if targets.forces is None else targets.forces
    yield "begin"
    yield f"comment {' '.join(str(image.info.get('comment', name)).split())}"
    for vector in image.cell.array / units.length if image.pbc.all() else ():
        yield f"lattice {_numbers(vector)}"
    rows = zip(
        image.positions / units.length,
        image.symbols,
        image.get_initial_charges(),
        forces / units.force,
        strict=True,
    )
    for position, symbol, charge, force in rows:
        yield f"atom {_numbers(position)} {symbol:>2} {_numbers([charge, 0.0])} {_numbers(force)}"
    if targets.energy is not None:
        yield f"energy {_numbers([targets.energy / units.energy])}"
    yield f"charge {_numbers([float(image.info.get('charge', 0.0))])}"
    yield "end"


def _numbers(values: Iterable[float]) -> str:
    """All digits, so that they are read back to the last bit."""
    return " ".join(f"{value:24.16E}" for value in values)
