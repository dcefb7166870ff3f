"""A trained potential as GPUMD has it: without scaling and energies of elements beside it."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor

from ...data.baseline import Baseline
from ...descriptor.nep import NepDensity
from ...preprocessing import baselines
from ..potential import Potential
from .model import Nep
from .parameters import Network
from .zbl import NepZbl

SATURATED = math.tanh(1.0)


def plain(potential: Potential) -> tuple[Nep, NepZbl | None]:
    """A copy of the model in float64 and eV, and the repulsion beside it.

    Energies of elements that differ, which a file of version 4 has no place for, become a neuron
    whose inputs have no weight.

    Raises:
        ValueError: scaled features, a mean of the energies of frames, or another baseline.
    """
    scalers = potential.scalers
    _check_features(potential)
    target = scalers["target"]
    if abs(float(target.target_mean)) > 0:
        raise ValueError(
            f"nep.txt: holds no mean of the energies of frames, {float(target.target_mean):g} eV: "
            'train with "baseline": "linear"'
        )
    model = copy.deepcopy(potential.model).to("cpu", torch.float64)
    assert isinstance(model, Nep)
    _rescale(model, float(target.target_std))
    if "baseline" in scalers:
        model = _with_energies(model, scalers["baseline"].of_atoms(_numbers(potential)))
    return model, _repulsion(scalers.get("fixed"), potential)


def _numbers(potential: Potential) -> Tensor:
    return torch.from_numpy(potential.descriptor.element_indices)


def _check_features(potential: Potential) -> None:
    factors, shifts = potential.scalers["feature"].affine(_numbers(potential))
    if (factors != 1).any() or shifts.any():
        raise ValueError('nep.txt: holds no scaling of features: train with "scaling": "none"')


def _repulsion(fixed: Baseline | None, potential: Potential) -> NepZbl | None:
    if isinstance(fixed, NepZbl):
        descriptor = potential.descriptor
        assert isinstance(descriptor, NepDensity)
        angular = [each for _, each in descriptor.cutoffs]
        return fixed.of_elements(descriptor.elements, angular)
    if fixed is None:
        return None
    names = [each.name for each in baselines.parts_of(fixed)]
    raise ValueError(f"nep.txt: holds no baseline {names}, only nep_zbl")


def _rescale(model: Nep, deviation: float) -> None:
    with torch.no_grad():
        model.constant.mul_(deviation)
        for network in model.of_elements():
            network.last.mul_(deviation)
            if network.constant is not None:
                network.constant.mul_(deviation)


def _with_energies(model: Nep, energies: list[float]) -> Nep:
    """The model with energies of elements in it."""
    rest = [each - energies[0] for each in energies]
    with torch.no_grad():
        model.constant.sub_(energies[0])
        if not any(rest):
            return model
        if model.shape.version == 5:
            for network, energy in zip(model.of_elements(), rest, strict=True):
                assert network.constant is not None
                network.constant.sub_(energy)
            return model
    return with_neurons(model, rest)


def with_neurons(model: Nep, energies: list[float]) -> Nep:
    """With one more neuron in each network, that is always tanh(1)."""
    if model.shape.version == 3:
        raise ValueError(
            "nep.txt: version 3 has one network and so no energies of elements: train with version "
            '4, or without "baseline": "linear"'
        )
    *before, last = model.shape.neurons
    shape = replace(model.shape, neurons=(*before, last + 1))
    wider = Nep(shape, model.get_forces, model.get_stress, model.dtype)
    wider.q_scaler.copy_(model.q_scaler)
    wider.most_neighbors.copy_(model.most_neighbors)
    with torch.no_grad():
        for name in ("constant", "radial", "angular"):
            getattr(wider, name).copy_(getattr(model, name))
        for to, network, energy in zip(
            wider.of_elements(), model.of_elements(), energies, strict=True
        ):
            _copy(network, to)
            to.biases[-1][-1] = -1.0
            to.last[-1] = energy / SATURATED
    return wider


def _copy(network: Network, to: Network) -> None:
    """Of a network with fewer neurons in the last layer."""
    for part, whole in zip(network.in_order(), to.in_order(), strict=True):
        whole[tuple(slice(size) for size in part.shape)] = part
