"""Images from files, databases and iterables, one after the other and never all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
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


def count_images(source: Source) -> int | None:
    """How many images there are, where that is known without reading them."""
    if isinstance(source, Sized) and not isinstance(source, str):
        return len(source)
    if not isinstance(source, (str, Path)) or not Path(source).is_file():
        return None
    suffix = Path(source).suffix
    if suffix == ".traj":
        with Trajectory(str(source)) as trajectory:
            return len(trajectory)
    if suffix == ".db":
        return int(ase.db.connect(str(source)).count())
    return None
