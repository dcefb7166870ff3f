"""Descriptor schemes by name, and a descriptor as the setup that makes it: also in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import nearest
from ..plain import as_json

if TYPE_CHECKING:
    from .base_descriptor import BaseDescriptor

CutoffParams = Mapping[str, Any] | str | None
"""The cutoff function, where a scheme needs it apart from its ``fp_params``."""

SETUP_KEYS = ("fp_scheme", "fp_params", "cutoff_params", "elements")
"""Keys of the section "dataset" that say what :data:`Setup` does, in its order."""

Setup = tuple[str, Any, CutoffParams, Sequence[str]]
"""(fp_scheme, fp_params, cutoff_params, elements)."""

SCHEMES: dict[str, type[BaseDescriptor]] = {}
"""Classes by scheme, in lower case; a class is here once it is defined."""


def register(kind: type[BaseDescriptor]) -> None:
    """Make a class known by its ``scheme``. One that is defined again takes the place of itself.

    Raises:
        ValueError: the scheme is no name, or is that of another class.
    """
    if not isinstance(kind.scheme, str) or not kind.scheme:
        raise ValueError(f"{kind.__name__}: expected scheme to be a name, got {kind.scheme!r}")
    known = SCHEMES.get(kind.scheme.lower(), kind)
    if not _is_same(known, kind):
        raise ValueError(
            f"{kind.__name__}: scheme {kind.scheme!r} is taken by {_full_name(known)}: expected "
            "another name"
        )
    SCHEMES[kind.scheme.lower()] = kind


def _is_same(one: type, other: type) -> bool:
    """Whether two classes are one, defined again: in a notebook, or by a script that is imported
    too."""
    modules = {one.__module__, other.__module__}
    return one.__qualname__ == other.__qualname__ and (len(modules) == 1 or "__main__" in modules)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def is_importable(kind: type[BaseDescriptor]) -> bool:
    """Whether another process can import a class: not from the script that runs, nor from within a
    function."""
    return kind.__module__ != "__main__" and "<locals>" not in kind.__qualname__


def class_of(scheme: str) -> type[BaseDescriptor]:
    """The class of a scheme, in any case.

    Raises:
        ValueError: no class that is imported has it.
    """
    found = SCHEMES.get(str(scheme).lower())
    if found is None:
        known = f"known: {', '.join(map(repr, sorted(SCHEMES)))}"
        hint = nearest(str(scheme).lower(), SCHEMES).removesuffix(known)
        raise ValueError(
            f"fp_scheme: unknown scheme {scheme!r}; {hint + ' ' if hint else ''}{known}; a "
            "descriptor of your own must be imported first"
        )
    return found


def construct_descriptor(descriptor_setup: Setup) -> BaseDescriptor:
    """The descriptor of ``(fp_scheme, fp_params, cutoff_params, elements)``.

    Args:
        descriptor_setup: scheme "gaussian", "gmp", "gmpordernorm", "snap" or that of a class of
            your own; its parameters; for "gaussian" the cutoff function, ``{"cutoff_func": ...,
            "gamma": ...}``; elements.
    """
    scheme, parameters, cutoff_params, elements = descriptor_setup
    kind = class_of(scheme)
    if not parameters:
        raise ValueError("fp_params: expected descriptor parameters, found none")
    if is_auto(parameters):
        raise ValueError(
            "fp_params: 'auto' is decided by the data: expected explicit parameters here, such as "
            "amptorch.descriptor.from_data.choose(setup, images).setup"
        )
    return kind.from_parameters(parameters, cutoff_params, elements)


def is_auto(parameters: object) -> bool:
    """Whether ``fp_params`` asks for a set chosen from the data."""
    return parameters == "auto" or (isinstance(parameters, Mapping) and "auto" in parameters)


def setup_to_json(setup: Setup) -> list[Any]:
    """A setup as JSON knows it.

    Raises:
        ValueError: a parameter that JSON cannot hold.
    """
    scheme, parameters, cutoff_params, elements = setup
    values = class_of(scheme).parameters_to_json(parameters)
    return [scheme, values, parameters_to_json(cutoff_params), list(elements)]


def setup_from_json(values: Sequence[Any]) -> Setup:
    """The setup of :func:`setup_to_json`."""
    scheme, parameters, cutoff_params, elements = values
    return scheme, class_of(scheme).parameters_from_json(parameters), cutoff_params, elements


def parameters_to_json(parameters: object) -> Any:
    """Parameters as JSON knows them; ``ValueError`` for what it cannot hold."""
    return as_json(parameters, "fp_params", "a store")
