"""``weights.ZZZ.data`` and the layers of a network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..activations import Cosine, Exponential, Gaussian, ReversedSigmoid, Square

Array = NDArray[np.float64]

LETTERS: dict[str, type[nn.Module]] = {
    "l": nn.Identity,
    "t": nn.Tanh,
    "s": nn.Sigmoid,
    "p": nn.Softplus,
    "r": nn.ReLU,
    "g": Gaussian,
    "c": Cosine,
    "S": ReversedSigmoid,
    "e": Exponential,
    "h": Square,
}
"""Activations by n2p2's letter."""


@dataclass
class Layer:
    """f(W x + b).

    Attributes:
        weight: [n_out, n_in].
        bias: [n_out].
        letter: of f.
    """

    weight: Array
    bias: Array
    letter: str = "l"


def name_of(number: int) -> str:
    """The file of an element."""
    return f"weights.{number:03d}.data"


def read_layers(path: Path, widths: Sequence[int], letters: Sequence[str]) -> list[Layer]:
    """The layers of a file.

    Args:
        path: of the file.
        widths: of the input, and of all layers.
        letters: activations of all layers.

    Raises:
        ValueError: a line that is no number, or more or fewer than the widths ask for.
    """
    values = np.array(list(_first_numbers(path)))
    pairs = list(itertools.pairwise(widths))
    expected = sum((n + 1) * m for n, m in pairs)
    if len(values) != expected:
        raise ValueError(
            f"{path}: expected {expected} weights and biases of layers of widths {list(widths)}, "
            f"got {len(values)}"
        )
    layers, at = [], 0
    for (n, m), letter in zip(pairs, letters, strict=True):
        weight = values[at : at + n * m].reshape(n, m).T
        layers.append(Layer(weight, values[at + n * m : at + (n + 1) * m], letter))
        at += (n + 1) * m
    return layers


def _first_numbers(path: Path) -> Iterator[float]:
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = text.split("#")[0].split()
        if not words:
            continue
        try:
            yield float(words[0])
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: expected a number, got {words[0]!r}"
            ) from error


def text_of(layers: Sequence[Layer]) -> str:
    """The file of a network: after each number what it connects."""
    lines = [
        "# weight a index, layer and neuron from, layer and neuron to; bias b index, layer, neuron"
    ]
    index = 0
    for number, layer in enumerate(layers, start=1):
        for (j, k), value in np.ndenumerate(layer.weight.T):
            index += 1
            lines.append(
                f"{value:24.16E} a {index:9d} {number - 1:5d} {j + 1:5d} {number:5d} {k + 1:5d}"
            )
        for k, value in enumerate(layer.bias, start=1):
            index += 1
            lines.append(f"{value:24.16E} b {index:9d} {number:5d} {k:5d}")
    return "\n".join(lines) + "\n"
