"""Frames, recipes and spaces of the commands that search over families."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from ..data.keys import Keys
from ..data.reading import in_units, load_images
from ..errors import nearest
from ..potentials.registry import recipes
from ..recipe import PRESETS, Facts, choose
from .configuration import UNITS
from .options import DATA
from .parser import WrongUsage
from .settings import add_changes, add_keys, add_units, given_keys, read_change


@dataclass(frozen=True)
class Frames:
    """The frames of a command.

    Attributes:
        images: to choose by.
        test: to judge the choice.
        raw_data: what a configuration calls the first, None where these have no name.
        of_data: keys of the section "dataset" that tell how these are read.
        bases: by family, the configuration that its recipe chooses for the first.
    """

    images: list[Atoms]
    test: list[Atoms]
    raw_data: Any
    of_data: dict[str, Any]
    bases: dict[str, dict[str, dict[str, Any]]]


def add_frames(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add data, names and units, families, and values that are the same in all trainings."""
    parser.add_argument("data", nargs="+", metavar="DATA", help=DATA + more)
    add_keys(parser)
    add_units(parser)
    parser.add_argument(
        "--families", metavar="A,B", help=f"potentials, default all: {','.join(recipes())}"
    )
    parser.add_argument("--preset", default="standard", choices=tuple(PRESETS))
    add_changes(parser, "a value of all trainings whose potential has such a key")


def families_of(arguments: argparse.Namespace) -> list[str]:
    """Those named, or all."""
    known = list(recipes())
    names = arguments.families.split(",") if arguments.families else known
    for name in names:
        if name not in known:
            raise WrongUsage(f"--families: unknown {name!r}; {nearest(name, known)}")
    return names


def changed(space: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A space with the values of ``--set``, in place of what it says of the same of a family."""
    fixed = {place: {"choices": [value]} for place, value in map(read_change, changes)}
    kept = {
        name: {key: each for key, each in entry.items() if not _is_within(key, fixed)}
        if name in recipes() and isinstance(entry, Mapping)
        else entry
        for name, entry in space.items()
    }
    return {**kept, **fixed}


def _is_within(key: str, places: Iterable[str]) -> bool:
    """Whether it is one of the places, or below one."""
    return any(f"{key}.".startswith(f"{place}.") for place in places)


def frames_of(
    arguments: argparse.Namespace, names: Sequence[str], test: int = 0, test_data: str | None = None
) -> Frames:
    """Read the frames, and put those to judge by apart before anything looks at them.

    Args:
        arguments: with what :func:`add_frames` adds.
        names: of the data.
        test: number of the last frames that are kept apart.
        test_data: others to judge by.
    """
    units = {name: getattr(arguments, name) for name in UNITS if getattr(arguments, name)}
    both = units.get("length_unit"), units.get("energy_unit")
    images = load_images(in_units(list(names), *both), "DATA")
    if not 0 <= test < len(images):
        raise WrongUsage(f"--test: expected fewer than the {len(images)} frames, got {test}")
    images, apart = images[: len(images) - test], images[len(images) - test :]
    if test_data is not None:
        apart = load_images(in_units(test_data, *both), "--test-data")
    facts = Facts.of(images, given_keys(arguments.keys, Keys()).given() or None)
    bases = {name: choose(facts, arguments.preset, name).config for name in families_of(arguments)}
    return Frames(images, apart, _name(names, test), units, bases)


def _name(names: Sequence[str], test: int) -> Any:
    """What a configuration calls all frames but the last ones."""
    if not test:
        return names[0] if len(names) == 1 else list(names)
    one = len(names) == 1 and Path(names[0]).is_file() and "@" not in names[0]
    return f"{names[0]}@:-{test}" if one else None
