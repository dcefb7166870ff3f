"""Parameters of bispectrum components in LAMMPS' words: ``.snapparam`` files and descriptors of
``pair_style mliap``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..descriptor.base_descriptor import BaseDescriptor
from ..descriptor.bispectrum import FLAGS, NUMBERS, Snap
from ..errors import nearest

QUADRATIC = "quadraticflag"
_OF_ELEMENTS = ("sinner", "dinner")
_OF_MLIAP = {"sinner": "sinnerelems", "dinner": "dinnerelems"}
_IGNORED = ("chunksize", "parallelthresh")  # how LAMMPS goes about it on a GPU
_KNOWN = ("rcutfac", "twojmax", *NUMBERS, *FLAGS, *_OF_ELEMENTS, QUADRATIC)


def snap_of(descriptor: BaseDescriptor, program: str) -> Snap:
    """The descriptor, if it is of bispectrum components.

    Raises:
        ValueError: another descriptor, or options that LAMMPS does not have.
    """
    if type(descriptor) is not Snap:
        raise ValueError(
            f"{program} has bispectrum components, expected a potential of the descriptor 'snap', "
            f"got {descriptor.descriptor_type}"
        )
    return descriptor


def lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbers and words of the lines of a file of LAMMPS, without comments and what is empty."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words


def read(path: Path, elements: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """``fp_params`` of a ``.snapparam`` file, and whether its potential is quadratic.

    Args:
        path: the file.
        elements: chemical symbols, in the order of the ``.snapcoeff`` file.

    Raises:
        ValueError: a line that cannot be read; the file and its number are given.
    """
    found: dict[str, Any] = {}
    for number, (key, *values) in lines(path):
        if key in _IGNORED:
            continue
        where = f"{path}, line {number}"
        if key not in _KNOWN:
            raise ValueError(f"{where}: unknown keyword {key!r}; {nearest(key, _KNOWN)}")
        expected = len(elements) if key in _OF_ELEMENTS else 1
        if len(values) != expected:
            raise ValueError(f"{where}: expected {expected} numbers behind {key}, got {values}")
        found[key] = _numbers(key, values, elements, where)
    for key in ("rcutfac", "twojmax"):
        if key not in found:
            raise ValueError(f"{path}: no {key}")
    return found, bool(found.pop(QUADRATIC, 0))


def _numbers(key: str, values: Sequence[str], elements: Sequence[str], where: str) -> Any:
    kind = int if key in ("twojmax", QUADRATIC, *FLAGS) else float
    try:
        numbers = [kind(value) for value in values]
    except ValueError as error:
        raise ValueError(f"{where}: expected a number behind {key}, got {values}") from error
    return dict(zip(elements, numbers, strict=True)) if key in _OF_ELEMENTS else numbers[0]


def keywords(descriptor: Snap) -> dict[str, str]:
    """Every parameter but those of elements' radii and weights, by LAMMPS' keyword."""
    parameters = descriptor.parameters
    found = {
        "rcutfac": repr(float(descriptor.fp_params["rcutfac"])),
        "twojmax": str(parameters.twojmax),
        "rfac0": repr(parameters.rfac0),
        "rmin0": repr(parameters.rmin0),
        **{name: str(int(value)) for name, value in descriptor.flags.items()},
    }
    if descriptor.flags["switchinnerflag"]:
        for name in _OF_ELEMENTS:
            found[name] = " ".join(map(repr, descriptor.of_elements(name)))
    return found


def radii_and_weights(descriptor: Snap) -> tuple[list[float], list[float]]:
    """``radelem`` and ``wj`` of the elements."""
    return descriptor.of_elements("radelem"), descriptor.of_elements("wj")


def parameter_text(descriptor: Snap, quadratic: bool) -> str:
    """A ``.snapparam`` file, with every flag."""
    return _text({**keywords(descriptor), QUADRATIC: str(int(quadratic))})


def descriptor_text(descriptor: Snap) -> str:
    """A descriptor file of ``pair_style mliap``."""
    radii, weights = radii_and_weights(descriptor)
    elements = {
        "nelems": str(len(radii)),
        "elems": " ".join(descriptor.elements),
        "radelems": " ".join(map(repr, radii)),
        "welems": " ".join(map(repr, weights)),
    }
    rest = {_OF_MLIAP.get(name, name): value for name, value in keywords(descriptor).items()}
    return _text({**elements, **rest})


def _text(values: dict[str, str]) -> str:
    return "".join(
        f"{name} {value}\n" for name, value in {"#": "written by amptorch", **values}.items()
    )
