"""From a potential to the file of ``pair_style amptorch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels import bispectrum, gmp, symmetry_functions
from ..kernels.networks import of_layers
from ..potentials.ace.linear import LinearAce
from ..potentials.ace.model import Ace
from ..potentials.lammps_commands import constants_and_zbl, only_one
from ..potentials.linear.model import Linear, Quadratic
from ..potentials.nep.model import Nep
from ..potentials.nep.zbl import NepZbl
from ..potentials.networks.model import BPNN, AtomisticModel, SingleNN
from ..potentials.potential import Potential
from ..potentials.registry import Format
from . import ace
from .file import TITLE, Entries, write_entries

# Baselines that the plugin has itself.
OWN = (NepZbl,)
# What the plugin calls the kernels that it has.
DESCRIPTORS = {symmetry_functions: "symmetry_functions", gmp: "gmp", bispectrum: "bispectrum"}


def write(potential: Potential, path: Path, frame_size: int | None = None) -> None:
    """Write a potential as ``pair_style amptorch`` reads it, in Å and eV.

    Args:
        potential: of symmetry functions, multipoles or bispectrum components, with networks or a
            linear or quadratic model; or of NEP or ACE.
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
    writer = WRITERS.get(type(potential.model))
    if writer is None:
        known = ", ".join(kind.__name__ for kind in WRITERS)
        kind = type(potential.model).__name__
        raise ValueError(f"pair_style amptorch has {known}, got the model {kind}")
    elements = potential.elements
    energies, zbl = constants_and_zbl(potential.scalers, elements, frame_size, OWN)
    return {
        "units": "metal",
        "elements": elements,
        "cutoff": float(potential.descriptor.cutoff),
        # What LAMMPS' own style adds by hybrid/overlay; the plugin sees that it is there.
        "zbl": [] if zbl is None else [zbl.inner, zbl.outer],
        "nep_zbl": _nep_zbl(potential),
        "energy.scale": float(potential.scalers["target"].target_std),
        "energy.constants": [energies[element] for element in elements],
        **writer(potential, torch.from_numpy(potential.descriptor.element_indices)),
    }


def _nep_zbl(potential: Potential) -> Tensor:
    """[n_elements, n_elements, 13], or empty."""
    zbl = only_one(potential.scalers, NepZbl)
    if zbl is None:
        return torch.empty(0)
    table = zbl.table_of(potential.elements)
    reach = float(table[..., 1].max())
    if reach > potential.descriptor.cutoff:
        raise ValueError(
            f"pair_style amptorch has a baseline 'nep_zbl' within the cutoff of the descriptor, "
            f"{potential.descriptor.cutoff} Å, got one of {reach} Å"
        )
    return table


def _of_fingerprints(potential: Potential, numbers: Tensor) -> dict[str, Any]:
    return {
        "potential": "fingerprints",
        **_descriptor(potential.descriptor),
        **_scaling(potential, numbers),
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


def _networks(potential: Potential, numbers: Tensor) -> dict[str, Any]:
    model = cast("AtomisticModel", potential.model)
    activations = model.activations_of_kernel()
    perceptrons = model.perceptrons()
    if activations is None:
        raise ValueError(
            "pair_style amptorch has networks of linear layers and activations of "
            "amptorch.potentials.networks.activations.OF_KERNEL, the same in all networks, got "
            f"{perceptrons[0].model_net}"
        )
    parameters = [[part.flatten() for part in each.parameters()] for each in perceptrons]
    widths = list(perceptrons[0].widths)
    if len(activations) == len(widths) - 1:  # behind the last one, which becomes a hidden layer
        widths.append(1)
        parameters = [[*each, *torch.tensor([[1.0], [0.0]]).to(each[0])] for each in parameters]
    activation = of_layers(activations)
    return {
        **_of_fingerprints(potential, numbers),
        "model": "networks",
        "model.activation": activation.name,
        "model.constants": torch.tensor(activation.constants, dtype=torch.float64),
        "model.widths": widths,
        "model.shares": model.shares(numbers).double(),
        "model.parameters": torch.cat([part for each in parameters for part in each]).double(),
    }


def _polynomial(potential: Potential, numbers: Tensor) -> dict[str, Any]:
    model = cast("Linear", potential.model)
    own = model.coefficients.detach().view(-1, model.n_terms)[model.elements_of(numbers)]
    return {
        **_of_fingerprints(potential, numbers),
        "model": "quadratic" if model.quadratic else "linear",
        "model.n_features": model.arguments["n_features"],
        "model.coefficients": own.double(),
    }


def _check_not_scaled(potential: Potential, numbers: Tensor, family: str) -> None:
    factors, shifts = potential.scalers["feature"].affine(numbers)
    if bool((factors != 1).any() or shifts.any()):
        raise ValueError(
            f"pair_style amptorch has {family} with fingerprints as they are, got scaled ones"
        )


def _ace(potential: Potential, numbers: Tensor) -> dict[str, Any]:
    _check_not_scaled(potential, numbers, "ACE")
    return ace.entries(potential)


def _nep(potential: Potential, numbers: Tensor) -> dict[str, Any]:
    _check_not_scaled(potential, numbers, "NEP")
    found = cast("Nep", potential.model).of_pass(potential.descriptor)
    places, terms = zip(*found.invariants, strict=True) if found.invariants else ((), ())
    sizes = torch.tensor([len(each) for each in terms], dtype=torch.int64)
    return {
        "potential": "nep",
        "nep.parameters": found.parameters.double(),
        "nep.scales": found.scales.double(),
        "nep.cutoffs": found.cutoffs,
        "nep.n_networks": found.n_networks,
        "nep.n_max": list(found.n_max),
        "nep.basis_size": list(found.basis_size),
        "nep.l_max": found.l_max,
        "nep.neurons": list(found.neurons),
        "nep.own_constants": found.own_constants,
        "nep.places": torch.cat([torch.empty(0, 3, dtype=torch.int64), *places]),
        "nep.factors": torch.cat([torch.empty(0, dtype=torch.float64), *terms]).double(),
        "nep.ends": sizes.cumsum(0),
    }


WRITERS: Mapping[type, Callable[[Potential, Tensor], dict[str, Any]]] = {
    BPNN: _networks,
    SingleNN: _networks,
    Linear: _polynomial,
    Quadratic: _polynomial,
    Nep: _nep,
    Ace: _ace,
    LinearAce: _ace,
}
"""What writes potentials with the models that the plugin has: by class, from a potential and the
atomic numbers of its elements. The C++ that reads it is a line of plugin/potential.cpp."""


def _is_file(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(TITLE)).startswith(TITLE.rpartition(" ")[0].encode())


def _refuse(path: Path, device: torch.device) -> Potential:
    raise ValueError(f"{path}: a file for LAMMPS: open the run or saved potential it was made of")


FORMAT = Format("a file for LAMMPS", _is_file, _refuse, key="lammps", write=write)
