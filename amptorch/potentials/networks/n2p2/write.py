"""From a potential to a folder of n2p2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray

from ....data.units import Units
from ....descriptor.Gaussian import Gaussian
from ....files.whole import write_whole
from ....preprocessing.scaling import energies_of_elements
from ....preprocessing.utils import FeatureScaler
from ...potential import Potential
from ..model import AtomisticModel
from . import layers, scaling
from .functions import Function
from .networks import element_networks, of_columns, scaled
from .settings import NAME

Array = NDArray[np.float64]

# Where no range of training data is known: nothing lies outside.
_ANYWHERE = 1e30


def write_folder(
    potential: Potential, folder: Path, units: Units, frame_size: int | None = None
) -> None:
    """Write a potential as n2p2 reads it.

    The element mask, the scaling of the target and functions that an element does not have go into
    the weights: energies and forces are the potential's, but for rounding.

    Args:
        potential: networks on symmetry functions.
        folder: made where it is not there.
        units: of the files.
        frame_size: number of atoms, where a mean of frames is taken off energies: it is shared
            among the atoms of a frame, which is right for frames of this size alone.

    Raises:
        ValueError: n2p2 has no equal: another descriptor, cutoff function or activation,
            element-weighted G5, or a mean without ``frame_size``.
    """
    descriptor = potential.descriptor
    if type(descriptor) is not Gaussian:
        raise ValueError(
            f"n2p2 has symmetry functions, expected a potential of them, got "
            f"{descriptor.descriptor_type}"
        )
    elements = sorted(descriptor.elements, key=atomic_numbers.__getitem__)
    scaler, unit = potential.scalers["feature"], float(potential.scalers["target"].target_std)
    networks = element_networks(
        cast("AtomisticModel", potential.model), map(atomic_numbers.__getitem__, elements)
    )
    functions, statistics = {}, {}
    for index, (element, (number, network)) in enumerate(
        zip(elements, networks.items(), strict=True), start=1
    ):
        functions[element], columns = _sorted(descriptor, element, units)
        factor, shift = (each[0].double().numpy() for each in scaler.affine(torch.tensor([number])))
        statistics[index] = _statistics(scaler, number, (factor, shift), columns)
        network[0] = of_columns(network[0], columns, shift)
        networks[number] = scaled(network, unit / units.energy)
    energies = energies_of_elements(potential.scalers, elements, "n2p2", frame_size)
    texts = {
        NAME: _settings(descriptor, functions, networks, energies, units),
        scaling.NAME: scaling.text_of(statistics),
        **{layers.name_of(number): layers.text_of(each) for number, each in networks.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, text.encode)


def _sorted(descriptor: Gaussian, element: str, units: Units) -> tuple[list[Function], list[int]]:
    """The functions of an element in n2p2's order, and their columns."""
    rows = descriptor.descriptor_setup[element]
    if not len(rows):
        raise ValueError(f"{element} has no symmetry function, and n2p2 needs one")
    functions = [Function.of_row(row, units) for row in rows]
    columns = sorted(range(len(functions)), key=functions.__getitem__)
    return [functions[column] for column in columns], columns


def _statistics(
    scaler: FeatureScaler, number: int, affine: tuple[Array, Array], columns: Sequence[int]
) -> Array:
    """Rows of ``scaling.data`` that scale as G' = factor G + shift by keyword ``..._sigma``."""
    factor, shift = (each[list(columns)] for each in affine)
    ranges = getattr(scaler, "ranges", {}).get(number if scaler.elementwise else 0)
    if ranges is None:
        low, high = np.full_like(factor, -_ANYWHERE), np.full_like(factor, _ANYWHERE)
    else:
        low, high = (each.double().numpy()[list(columns)] for each in ranges)
    return np.stack([low, high, -shift / factor, 1.0 / factor], axis=1)


def _settings(
    descriptor: Gaussian,
    functions: Mapping[str, Sequence[Function]],
    networks: Mapping[int, Sequence[layers.Layer]],
    energies: Mapping[str, float],
    units: Units,
) -> str:
    """``input.nn``."""
    network = next(iter(networks.values()))
    widths = [str(len(layer.bias)) for layer in network]
    lines: list[Sequence[Any]] = [
        ("# written by amptorch",),
        ("number_of_elements", len(functions)),
        ("elements", *functions),
        ("cutoff_type", *_cutoff_type(descriptor)),
        ("scale_symmetry_functions_sigma",),
        ("scale_min_short", 0.0),
        ("scale_max_short", 1.0),
        ("global_hidden_layers_short", len(network) - 1),
        ("global_nodes_short", *widths[:-1]),
        ("global_activation_short", *(layer.letter for layer in network)),
        *(("atom_energy", name, repr(each / units.energy)) for name, each in energies.items()),
    ]
    for element, each in functions.items():
        lines += [("symfunction_short", *function.words(element)) for function in each]
    return "".join(f"{' '.join(map(str, line))}\n" for line in lines)


def _cutoff_type(descriptor: Gaussian) -> tuple[int] | tuple[int, float]:
    function = descriptor.cutoff_function
    if function.gamma == 2:
        return (5,)  # the same polynomial
    if function.gamma:
        raise ValueError(
            "the polynomial cutoff function can be exported with gamma 2 only, got "
            f"{function.gamma:g}: n2p2 has no other of its form"
        )
    number, alpha = function.cutoff_type, function.alpha
    return (number, alpha) if alpha else (number,)
