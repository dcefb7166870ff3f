"""Groups of options that several commands share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..potentials.registry import recipes
from ..recipe import PRESETS
from .settings import add_changes, add_keys

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)", re.IGNORECASE)
DATA = (
    "files that ASE reads, folders, patterns, and frames of these as FILE@0:8; several are one "
    "after the other"
)


def seconds(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``10m`` or ``1h30m``."""
    parts = _TIME.findall(text)
    whole = "".join(number + unit for number, unit in parts) == text
    if not parts or not whole or any(unit.lower() not in _UNITS for _, unit in parts):
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 10m or 1h30m, got {text!r}")
    total = sum(float(number) * _UNITS[unit.lower()] for number, unit in parts)
    if total <= 0:
        raise argparse.ArgumentTypeError(f"expected a time longer than 0, got {text!r}")
    return total


def add_data(parser: argparse.ArgumentParser, what: str = "") -> None:
    """Add the images, and names of what they hold."""
    parser.add_argument("data", nargs="+", metavar="DATA", help=what or DATA)
    add_keys(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add how much is said, and where it is kept."""
    parser.add_argument("--quiet", action="store_true", help="results only, no progress")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep what is printed, too")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add what chooses a configuration."""
    group = parser.add_argument_group("configuration")
    group.add_argument("--preset", choices=tuple(PRESETS), default="standard")
    group.add_argument(
        "--potential",
        choices=tuple(recipes()),
        help="kind of potential, default what suits the data",
    )
    group.add_argument(
        "--linear", action="store_true", help="of ACE what least squares fit: linear_ace"
    )
    add_changes(group, "in place of what is chosen or in the file")


def add_time(parser: argparse.ArgumentParser) -> None:
    """Add the bound of a run."""
    parser.add_argument(
        "--time",
        type=seconds,
        metavar="TIME",
        help="end within this time (90s, 10m, 1h30m): as many epochs as there is time for, at "
        "most those of the configuration",
    )


def add_trials(parser: argparse.ArgumentParser, default: int | None, told: str) -> None:
    """Add the number of fits of a search.

    Args:
        default: in place of what a command line does not say.
        told: the same in words.
    """
    parser.add_argument(
        "--trials",
        type=int,
        default=default,
        metavar="NUMBER",
        help="fits of the search for cutoffs, radii and weights of linear potentials, default "
        f"{told}",
    )
