"""A model's networks as the one of each element that n2p2 knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..model import MLP, AtomisticModel
from .layers import LETTERS, Layer

Array = NDArray[np.float64]


def element_networks(model: AtomisticModel, numbers: Iterable[int]) -> dict[int, list[Layer]]:
    """The layers that give an atom's scaled energy, by atomic number, of the same widths and
    activations for all.

    Where an atom's energy mixes several networks they stand side by side, and what share each has
    in the last layer.

    Raises:
        ValueError: an activation that n2p2 does not have.
    """
    parts = [_layers(network) for network in model.perceptrons()]
    shares = {number: _array(model.shares(torch.tensor([number]))[0]) for number in numbers}
    mixed = any(np.count_nonzero(each) > 1 for each in shares.values())
    found = {}
    for number, share in shares.items():
        used = range(len(parts)) if mixed else [int(np.argmax(share != 0))]
        layers = _side_by_side([parts[index] for index in used])
        _append(layers, Layer(share[None, list(used)], np.zeros(1)))
        if len(layers) == 1:
            layers.append(Layer(np.ones((1, 1)), np.zeros(1)))  # n2p2 has a hidden layer at least
        found[number] = layers
    return found


def of_columns(layer: Layer, columns: Sequence[int], constants: Array) -> Layer:
    """A first layer of some inputs in another order; the others are constants."""
    rest = np.setdiff1d(np.arange(len(constants)), columns)
    bias = layer.bias + layer.weight[:, rest] @ constants[rest]
    return Layer(layer.weight[:, list(columns)], bias, layer.letter)


def scaled(layers: Sequence[Layer], factor: float) -> list[Layer]:
    """The layers whose output, a linear layer's, is times a factor."""
    *rest, last = layers
    return [*rest, Layer(factor * last.weight, factor * last.bias, last.letter)]


def _layers(network: MLP) -> list[Layer]:
    """Linear layers with all that stands between them, as evaluated."""
    layers: list[Layer] = []
    for module in network.model_net:
        if isinstance(module, nn.Linear):
            layers.append(Layer(_array(module.weight), _array(module.bias)))
        elif isinstance(module, nn.BatchNorm1d):
            layers[-1] = _normalized(layers[-1], module)
        elif not isinstance(module, nn.Dropout):
            layers[-1].letter = _letter(module)
    return layers


def _letter(activation: nn.Module) -> str:
    for letter, kind in LETTERS.items():
        if type(activation) is kind:
            return letter
    known = ", ".join(kind.__name__ for kind in LETTERS.values())
    raise ValueError(f"activation {type(activation).__name__} cannot be exported: n2p2 has {known}")


def _normalized(layer: Layer, batch: nn.BatchNorm1d) -> Layer:
    """A layer with the batch normalization that follows it."""
    assert batch.running_mean is not None
    assert batch.running_var is not None
    factor = _array(batch.weight / (batch.running_var + batch.eps).sqrt())
    bias = factor * (layer.bias - _array(batch.running_mean)) + _array(batch.bias)
    return Layer(factor[:, None] * layer.weight, bias)


def _side_by_side(networks: Sequence[Sequence[Layer]]) -> list[Layer]:
    """Networks of the same inputs as one with all their outputs."""
    from scipy.linalg import block_diag  # here: all commands import this module

    joined = []
    for index, same in enumerate(zip(*networks, strict=True)):
        weights = [layer.weight for layer in same]
        weight = block_diag(*weights) if index else np.concatenate(weights)
        joined.append(Layer(weight, np.concatenate([layer.bias for layer in same]), same[0].letter))
    return joined


def _append(layers: list[Layer], last: Layer) -> None:
    """Add a layer, or merge it with the one before that is linear."""
    before = layers[-1]
    if before.letter != "l":
        layers.append(last)
        return
    layers[-1] = Layer(last.weight @ before.weight, last.weight @ before.bias + last.bias)


def _array(values: Tensor) -> Array:
    return values.detach().cpu().double().numpy()
