"""The family of linear potentials: its line of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import mliap_files
from ..precision import dtype_of, name_of
from ..registry import GRADIENTS, LEAST_SQUARES, LINEAR_SEARCH, Family, Format, Inputs
from . import snap_files
from .model import Linear, Quadratic
from .settings import LinearSettings

MODELS: dict[str, type[Linear]] = {"linear": Linear, "quadratic": Quadratic}


def make(
    settings: LinearSettings, inputs: Inputs, dtype: torch.dtype, get_stress: bool = False
) -> Linear:
    """A model whose coefficients are 0.

    Args:
        settings: the section "model" of a configuration.
        inputs: elements, and the length of a fingerprint.
        dtype: of the coefficients.
        get_stress: whether its ``forward`` gives stresses.
    """
    return MODELS[settings.name](
        inputs.elements,
        inputs.n_features,
        get_forces=settings.get_forces,
        get_stress=get_stress,
        covariance=settings.covariance,
        dtype=dtype,
    )


def to_json(model: Linear) -> dict[str, Any]:
    """Arguments that make the model."""
    return {
        **model.arguments,
        "name": next(name for name, kind in MODELS.items() if type(model) is kind),
        "get_forces": model.get_forces,
        "get_stress": model.get_stress,
        "covariance": model.inverse is not None,
        "dtype": name_of(model.coefficients.dtype),
    }


def from_json(values: Mapping[str, Any]) -> Linear:
    """The model of :func:`to_json`."""
    arguments = dict(values)
    kind = MODELS[arguments.pop("name")]
    arguments["dtype"] = dtype_of(arguments["dtype"])
    return kind(**arguments)


FAMILY = Family(
    name="linear",
    models=MODELS,
    Settings=LinearSettings,
    make=make,
    to_json=to_json,
    from_json=from_json,
    fits={"least_squares": LEAST_SQUARES, "gradients": GRADIENTS},
    recipes={"snap": "amptorch.recipe.linear:snap", "qsnap": "amptorch.recipe.linear:qsnap"},
    searches=dict.fromkeys(MODELS, LINEAR_SEARCH),
    trials=100,
    formats=(
        Format(
            "a .snapcoeff file",
            snap_files.is_coefficients,
            snap_files.read_coefficients,
            key="snap",
            write=snap_files.write_snap,
        ),
        Format("a .snap file", snap_files.is_commands, snap_files.read_commands),
        mliap_files.format_of(snap_files.write_mliap),
    ),
)
