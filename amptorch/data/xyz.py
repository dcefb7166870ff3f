"""Frames of (extended) XYZ files, one after the other, none of them lost.

ASE parses each frame. Which lines are a frame's is found out here: ASE itself stops at a blank line
in silence, and does not say where a file is wrong.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ase import Atoms

# Names that GPUMD reads in any case, and ASE in this one alone: without them a frame would have no
# cell and no forces, and nobody would be told.
_NAMES = {
    name: re.compile(rf"(?<!\S){name}(?=\s*=)", re.IGNORECASE) for name in ("Lattice", "Properties")
}


@dataclass(frozen=True)
class FrameLines:
    """The lines of a frame: number of atoms, comment, a line an atom, and cell vectors if any."""

    frame: int
    first: int
    text: list[str]

    def __str__(self) -> str:
        last = self.first + len(self.text) - 1
        return f"frame {self.frame} (lines {self.first} to {last})"


def read_xyz_frames(path: Path) -> Iterator[Atoms]:
    """The frames of a file, which may be compressed.

    Raises:
        ValueError: a frame that is cut short, or cannot be read; says which, and in which lines.
    """
    from ase.io.extxyz import read_xyz

    for lines in frame_lines(path):
        try:
            text = [lines.text[0], _with_names(lines.text[1]), *lines.text[2:]]
            (image,) = read_xyz(io.StringIO("".join(text)), slice(None))
        except Exception as error:  # whatever its parser meets
            raise ValueError(f"{lines}: {error}") from error
        yield image


def frame_lines(path: Path) -> Iterator[FrameLines]:
    """The lines of each frame of a file.

    Raises:
        ValueError: a frame that is cut short; says which, and in which lines.
    """
    with _opened(path) as file:
        yield from _frames(file)


def count_xyz_frames(path: Path) -> int:
    """How many frames a file has, without parsing them.

    Raises:
        ValueError: see :func:`read_xyz_frames`.
    """
    return sum(1 for _ in frame_lines(path))


def _with_names(comment: str) -> str:
    """The second line, with names as ASE knows them."""
    for name, pattern in _NAMES.items():
        comment = pattern.sub(name, comment, count=1)
    return comment


def _opened(path: Path) -> TextIO:
    from ase.io.formats import open_with_compression

    return open_with_compression(str(path), "r")


def _frames(file: TextIO) -> Iterator[FrameLines]:
    number, frame = 1, 0
    line = file.readline()
    while line:
        if not line.strip():
            number, line = number + 1, file.readline()
            continue
        n_atoms = _number_of_atoms(line, number, frame)
        text = [line, *itertools.islice(file, n_atoms + 1)]
        if len(text) < n_atoms + 2:
            raise ValueError(
                f"frame {frame} (from line {number}): expected {n_atoms} atoms, but the file "
                f"ends after {max(len(text) - 2, 0)}"
            )
        line = file.readline()
        while line.lstrip().startswith("VEC"):
            text.append(line)
            line = file.readline()
        yield FrameLines(frame, number, text)
        number, frame = number + len(text), frame + 1


def _number_of_atoms(line: str, number: int, frame: int) -> int:
    text = line.strip()
    if not text.isdecimal():
        raise ValueError(
            f"line {number}: expected the number of atoms of frame {frame}, got {text[:60]!r}"
        )
    return int(text)
