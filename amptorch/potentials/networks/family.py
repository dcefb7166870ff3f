"""The family of networks: its line of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ...files.safe_pickle import Unknown
from .. import mliap_files
from ..precision import dtype_of, name_of
from ..registry import GRADIENTS, Family, Format, Inputs
from . import n2p2
from .activations import ACTIVATIONS
from .members import Members
from .mliap import write_mliap
from .model import BPNN, AtomisticModel, SingleNN
from .settings import ModelConfig

MODELS: dict[str, type[AtomisticModel]] = {"bpnn": BPNN, "singlenn": SingleNN}


def make(
    settings: ModelConfig, inputs: Inputs, dtype: torch.dtype, get_stress: bool = False
) -> AtomisticModel | Members:
    """A network, or members, with new weights.

    Args:
        settings: the section "model" of a configuration.
        inputs: elements, and the length of a fingerprint.
        dtype: of the weights.
        get_stress: whether its ``forward`` gives stresses.

    Raises:
        ValueError: the section comes from a file and names a class that is not loaded from one.
    """
    for value in vars(settings).values():
        if isinstance(value, Unknown):
            raise ValueError(
                f"config.pt names {value.name}, which is not loaded from a file: give "
                "AtomsTrainer a config with this class"
            )
    arguments = {name: each for name, each in vars(settings).items() if name != "members"}

    def one() -> AtomisticModel:
        return MODELS[settings.name](
            elements=inputs.elements,
            input_dim=inputs.n_features,
            get_stress=get_stress,
            dtype=dtype,
            **arguments,
        )

    return one() if settings.members == 1 else Members([one() for _ in range(settings.members)])


def to_json(model: AtomisticModel) -> dict[str, Any]:
    """Arguments that make a network.

    Raises:
        ValueError: its activation is not one that files may name.
    """
    name = next(name for name, kind in MODELS.items() if type(model) is kind)
    arguments = {**model.arguments, "name": name}
    arguments["activation"] = _each(_activation_name, arguments["activation"])
    arguments["dtype"] = name_of(arguments["dtype"])
    return arguments


def from_json(values: Mapping[str, Any]) -> AtomisticModel:
    """The network of :func:`to_json`, on torch's device "meta"."""
    arguments = dict(values)
    kind = MODELS[arguments["name"]]
    arguments["activation"] = _each(_activation, arguments["activation"])
    arguments["dtype"] = dtype_of(arguments["dtype"])
    with torch.device("meta"):
        return kind(**arguments)


def _each(function: Callable[[Any], Any], activation: Any) -> Any:
    """The function of an activation, or of those of all layers."""
    if isinstance(activation, list):
        return [function(each) for each in activation]
    return function(activation)


def _activation_name(kind: type[nn.Module]) -> str:
    name = getattr(kind, "__name__", repr(kind))
    if ACTIVATIONS.get(name) is not kind:
        raise ValueError(
            f"model: activation {getattr(kind, '__module__', '')}.{name} is not one of torch's "
            "or of amptorch.potentials.networks.activations, and a file that runs no code cannot "
            "hold it"
        )
    return name


def _activation(name: str) -> type[nn.Module]:
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r}: expected one of {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[name]


FAMILY = Family(
    name="networks",
    models=MODELS,
    Settings=ModelConfig,
    make=make,
    to_json=to_json,
    from_json=from_json,
    fits={"gradients": GRADIENTS},
    recipes={"networks": "amptorch.recipe.rules:of"},
    formats=(
        Format(
            "a folder of n2p2",
            n2p2.is_folder,
            n2p2.read_folder,
            has_units=False,
            key="n2p2",
            write=n2p2.write_folder,
        ),
        mliap_files.format_of(write_mliap),
    ),
)
