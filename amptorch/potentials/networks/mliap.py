"""Networks on bispectrum components in the files of LAMMPS' ``pair_style mliap``, model "nn"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray

from .. import mliap_files, snap_parameters
from ..lammps_commands import constants_and_zbl
from ..potential import Potential
from .model import AtomisticModel
from .n2p2.layers import Layer
from .n2p2.networks import element_networks, scaled

ACTIVATIONS = {"l": "linear", "t": "tanh", "s": "sigmoid", "r": "relu"}
"""LAMMPS' names by the letters of :data:`amptorch.potentials.networks.n2p2.layers.LETTERS`."""


def write_mliap(potential: Potential, path: Path, frame_size: int | None = None) -> None:
    """Write ``X.mliap.model``, ``X.mliap.descriptor`` and ``X.mliap``, which runs them.

    Scaling of targets and constants go into the last layer: energies and forces are the
    potential's, but for rounding.

    Args:
        potential: networks on bispectrum components.
        path: X.
        frame_size: number of atoms, where a mean of frames is taken off energies: it is shared
            among the atoms of a frame, which is right for frames of this size alone.

    Raises:
        ValueError: LAMMPS has no equal: another descriptor, activation or baseline, or a mean
            without ``frame_size``.
    """
    descriptor = snap_parameters.snap_of(potential.descriptor, "mliap")
    elements, scalers = descriptor.elements, potential.scalers
    energies, zbl = constants_and_zbl(scalers, elements, frame_size)
    unit = float(scalers["target"].target_std)
    numbers = [atomic_numbers[element] for element in elements]
    networks = element_networks(cast("AtomisticModel", potential.model), numbers)
    blocks = []
    for element, number in zip(elements, numbers, strict=True):
        factor, shift = (
            each[0].double().numpy() for each in scalers["feature"].affine(torch.tensor([number]))
        )
        *rest, last = scaled(networks[number], unit)
        last = Layer(last.weight, last.bias + energies[element], last.letter)
        blocks.append(_text([-shift / factor, 1.0 / factor, *_parameters([*rest, last])]))
    layers = networks[numbers[0]]
    n_parameters = sum(each.weight.size + each.bias.size for each in layers)
    head = f"{len(elements)} {n_parameters}\n{_net(layers)}\n"
    mliap_files.write(path, "nn", head + "".join(blocks), descriptor, zbl)


def _net(layers: Sequence[Layer]) -> str:
    """The shape of the networks."""
    for letter in (each.letter for each in layers):
        if letter not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS.values())
            raise ValueError(f"mliap has the activations {known}, got that of letter {letter!r}")
    shape = [f"{ACTIVATIONS[each.letter]} {len(each.bias)}" for each in layers]
    return f"NET {layers[0].weight.shape[1]} {len(layers)} {' '.join(shape)}"


def _parameters(layers: Iterable[Layer]) -> list[NDArray[np.float64]]:
    """Bias, then weights, node by node."""
    return [np.column_stack([each.bias, each.weight]).ravel() for each in layers]


def _text(arrays: Iterable[NDArray[np.float64]]) -> str:
    """Each from a new line, few numbers a line: LAMMPS reads no more than 1023 characters."""
    return "".join(
        f"{' '.join(map(repr, array[start : start + 8].tolist()))}\n"
        for array in arrays
        for start in range(0, len(array), 8)
    )
