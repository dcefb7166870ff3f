"""Kinds of baselines by name, and what a configuration asks for.

A baseline is fixed, or fitted: "linear" fits energies of elements to the data, and what is fixed
is taken off before. To add a kind is to write a class with what
:class:`amptorch.data.baseline.Baseline` says and ``from_settings``, and its line in ``PLACES``, or
to :func:`register` it. A kind that takes objects has ``described``, which gives plain values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np
from ase import Atoms

from ..data.baseline import Baseline, Contribution, State
from ..errors import nearest

LINEAR = "linear"

# Where the kinds are that configurations and files may name. By name: some need rooms above.
PLACES = {
    "elements": "amptorch.preprocessing.utils:AtomicCorrectionScaler",
    "zbl": "amptorch.preprocessing.pair_baseline:ZBL",
    "calculator": "amptorch.preprocessing.calculator_baseline:OfCalculator",
    "potential": "amptorch.potentials.baseline:OfPotential",
    "nep_zbl": "amptorch.potentials.nep.zbl:NepZbl",
}
_REGISTERED: dict[str, type[Any]] = {}


def register(kind: type[Any]) -> type[Any]:
    """Make a class of baselines known by its ``name``; the class, as for a decorator."""
    _REGISTERED[kind.name] = kind
    return kind


def kind_named(name: object) -> type[Any]:
    """The class of a name.

    Raises:
        ValueError: there is none; the nearest name is given.
    """
    if name in _REGISTERED:
        return _REGISTERED[str(name)]
    if name not in PLACES:
        known = [LINEAR, *PLACES, *_REGISTERED]
        raise ValueError(f"baseline: unknown name {name!r}; {nearest(str(name), known)}")
    module, _, kind = PLACES[str(name)].partition(":")
    return getattr(import_module(module), kind)


@dataclass(frozen=True)
class Wanted:
    """What a configuration asks for.

    Attributes:
        fixed: the baselines that are given, as one, or None.
        linear: whether energies of elements are fitted to what is left.
    """

    fixed: Baseline | None = None
    linear: bool = False

    @classmethod
    def of(cls, setting: object) -> Wanted:
        """Of None, a name, ``{name: options}``, ``{name: first option}``, ``{"name": ...,
        options}``, or a list of these; one made before is given back.

        Raises:
            ValueError: anything else, a name that is not known, or bad options.
        """
        if isinstance(setting, Wanted):
            return setting
        fixed, linear = check(setting)
        made = [_made(*each) for each in fixed]
        return cls(joined(made) if made else None, linear)


Entry = tuple[str, tuple[object, ...], dict[str, Any]]
"""A name, and what its kind is made from."""


def check(setting: object) -> tuple[list[Entry], bool]:
    """What the fixed baselines are, and whether "linear" is among the names.

    Raises:
        ValueError: a setting of another form, or a name that is not known.
    """
    entries = setting if isinstance(setting, (list, tuple)) else [setting]
    named = [_named(entry) for entry in entries if entry is not None]
    fixed = [entry for entry in named if entry != (LINEAR, (), {})]
    for name, *_ in fixed:
        kind_named(name)
    return fixed, len(fixed) < len(named)


def _named(entry: object) -> Entry:
    if isinstance(entry, str):
        return entry, (), {}
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        options = dict(entry)
        return options.pop("name"), (), options
    if isinstance(entry, Mapping) and len(entry) == 1:
        name, value = next(iter(entry.items()))
        given = () if value is None or isinstance(value, Mapping) else (value,)
        return name, given, dict(value) if isinstance(value, Mapping) else {}
    raise ValueError(
        f"baseline: expected {LINEAR!r}, the name of a kind, a mapping of its name to its options, "
        f"or a list of these, got {entry!r}"
    )


def written(setting: object) -> object:
    """The setting in plain values, where its kinds know how: calculators by their class."""
    if isinstance(setting, (list, tuple)):
        return [written(entry) for entry in setting]
    try:
        name, values, options = _named(setting)
        described = kind_named(name).described
    except (ValueError, AttributeError):  # what is wrong is said by ``check``
        return setting
    return {name: described(*values, **options)}


def _made(name: str, values: Sequence[object], options: Mapping[str, Any]) -> Baseline:
    """The baseline of an entry."""
    make = kind_named(name).from_settings
    try:
        signature(make).bind(*values, **options)
    except TypeError as error:
        raise ValueError(f"baseline: {name}: {error}") from error
    return make(*values, **options)


class Sum:
    """Several baselines as one; files list its parts."""

    name = "sum"

    def __init__(self, parts: Sequence[Baseline]) -> None:
        self.parts = list(parts)

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """Sums over the parts."""
        found = [part.evaluate(images, forces) for part in self.parts]
        return Contribution(
            np.sum([each.energy for each in found], 0),
            _sums([each.energies_of_atoms(images) for each in found]),
            _sums([each.forces for each in found]),
            _sums([each.virials for each in found]),
        )

    def state(self) -> State:
        """Those of the parts, with their names."""
        return {"parts": to_state(self)}

    @classmethod
    def from_state(cls, state: State) -> Baseline:
        """The baseline of :meth:`state`."""
        return from_state(state["parts"])


def _sums(parts: Sequence[Sequence[Any] | None]) -> list[Any] | None:
    """Sums by frame, over the parts that have any; None for a frame where one of these has none."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    return [
        None if any(one is None for one in each) else np.sum(each, 0)
        for each in zip(*there, strict=True)
    ]


def parts_of(baseline: Baseline) -> list[Baseline]:
    """The baselines that one is the sum of."""
    return baseline.parts if isinstance(baseline, Sum) else [baseline]


def to_state(baseline: Baseline) -> list[dict[str, Any]]:
    """Plain values and tensors that stand for a baseline in files."""
    return [{"name": part.name, "state": dict(part.state())} for part in parts_of(baseline)]


def from_state(values: Sequence[Mapping[str, Any]]) -> Baseline:
    """The baseline of :func:`to_state`.

    Raises:
        ValueError: of a kind that is not known.
    """
    return joined([kind_named(part["name"]).from_state(part["state"]) for part in values])


def joined(parts: Sequence[Baseline]) -> Baseline:
    """One baseline of one or more."""
    return parts[0] if len(parts) == 1 else Sum(parts)
