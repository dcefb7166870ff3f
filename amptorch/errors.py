"""Wording shared by errors: what was wrong, what was expected, what came."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from math import isfinite


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to ``name``, or all of them if none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(map(repr, known))}"


def check_keys(given: Iterable[object], known: Iterable[str], where: str) -> None:
    """Raise a ``ValueError`` naming the first key of ``given`` that is not in ``known``."""
    known = list(known)
    for key in given:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")


class Diverged(ArithmeticError):
    """Training came to a loss or to weights that are not finite."""


class FitWarning(UserWarning):
    """A run came to its end and its model has learned nothing, or nearly so."""


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and isfinite(value)


def check_integer(section: object, name: str, where: str, least: int) -> None:
    value = getattr(section, name)
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{where}: expected {name} to be an integer >= {least}, got {value!r}")


def check_class(section: object, name: str, where: str, example: str) -> None:
    value = getattr(section, name)
    if not callable(value):
        raise ValueError(f"{where}: expected {name} to be a class like {example}, got {value!r}")


def check_choice(section: object, name: str, known: tuple[object, ...], where: str) -> None:
    value = getattr(section, name)
    if value not in known:
        raise ValueError(f"{where}: expected {name} to be one of {known}, got {value!r}")
