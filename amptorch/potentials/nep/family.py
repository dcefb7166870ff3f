"""The family of neuroevolution potentials: its line of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...descriptor.nep import NepDensity
from ..precision import dtype_of, name_of
from ..registry import GRADIENTS, Family, Format, Inputs
from . import files
from .model import Nep
from .settings import NepSettings
from .shape import Shape


def make(
    settings: NepSettings, inputs: Inputs, dtype: torch.dtype, get_stress: bool = False
) -> Nep:
    """A model with random parameters.

    Args:
        settings: the section "model" of a configuration.
        inputs: elements and the descriptor.
        dtype: of the parameters.
        get_stress: whether its ``forward`` gives stresses.

    Raises:
        ValueError: another descriptor.
    """
    descriptor = inputs.descriptor
    if not isinstance(descriptor, NepDensity):
        raise ValueError(
            f'model: nep needs the descriptor "fp_scheme": "nep", got {descriptor.scheme!r}'
        )
    shape = Shape(
        elements=tuple(inputs.elements),
        n_max=(settings.n_max[0], settings.n_max[1]),
        basis_size=descriptor.basis_size,
        l_max=descriptor.l_max,
        invariants=tuple(settings.invariants),
        neurons=tuple(settings.neurons),
        version=settings.version,
    )
    model = Nep(shape, settings.get_forces, get_stress, dtype)
    model.randomize()
    return model


def to_json(model: Nep) -> dict[str, Any]:
    """Arguments that make the model."""
    return {
        "shape": model.shape.to_json(),
        "get_forces": model.get_forces,
        "get_stress": model.get_stress,
        "dtype": name_of(model.dtype),
    }


def from_json(values: Mapping[str, Any]) -> Nep:
    """The model of :func:`to_json`."""
    return Nep(
        Shape.of(values["shape"]),
        values["get_forces"],
        values["get_stress"],
        dtype_of(values["dtype"]) or torch.float64,
    )


FAMILY = Family(
    name="nep",
    models={"nep": Nep},
    Settings=NepSettings,
    make=make,
    to_json=to_json,
    from_json=from_json,
    fits={"gradients": GRADIENTS, "evolution": "amptorch.fit.evolution.fit:Evolution"},
    recipes={"nep": "amptorch.recipe.nep:nep"},
    formats=(Format("a nep.txt", files.fits, files.read, key="nep", write=files.write),),
)
