"""From a potential to the file of ``pair_style amptorch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels import bispectrum, gmp, symmetry_functions
from ..potentials.linear.model import Linear, Quadratic
from ..potentials.networks.model import BPNN, AtomisticModel, SingleNN
from ..potentials.potential import Potential
from ..potentials.registry import Format
from ..preprocessing.scaling import energies_of_elements
from .file import TITLE, Entries, write_entries

# What the plugin calls the kernels that it has.
DESCRIPTORS = {symmetry_functions: "symmetry_functions", gmp: "gmp", bispectrum: "bispectrum"}


def write(potential: Potential, path: Path, frame_size: int | None = None) -> None:
    """Write a potential as ``pair_style amptorch`` reads it, in Å and eV.

    Args:
        potential: of symmetry functions, multipoles or bispectrum components, with networks or a
            linear or quadratic model.
        path: the file.
        frame_size: number of atoms, where a mean of frames is taken off energies: it is shared
            among the atoms of a frame, which is right for frames of this size alone.

    Raises:
        ValueError: a descriptor, model or baseline that the plugin does not have, or a mean without
            ``frame_size``.
    """
    write_entries(path, entries_of(potential, frame_size))


def entries_of(potential: Potential, frame_size: int | None = None) -> Entries:
    """What the file holds, see :func:`write`."""
    scalers, numbers = potential.scalers, torch.from_numpy(potential.descriptor.element_indices)
    energies = energies_of_elements(scalers, potential.elements, "LAMMPS", frame_size)
    return {
        "units": "metal",
        "elements": potential.elements,
        "cutoff": float(potential.descriptor.cutoff),
        "potential": "fingerprints",
        **_descriptor(potential.descriptor),
        **_scaling(potential, numbers),
        **_model(potential.model, numbers),
        "energy.scale": float(scalers["target"].target_std),
        "energy.constants": [energies[element] for element in potential.elements],
    }


def _descriptor(descriptor: BaseDescriptor) -> dict[str, Any]:
    name = next((name for kernel, name in DESCRIPTORS.items() if kernel is descriptor.kernel), None)
    if name is None:
        raise ValueError(
            f"pair_style amptorch has {', '.join(DESCRIPTORS.values())}, got the descriptor "
            f"{descriptor.descriptor_type}"
        )
    for option in ("log", "prime_threshold"):
        if getattr(descriptor, option, False):
            raise ValueError(f"pair_style amptorch has no {option!r} of fp_params")
    parameters = descriptor.parameters
    own = {each.name: getattr(parameters, each.name) for each in fields(parameters)}
    return {"descriptor": name, **{f"descriptor.{key}": value for key, value in own.items()}}


def _scaling(potential: Potential, numbers: Tensor) -> dict[str, Any]:
    scaler = potential.scalers["feature"]
    factors, shifts = scaler.affine(numbers)
    low, high = scaler.limits(numbers, torch.float64)
    found = {"factors": factors, "shifts": shifts, "low": low, "high": high}
    return {f"scaling.{key}": value.double() for key, value in found.items()}


def _networks(model: AtomisticModel, numbers: Tensor) -> dict[str, Any]:
    shape = model.kernel_shape()
    if shape is None:
        raise ValueError(
            "pair_style amptorch has networks with one activation of "
            "amptorch.potentials.networks.activations.OF_KERNEL after every layer but the last, "
            f"got {model.perceptrons()[0].model_net}"
        )
    parameters = [part.flatten() for each in model.perceptrons() for part in each.parameters()]
    return {
        "model": "networks",
        "model.activation": shape.activation.name,
        "model.constants": torch.tensor(shape.activation.constants, dtype=torch.float64),
        "model.widths": list(shape.widths),
        "model.shares": model.shares(numbers).double(),
        "model.parameters": torch.cat(parameters).double(),
    }


def _polynomial(model: Linear, numbers: Tensor) -> dict[str, Any]:
    own = model.coefficients.detach().view(-1, model.n_terms)[model.elements_of(numbers)]
    return {
        "model": "quadratic" if model.quadratic else "linear",
        "model.n_features": model.arguments["n_features"],
        "model.coefficients": own.double(),
    }


MODELS: Mapping[type, Callable[[Any, Tensor], dict[str, Any]]] = {
    BPNN: _networks,
    SingleNN: _networks,
    Linear: _polynomial,
    Quadratic: _polynomial,
}
"""What writes the models that the plugin has: by class, from a model and the elements' numbers."""


def _model(model: object, numbers: Tensor) -> dict[str, Any]:
    writer = MODELS.get(type(model))
    if writer is None:
        known = ", ".join(kind.__name__ for kind in MODELS)
        raise ValueError(f"pair_style amptorch has {known}, got the model {type(model).__name__}")
    return writer(model, numbers)


def _is_file(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(TITLE)).startswith(TITLE.rpartition(" ")[0].encode())


def _refuse(path: Path, device: torch.device) -> Potential:
    raise ValueError(f"{path}: a file for LAMMPS: open the run or saved potential it was made of")


FORMAT = Format("a file for LAMMPS", _is_file, _refuse, key="lammps", write=write)
