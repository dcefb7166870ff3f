"""From a folder of n2p2 to a potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray

from ....data.units import Units
from ....descriptor.Gaussian import Gaussian, GaussianDescriptorSet
from ....descriptor.Gaussian.cutoff_params import TYPES, CutoffFunction
from ....descriptor.Gaussian.tables import table_of
from ....preprocessing.utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler
from ...potential import Potential
from ..model import BPNN, Activation
from . import scaling
from .functions import Function, columns_of, read_function
from .layers import LETTERS, Layer, name_of, read_layers
from .settings import NAME, Line, Settings

Array = NDArray[np.float64]


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of n2p2."""
    return path.is_dir() and (path / NAME).is_file()


def read_folder(folder: Path, device: torch.device, units: Units) -> Potential:
    """The potential of a folder, in float64.

    Args:
        folder: with ``input.nn``, ``scaling.data`` and a ``weights.ZZZ.data`` for each element.
        device: where its model is to be.
        units: of the files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a line that cannot be read, or that asks for what is not supported.
    """
    settings = Settings(folder / NAME)
    functions = _functions(settings)
    elements = list(functions)
    _check_files(folder, elements)
    descriptor = _descriptor(settings, functions, units)
    columns = {
        element: columns_of(functions[element], descriptor.descriptor_setup[element], units)
        for element in elements
    }
    statistics = scaling.read_statistics(
        folder / scaling.NAME, [len(functions[element]) for element in elements]
    )
    target = TargetScaler.of(0.0, units.energy / settings.number("conv_energy", 1.0))
    return Potential(
        _model(settings, folder, columns).to(device),
        descriptor,
        {
            "baseline": AtomicCorrectionScaler.from_state(
                {"energies": _energies(settings, elements, units)}
            ),
            "target": target,
            "feature": _feature_scaler(settings, columns, statistics),
        },
    )


def _check_files(folder: Path, elements: Sequence[str]) -> None:
    for name in (scaling.NAME, *(name_of(atomic_numbers[element]) for element in elements)):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder}: no {name}, which a folder of n2p2 needs")


def _functions(settings: Settings) -> dict[str, list[Function]]:
    """The functions of each element, elements and functions in n2p2's order."""
    elements = _elements(settings)
    found: dict[str, dict[Function, Line]] = {element: {} for element in elements}
    for line in settings.several("symfunction_short"):
        center, function = read_function(line, elements)
        if function in found[center]:
            raise ValueError(f"{line.where}: the same function as {found[center][function].where}")
        found[center][function] = line
    for element, functions in found.items():
        if not functions:
            raise ValueError(f"{settings.path}: no symmetry function for {element}")
    return {element: sorted(functions) for element, functions in found.items()}


def _elements(settings: Settings) -> list[str]:
    line = settings.line("elements")
    unknown = [symbol for symbol in line.words if not atomic_numbers.get(symbol)]
    if unknown or len(set(line.words)) < len(line.words):
        raise ValueError(f"{line.where}: expected distinct elements, got {' '.join(line.words)}")
    count = settings.line("number_of_elements")
    if count.integer(0) != len(line.words):
        raise ValueError(
            f"{count.where}: expected {len(line.words)}, the number of elements, got "
            f"{count.word(0)}"
        )
    return sorted(line.words, key=atomic_numbers.__getitem__)


def _descriptor(
    settings: Settings, functions: Mapping[str, Sequence[Function]], units: Units
) -> Gaussian:
    line = settings.line("cutoff_type")
    number = line.integer(0)
    alpha = line.number(1) if len(line.words) > 1 else 0.0
    if not (0 <= number < len(TYPES) and 0 <= alpha < 1):
        raise ValueError(
            f"{line.where}: expected a type from 0 to {len(TYPES) - 1} and alpha in [0, 1), got "
            f"{' '.join(line.words)}"
        )
    tables = {
        element: table_of(function.row(units) for function in rows)
        for element, rows in functions.items()
    }
    cutoff_params = CutoffFunction.of_type(number, alpha).cutoff_params
    return Gaussian(GaussianDescriptorSet.from_tables(tables, cutoff_params), list(functions))


def _energies(settings: Settings, elements: Sequence[str], units: Units) -> dict[int, float]:
    """Of an atom of each element, eV."""
    mean = settings.number("mean_energy", 0.0)
    energies = {atomic_numbers[element]: mean for element in elements}
    for line in settings.several("atom_energy"):
        number = atomic_numbers.get(line.word(0))
        if number not in energies:
            raise ValueError(f"{line.where}: {line.word(0)!r} is not one of {', '.join(elements)}")
        energies[number] += line.number(1)
    return {number: energy * units.energy for number, energy in energies.items()}


def _feature_scaler(
    settings: Settings, columns: Mapping[str, Sequence[int]], statistics: Sequence[Array]
) -> FeatureScaler:
    """Columns that an element has no function for are neither scaled nor looked at."""
    width = max(map(len, columns.values()))
    scales, ranges = {}, {}
    for (element, places), known in zip(columns.items(), statistics, strict=True):
        number = atomic_numbers[element]
        factor, shift = scaling.affine_of(settings, known, element)
        scales[number] = _spread(factor, places, width, 1.0), _spread(shift, places, width, 0.0)
        low, high = (_spread(known[:, k], places, width, 0.0) for k in (0, 1))
        ranges[number] = low, high
    return FeatureScaler.of_affine(scales, ranges)


def _spread(values: Array, places: Sequence[int], width: int, filling: float) -> torch.Tensor:
    spread = torch.full((width,), filling, dtype=torch.float64)
    spread[list(places)] = torch.from_numpy(values)
    return spread


@dataclass(frozen=True)
class _Topology:
    """What the networks of all elements share: widths and activations of all layers."""

    widths: list[int]
    letters: list[str]

    @classmethod
    def of(cls, settings: Settings) -> _Topology:
        hidden = settings.line("global_hidden_layers_short").integer(0)
        nodes = settings.line("global_nodes_short") if hidden else None
        widths = [nodes.integer(k) for k in range(hidden)] if nodes is not None else []
        line = settings.line("global_activation_short")
        letters = [line.word(k) for k in range(hidden + 1)]
        for letter in letters:
            if letter not in LETTERS:
                raise ValueError(
                    f"{line.where}: expected activations of {' '.join(LETTERS)}, got {letter!r}"
                )
        return cls([*widths, 1], letters)

    @property
    def activation(self) -> Activation:
        """A class for all hidden layers where that is all there is to say, else one a layer."""
        kinds = [LETTERS[letter] for letter in self.letters]
        plain = len({*kinds[:-1]}) == 1 and self.letters[-1] == "l"
        return kinds[0] if plain else kinds


def _model(settings: Settings, folder: Path, columns: Mapping[str, Sequence[int]]) -> BPNN:
    topology = _Topology.of(settings)
    width = max(map(len, columns.values()))
    hidden = topology.widths[:-1]
    with torch.random.fork_rng(devices=[]):
        model = BPNN(
            list(columns),
            width,
            hidden_layers=hidden,
            num_layers=len(hidden),
            activation=topology.activation,
            element_mask="fixed",
        )
    for perceptron, (element, places) in zip(model.perceptrons(), columns.items(), strict=True):
        path = folder / name_of(atomic_numbers[element])
        layers = read_layers(path, [len(places), *topology.widths], topology.letters)
        if settings.has("normalize_nodes"):
            layers = [_divided(layer) for layer in layers]
        first = np.zeros((layers[0].weight.shape[0], width))
        first[:, list(places)] = layers[0].weight
        layers[0] = Layer(first, layers[0].bias)
        perceptron.set_linear([(layer.weight, layer.bias) for layer in layers])
    return model.eval()


def _divided(layer: Layer) -> Layer:
    """The layer whose sums are not divided by the number of inputs."""
    n_inputs = layer.weight.shape[1]
    return Layer(layer.weight / n_inputs, layer.bias / n_inputs, layer.letter)
