"""The families of potentials that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import nearest

if TYPE_CHECKING:
    import torch

    from .networks.model import AtomisticModel
    from .potential import Potential

# Folders of this one, each with a ``family.py`` that has ``FAMILY``.
FOLDERS = ("networks",)


@dataclass(frozen=True)
class Format:
    """A kind of file or folder that holds potentials.

    Attributes:
        name: for errors.
        fits: whether a path that exists looks like one.
        read: the potential, on a device.
    """

    name: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, torch.device], Potential]


@dataclass(frozen=True)
class Family:
    """A family of potentials.

    Attributes:
        name: of its folder.
        models: classes of models by the names that configurations give them.
        Settings: dataclass of the section "model" of a configuration.
        make: a new model, from the values of that section, elements, the length of a fingerprint
            and the precision.
        to_json: the plain values, beside its tensors, that a model is made of.
        from_json: the model of these, whose tensors have no numbers yet.
        formats: what it reads.
    """

    name: str
    models: Mapping[str, type[AtomisticModel]]
    Settings: type
    make: Callable[..., AtomisticModel]
    to_json: Callable[[AtomisticModel], dict[str, Any]]
    from_json: Callable[[Mapping[str, Any]], AtomisticModel]
    formats: tuple[Format, ...] = ()


@cache
def families() -> dict[str, Family]:
    """All families by name."""
    # By name: a family reads potentials, which are saved by way of their families.
    modules = [import_module(f".{folder}.family", __package__) for folder in FOLDERS]
    return {module.FAMILY.name: module.FAMILY for module in modules}


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
