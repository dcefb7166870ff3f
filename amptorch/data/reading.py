"""Images from files, databases, lists and iterables: the one place that reads them.

Nothing but :func:`load_images` holds more than one image at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from ase import Atoms

from .n2p2 import looks_like_one, read_n2p2_frames
from .sources import parts_of
from .units import Units
from .xyz import count_xyz_frames, read_xyz_frames

Source = str | Path | Iterable[Atoms] | Sequence[str | Path]

# Files above this size are read image by image.
LARGE_FILE = 100e6


def load_images(raw_data: Source, name: str = "raw_data") -> list[Atoms]:
    """All images of a source at once.

    Raises:
        FileNotFoundError: no such file.
        ValueError: see :func:`read_images`, or no image at all.
    """
    images = list(read_images(raw_data, name))
    if not images:
        raise ValueError(f"{name}: expected at least one image, got none")
    return images


def read_images(
    source: Source, name: str = "source", units: Units | None = None
) -> Iterator[Atoms]:
    """The images of what a name stands for (see :func:`amptorch.data.sources.parts_of`), or of an
    iterable of images and of such names, one after the other.

    Values that rows of an ASE database carry beside the structure come as ``info``.

    Args:
        name: of the source, in errors.
        units: of a file that does not say them, which are those of n2p2; default Å and eV.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not read to its end, an entry that is not ``Atoms``, or units for
            what has its own.
    """
    for index, entry in enumerate([source] if isinstance(source, (str, Path)) else source):
        if isinstance(entry, (str, Path)):
            for part in parts_of(entry, name):
                yield from part.of(_read(part.path, name, units))
        elif isinstance(entry, Atoms) and units is not None:
            raise ValueError(f"{name}: units are of files, images are in Å and eV")
        elif isinstance(entry, Atoms):
            yield entry
        else:
            raise ValueError(f"{name}: expected ase.Atoms, entry {index} is {type(entry).__name__}")


def is_large(source: Source) -> TypeGuard[str | Path]:
    """Whether a source is a file that is not read as a whole."""
    if not isinstance(source, (str, Path)):
        return False
    path = Path(source)
    return path.is_file() and path.stat().st_size > LARGE_FILE


def has_names(source: Source) -> bool:
    """Whether a source is a name, or a list with names in it."""
    return isinstance(source, (str, Path)) or (
        isinstance(source, Sequence) and any(isinstance(each, (str, Path)) for each in source)
    )


def elements_of(images: Iterable[Atoms]) -> list[str]:
    """Chemical symbols found in the images, sorted."""
    return sorted({symbol for image in images for symbol in image.symbols.species()})


@dataclass(frozen=True)
class ImagesOf:
    """The images of what a name stands for, read anew each time they are gone through."""

    path: Source
    units: Units | None = None

    def __iter__(self) -> Iterator[Atoms]:
        return read_images(self.path, units=self.units)


def in_units(source: Source, length_unit: str | None, energy_unit: str | None) -> Source:
    """A source whose files, where they do not say their units, are in these; images are in Å and eV
    whatever is said."""
    if (length_unit, energy_unit) == (None, None) or not has_names(source):
        return source
    return ImagesOf(source, Units.of(length_unit, energy_unit))


def _read(path: Path, name: str, units: Units | None) -> Iterator[Atoms]:
    count = 0
    try:
        for image in _opened(path, units):
            yield image
            count += 1
    except Exception as error:  # ASE's readers raise whatever their parsers meet
        place = f"after {count} images" if count else "from its beginning"
        raise ValueError(f"{name}: cannot read {path} {place}: {error}") from error


def _opened(path: Path, units: Units | None) -> Iterator[Atoms]:
    from ase.io.formats import filetype

    if looks_like_one(path):
        return read_n2p2_frames(path, units or Units())
    if units is not None:
        raise ValueError("length_unit, energy_unit: only for files of n2p2, others are in Å and eV")
    return _READERS.get(filetype(str(path)), _by_ase)(path)


def _by_ase(path: Path) -> Iterator[Atoms]:
    from ase.io import iread

    return iread(str(path), index=":", do_not_split_by_at_sign=True)


def _rows(path: Path) -> Iterator[Atoms]:
    """Rows of a database, with their key-value pairs and data."""
    from ase.db import connect

    with connect(str(path), serial=True) as rows:
        for row in rows.select():
            image = row.toatoms()
            image.info.update(row.key_value_pairs)
            image.info.update(row.data)
            yield image


def _vasp_steps(path: Path) -> Iterator[Atoms]:
    """ASE leaves the last step of a run that was killed out, in silence."""
    from ase.io.formats import open_with_compression

    with open_with_compression(str(path), "rb") as file:
        steps = sum(line.count(b"<calculation>") for line in file)
    count = 0
    for count, image in enumerate(_by_ase(path), start=1):  # noqa: B007
        yield image
    if count < steps:
        raise ValueError(
            f"it begins {steps} ionic steps, {count} of them are whole: was the run killed? Cut "
            "the last one off, or save the whole ones as a .traj"
        )


_READERS: dict[str, Callable[[Path], Iterator[Atoms]]] = {
    "extxyz": read_xyz_frames,
    "db": _rows,
    "json": _rows,
    "vasp-xml": _vasp_steps,
}


def count_images(source: Source) -> int | None:
    """How many images there are, where that is known without reading them."""
    if isinstance(source, Sequence) and not has_names(source):
        return len(source)
    if not isinstance(source, (str, Path)) or not Path(source).is_file():
        return None
    path = Path(source)
    counter = _COUNTERS.get(path.suffix)
    return None if counter is None else counter(path)


def _count_trajectory(path: Path) -> int:
    from ase.io.trajectory import Trajectory

    with Trajectory(str(path)) as trajectory:
        return len(trajectory)


def _count_rows(path: Path) -> int:
    from ase.db import connect

    return int(connect(str(path)).count())


def _count_frames(path: Path) -> int | None:
    try:
        return count_xyz_frames(path)
    except ValueError:  # whoever reads it will say where
        return None


_COUNTERS: dict[str, Callable[[Path], int | None]] = {
    ".traj": _count_trajectory,
    ".db": _count_rows,
    ".xyz": _count_frames,
    ".extxyz": _count_frames,
}


def sampled(source: Source, number: int) -> tuple[list[Atoms], Source]:
    """Some images from all over the source (its first ones where it cannot be asked for others),
    and a source that still gives all."""
    if isinstance(source, (str, Path)) and Path(source).suffix == ".traj" and count_images(source):
        from ase.io.trajectory import Trajectory

        with Trajectory(str(source)) as trajectory:
            return _spread(trajectory, number), source
    if isinstance(source, Sequence) and not has_names(source):
        return _spread(source, number), source
    images = read_images(source)
    first = list(itertools.islice(images, number))
    return first, source if has_names(source) else itertools.chain(first, images)


def _spread(images: Sequence[Atoms], number: int) -> list[Atoms]:
    step = max(len(images) // number, 1)
    return list(read_images(images[index] for index in range(0, len(images), step)[:number]))
