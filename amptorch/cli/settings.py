"""Settings from files: YAML, of which JSON is a part."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ..data.keys import Keys
from .parser import WrongUsage


class Loader(yaml.SafeLoader):
    """YAML's safe types, where 1e-2 is a number too (PyYAML takes it for text)."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_settings(path: str | Path, argument: str) -> dict[str, Any]:
    """The mapping in a YAML or JSON file; ``argument`` is its name in errors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, or not a mapping.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{argument}: file not found: {path}")
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{argument}: {path} is not YAML or JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise ValueError(f"{argument}: {path}: expected a mapping, got {type(values).__name__}")
    return dict(values)


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add ``--key`` to a command."""
    parser.add_argument(
        "--key",
        dest="keys",
        action="append",
        default=[],
        metavar="KIND=NAME",
        help="name of energy, forces, stress or virial in the data, such as energy=REF_energy, or "
        "stress_convention=vasp; may be repeated",
    )


def given_keys(pairs: Sequence[str], keys: Keys) -> Keys:
    """The names of ``--key``, and those of ``keys`` for the other kinds.

    Raises:
        ValueError: not KIND=NAME, or a kind that is not known.
    """
    given = {}
    for pair in pairs:
        kind, equals, name = pair.partition("=")
        if not (kind and equals and name):
            raise WrongUsage(f"--key: expected KIND=NAME, got {pair!r}")
        given[kind] = name
    Keys.of(given)
    return replace(keys, **given)


def add_changes(parser: argparse._ActionsContainer, told: str) -> None:
    """Add ``--set`` to a command or a group of its options; ``told`` is what it does."""
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help=f"{told}; may be repeated",
    )


def read_change(change: str) -> tuple[str, Any]:
    """Place, "section.key", and value, as in YAML, of a ``--set``.

    Raises:
        WrongUsage: of another form.
    """
    place, equals, value = change.partition("=")
    section, _, key = place.partition(".")
    if not (section and key and equals):
        raise WrongUsage(f"--set: expected section.key=value, got {change!r}")
    try:
        return place, yaml.load(value, Loader)
    except yaml.YAMLError as error:
        raise WrongUsage(f"--set: {value!r} is not a value in YAML: {error}") from error


def add_units(parser: argparse.ArgumentParser) -> None:
    """Add ``--length-unit`` and ``--energy-unit`` to a command."""
    for what, example in (("length", "Bohr"), ("energy", "Hartree")):
        default = {"length": "Å", "energy": "eV"}[what]
        parser.add_argument(
            f"--{what}-unit",
            metavar="UNIT",
            help=f"unit of files that do not say theirs, such as {example}; default {default}",
        )
