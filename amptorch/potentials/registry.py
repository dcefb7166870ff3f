"""The families of potentials that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.units import Units
from ..errors import nearest

if TYPE_CHECKING:
    from ..descriptor.base_descriptor import BaseDescriptor
    from .model import Model
    from .potential import Potential
    from .settings import ModelSettings

# Folders of this one, each with a ``family.py`` that has ``FAMILY``.
FOLDERS = ("networks", "linear", "nep", "ace")
# The model that a configuration without a name means.
DEFAULT = "bpnn"
# Where fits are that several families have. By name: they know potentials, and not the reverse.
GRADIENTS = "amptorch.fit.gradient:GradientFit"
LEAST_SQUARES = "amptorch.fit.least_squares.fit:LeastSquares"
# And where the search of all that are linear is.
LINEAR_SEARCH = "amptorch.search.linear:LinearSearch"

# Formats that hold potentials of several families. By name, likewise.
_FORMATS = ("amptorch.lammps.export:FORMAT",)

_modules = [f"{__package__}.{folder}.family" for folder in FOLDERS]


@dataclass(frozen=True)
class Inputs:
    """What a model is fed with.

    Attributes:
        elements: chemical symbols.
        n_features: length of a fingerprint.
        descriptor: that makes the fingerprints.
    """

    elements: Sequence[str]
    n_features: int
    descriptor: BaseDescriptor


@dataclass(frozen=True)
class Format:
    """A kind of file or folder that holds potentials.

    Attributes:
        name: for errors.
        fits: whether a path that exists looks like one.
        read: the potential at a path, on a device.
        has_units: whether files say their units, or are in Å and eV; else ``read`` and ``write``
            are given :class:`amptorch.data.units.Units` too.
        key: name under which a potential is exported, or None.
        write: writes a potential to a path, with options of its own.
    """

    name: str
    fits: Callable[[Path], bool]
    read: Callable[..., Potential]
    has_units: bool = True
    key: str | None = None
    write: Callable[..., None] | None = None

    def units(self, length_unit: str | None, energy_unit: str | None) -> tuple[Units, ...]:
        """What ``read`` and ``write`` are given of units.

        Raises:
            ValueError: units for what has its own, or an unknown one.
        """
        if not self.has_units:
            return (Units.of(length_unit, energy_unit),)
        if (length_unit, energy_unit) != (None, None):
            raise ValueError(f"length_unit, energy_unit: {self.name} is in Å and eV")
        return ()


@dataclass(frozen=True)
class Family:
    """A family of potentials.

    Attributes:
        name: of its folder.
        models: classes of models by the names that configurations give them.
        Settings: dataclass of the section "model" of a configuration.
        make: a new model, from that section, :class:`Inputs` and the precision; with
            ``get_stress`` its ``forward`` gives stresses.
        to_json: the plain values, beside its tensors, that a model is made of.
        from_json: the model of these, whose tensors have no numbers yet.
        fits: where its fits are, "module:class", by the names that configurations give them; the
            first is the default.
        formats: what it reads.
        recipes: where rules are that choose a configuration for data, "module:function", by the
            names that ``amptorch train --potential`` takes; see :mod:`amptorch.recipe`.
        searches: where what searches values of its configurations is, "module:class", by the names
            of models that have one; see :mod:`amptorch.search`.
        trials: fits of this search that training begins with, where nobody says how many.
    """

    name: str
    models: Mapping[str, type[Any]]
    Settings: type[ModelSettings]
    make: Callable[..., Model]
    to_json: Callable[[Any], dict[str, Any]]
    from_json: Callable[[Mapping[str, Any]], Model]
    fits: Mapping[str, str]
    formats: tuple[Format, ...] = ()
    recipes: Mapping[str, str] = field(default_factory=dict)
    searches: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0

    def name_of_fit(self, name: str | None) -> str:
        """The name, or that of the default fit in place of None.

        Raises:
            ValueError: the family has no fit of this name.
        """
        if name is None:
            return next(iter(self.fits))
        if name not in self.fits:
            hint = nearest(str(name), self.fits)
            raise ValueError(f"optim: models of {self.name} have no fit {name!r}; {hint}")
        return name

    def fit_named(self, name: str) -> type[Any]:
        """The class of a fit, see :class:`amptorch.fit.base.Fit`."""
        return at_place(self.fits[name])


def at_place(place: str) -> Any:
    """What stands at "module:name"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def register(module: str) -> None:
    """Make a family known that stands in a module of one's own.

    Args:
        module: its name, such as "mine.family"; it has ``FAMILY``.
    """
    if module not in _modules:
        _modules.append(module)
    families.cache_clear()


@cache
def families() -> dict[str, Family]:
    """All families by name."""
    # By name: a family reads potentials, which are saved by way of their families.
    modules = [import_module(module) for module in _modules]
    return {module.FAMILY.name: module.FAMILY for module in modules}


def recipes() -> dict[str, str]:
    """Where the rules of all families are, by name."""
    return {name: place for each in families().values() for name, place in each.recipes.items()}


def model_name(section: Mapping[str, Any]) -> object:
    """The model that a section "model" of a configuration names."""
    return section.get("name", DEFAULT)


def model_names() -> list[str]:
    """Names of models that a configuration may give."""
    return [name for family in families().values() for name in family.models]


def family_named(model: object) -> Family:
    """The family that has a model of this name, in letters of any case.

    Raises:
        ValueError: none has; the nearest name is given.
    """
    name = str(model).lower()
    for family in families().values():
        if name in family.models:
            return family
    raise ValueError(f"model: unknown name {model!r}; {nearest(name, model_names())}")


def family_of(model: object) -> Family:
    """The family of a model.

    Raises:
        ValueError: its class belongs to none.
    """
    for family in families().values():
        if type(model) in family.models.values():
            return family
    kind = type(model)
    raise ValueError(
        f"model: {kind.__module__}.{kind.__qualname__} is a class of no family of potentials, "
        "and a file that runs no code cannot hold it"
    )


@cache
def formats_of_several() -> tuple[Format, ...]:
    """Those that no family has for itself."""
    places = (name.partition(":") for name in _FORMATS)
    return tuple(getattr(import_module(module), name) for module, _, name in places)


def writer_of(model: object, key: str) -> tuple[Format, Callable[..., None]]:
    """The format of this name that a model's family exports to, and what writes it.

    Raises:
        ValueError: there is none.
    """
    family = family_of(model)
    formats = [*family.formats, *formats_of_several()]
    for each in formats:
        if each.key == key and each.write is not None:
            return each, each.write
    known = [each.key for each in formats if each.key is not None]
    raise ValueError(
        f"unknown format {key!r} for a potential of the family {family.name}; {nearest(key, known)}"
    )
