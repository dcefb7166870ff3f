"""Names of data as they are given: files, folders, patterns, and frames of a file, ``FILE@0:8``."""

from __future__ import annotations

import difflib
import glob
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_SLICE = re.compile(r"-?\d+|(-?\d*):(-?\d*)(:-?\d*)?")
# What is taken of a folder; compressed files too.
_OF_FOLDERS = re.compile(
    r".*\.(extxyz|xyz|traj|db)(\.(gz|bz2|xz))?|vasprun.*\.xml(\.gz)?|OUTCAR.*|input\.data",
    re.IGNORECASE,
)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """A file, and which of its frames; None stands for all."""

    path: Path
    frames: slice | None = None

    def of(self, images: Iterable[Item]) -> Iterator[Item]:
        """These of all images of the file."""
        chosen = self.frames
        if chosen is None:
            return iter(images)
        ends = (chosen.start, chosen.stop, chosen.step)
        if any(end is not None and end < 0 for end in ends):
            return iter(list(images)[chosen])
        return itertools.islice(images, *ends)


def parts_of(name: str | Path, argument: str = "raw_data") -> list[Part]:
    """The files that a name stands for, sorted where there are several.

    A name is that of a file, even with ``@`` or ``*`` in it, of a folder, whose trajectories,
    (extended) XYZ files, databases, VASP outputs and ``input.data`` are taken at any depth, or a
    pattern (``*``, ``?``, ``[...]``, ``**``). ``@`` and an index or Python's slice behind one of
    these say which frames of each file.

    Raises:
        FileNotFoundError: nothing has this name; the nearest name in its folder is proposed.
    """
    files = _files(str(name))
    if files is not None:
        return [Part(path) for path in _some(files, name, argument)]
    base, at, frames = str(name).rpartition("@")
    files = _files(base) if at and _SLICE.fullmatch(frames) else None
    if files is None:
        raise FileNotFoundError(f"{argument}: file not found: {name}{_proposal(Path(name))}")
    return [Part(path, _slice(frames)) for path in _some(files, name, argument)]


def _files(name: str) -> list[Path] | None:
    """Files of a name without ``@``, or None where there is nothing that has it."""
    path = Path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        within = sorted(path.rglob("*"))
        return [each for each in within if _OF_FOLDERS.fullmatch(each.name) and each.is_file()]
    if not glob.has_magic(name):
        return None
    found = sorted(Path(each) for each in glob.glob(name, recursive=True))
    return [each for each in found if each.is_file()] or None


def _some(files: list[Path], name: str | Path, argument: str) -> list[Path]:
    if not files:
        raise FileNotFoundError(
            f"{argument}: {name}: expected a folder with .extxyz, .xyz, .traj, .db, vasprun*.xml "
            "or OUTCAR* files, found none"
        )
    return files


def _slice(text: str) -> slice:
    if ":" in text:
        return slice(*(int(end) if end else None for end in text.split(":")))
    first = int(text)
    return slice(first, None if first == -1 else first + 1)


def _proposal(path: Path) -> str:
    """The name in the same folder that is nearest to one that is not there."""
    if not path.parent.is_dir():
        return ""
    names = [each.name for each in itertools.islice(path.parent.iterdir(), 10_000)]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.7)
    return f"; did you mean {str(path.with_name(close[0]))!r}?" if close else ""
