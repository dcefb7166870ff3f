"""Images from files, databases and iterables, one after the other and never all at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.db
import ase.io
from ase import Atoms
from ase.io.trajectory import Trajectory

Source = str | Path | Iterable[Atoms]


def read_images(source: Source) -> Iterator[Atoms]:
    """The images of a file that ASE reads, or of an iterable.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file ASE cannot read, or an entry that is not ``Atoms``.
    """
    images = _read(Path(source)) if isinstance(source, (str, Path)) else source
    for index, image in enumerate(images):
        if not isinstance(image, Atoms):
            raise ValueError(f"source: expected ase.Atoms, entry {index} is {type(image).__name__}")
        yield image


def _read(path: Path) -> Iterator[Atoms]:
    if not path.is_file():
        raise FileNotFoundError(f"source: file not found: {path}")
    try:
        yield from ase.io.iread(str(path), index=":")
    except Exception as error:  # ASE's readers raise whatever their parsers meet
        raise ValueError(f"source: ASE cannot read {path}: {error}") from error


@dataclass(frozen=True)
class ImagesOf:
    """The images of a file, read anew each time they are gone through."""

    path: str | Path

    def __iter__(self) -> Iterator[Atoms]:
        return read_images(self.path)


def count_images(source: Source) -> int | None:
    """How many images there are, where that is known without reading them."""
    if isinstance(source, Sequence) and not isinstance(source, str):
        return len(source)
    if not isinstance(source, (str, Path)) or not Path(source).is_file():
        return None
    suffix = Path(source).suffix
    if suffix == ".traj":
        with Trajectory(str(source)) as trajectory:
            return len(trajectory)
    if suffix == ".db":
        return int(ase.db.connect(str(source)).count())
    return _count_xyz(Path(source)) if suffix in (".xyz", ".extxyz") else None


def _count_xyz(path: Path) -> int | None:
    """Every frame is a line with its number of atoms, a comment, and a line an atom."""
    count = 0
    with open(path, "rb") as file:
        for line in file:
            if not line.strip().isdigit():
                return None
            count += 1
            for _ in itertools.islice(file, int(line) + 1):
                continue
    return count


def sampled(source: Source, number: int) -> tuple[list[Atoms], Source]:
    """Some images from all over the source (its first ones where it cannot be asked for others),
    and a source that still gives all."""
    if isinstance(source, (str, Path)) and Path(source).suffix == ".traj" and count_images(source):
        with Trajectory(str(source)) as trajectory:
            return _spread(trajectory, number), source
    if isinstance(source, Sequence) and not isinstance(source, str):
        return _spread(source, number), source
    images = read_images(source)
    first = list(itertools.islice(images, number))
    return first, source if isinstance(source, (str, Path)) else itertools.chain(first, images)


def _spread(images: Sequence[Atoms], number: int) -> list[Atoms]:
    step = max(len(images) // number, 1)
    return list(read_images(images[index] for index in range(0, len(images), step)[:number]))
