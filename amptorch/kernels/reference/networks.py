"""Networks of all atoms and their gradient in plain torch: few operations, and none that waits.

The formulas are those of ``kernels/networks.py``. All networks see all atoms, [n_networks, n_atoms,
width], in one product of matrices a layer, whatever elements the atoms are of: how many of each
there are need not be known on the host, so a GPU is never waited for. An atom's shares count as
factors. Sums over atoms, in which matrices are long and narrow, are cut into parts of equal length
that run side by side; atoms without a share fill the last one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors
from torch.nn import functional

from .activations import CURVES, Constants, Curve

_PART = 256  # atoms


@dataclass
class Layer:
    """A linear layer of all networks, and what comes behind it.

    Attributes:
        weight: [n_networks, out, in].
        bias: [n_networks, 1, out].
        curve: the activation; None of the last layer.
        constants: of it.
    """

    weight: Tensor
    bias: Tensor
    curve: Curve | None
    constants: Constants


def layers_of(
    widths: Sequence[int],
    n_networks: int,
    curves: Sequence[tuple[str, Constants]],
    parameters: Sequence[Tensor],
) -> list[Layer]:
    """Layers of ``parameters``, which list of each network in turn the weights and biases.

    Args:
        widths: of the fingerprint, of the hidden layers, and 1.
        n_networks: their number.
        curves: name and constants of the activation of each hidden layer.
        parameters: [out, in] and [out] of each layer of each network.
    """
    each = 2 * (len(widths) - 1)
    ordered = [part for k in range(each) for part in parameters[k::each]]
    shapes: list[tuple[int, ...]] = []
    for n, m in itertools.pairwise(widths):
        shapes += [(n_networks, m, n), (n_networks, 1, m)]
    flat = _flatten_dense_tensors(ordered).split([math.prod(shape) for shape in shapes])
    parts = [part.view(shape) for part, shape in zip(flat, shapes, strict=True)]
    behind = [*((CURVES[name], constants) for name, constants in curves), (None, ())]
    return [
        Layer(weight, bias, *one)
        for weight, bias, one in zip(parts[::2], parts[1::2], behind, strict=True)
    ]


class Evaluation:
    """Energies and slopes of atoms, and then, if asked for, their gradient; no autograd.

    Args:
        layers: of the networks.
        fingerprints: [n_atoms, n_features].
        shares: [n_atoms, n_networks].
        with_slopes: give dE/dG.

    Attributes:
        energies: [n_atoms].
        slopes: dE/dG [n_atoms, n_features], empty without ``with_slopes``.
    """

    def __init__(
        self, layers: Sequence[Layer], fingerprints: Tensor, shares: Tensor, with_slopes: bool
    ) -> None:
        self._layers = layers
        self._n_atoms, self._n_networks = shares.shape
        self._part = min(_PART, self._n_atoms)
        self._shares = self._filled(shares.t().unsqueeze(2))
        self._run(self._filled(fingerprints))
        self.energies = (self._shares * self._outputs).sum(0)[: self._n_atoms, 0]
        self.slopes = fingerprints[:0]
        if with_slopes:
            self.slopes = self._pull().sum(0)[: self._n_atoms]

    def _filled(self, values: Tensor) -> Tensor:
        """Values for all networks, [n_networks, n_rows, width], with zeros behind the last atom."""
        each = values.expand(self._n_networks, -1, -1)
        return functional.pad(each, (0, 0, 0, -self._n_atoms % self._part)).contiguous()

    def _run(self, fingerprints: Tensor) -> None:
        """z and h of all layers."""
        # of each linear layer what goes in; of each hidden one the sum, and its slope
        self._inputs: list[Tensor] = [fingerprints]
        self._sums: list[Tensor] = []
        self._rises: list[Tensor] = []
        for layer in self._layers:
            sums = torch.baddbmm(layer.bias, self._inputs[-1], layer.weight.mT)
            if layer.curve is None:
                self._outputs = sums
                return
            values = layer.curve.value(sums, layer.constants)
            self._sums.append(sums)
            self._inputs.append(values)
            self._rises.append(layer.curve.slope(sums, values, layer.constants))

    def _pull(self) -> Tensor:
        """s_n dN_n/dG [n_networks, n_rows, n_features]; keeps s d and s a of all layers."""
        # of each linear layer s d; of each hidden one s a
        self._back: list[Tensor] = [self._shares]
        self._before: list[Tensor] = []
        for layer, rise in zip(reversed(self._layers[1:]), reversed(self._rises), strict=True):
            before = self._back[0] @ layer.weight
            self._before.insert(0, before)
            self._back.insert(0, rise * before)
        return self._back[0] @ self._layers[0].weight

    def gradient(
        self, energies: Tensor, slopes: Tensor | None, of_shares: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """dL/dparameters, in their order, and dL/dshares [n_atoms, n_networks], if asked for.

        Args:
            energies: dL/dE [n_atoms].
            slopes: dL/d(dE/dG) [n_atoms, n_features], where slopes were given; None: they do not
                matter.
            of_shares: give the latter.
        """
        of_energies = self._filled(energies.unsqueeze(1))
        pushed = None if slopes is None else self._push(self._filled(slopes))
        changes: list[Tensor] = []
        back = self._shares * of_energies  # dL/dz
        for k in range(len(self._layers) - 1, -1, -1):
            outer = [(back, self._inputs[k])]
            if pushed is not None:
                outer.append((self._back[k], pushed.inputs[k]))
            weights = self._summed(outer)
            changes = [weights, back.sum(1), *changes]
            if k > 0:
                back = self._rises[k - 1] * (back @ self._layers[k].weight)
                if pushed is not None:
                    back.addcmul_(pushed.curvatures[k - 1], self._before[k - 1])
        of_networks = zip(*(each.unbind(0) for each in changes), strict=True)
        ordered = [part for network in of_networks for part in network]
        if not of_shares:
            return ordered, None
        shares = of_energies * self._outputs
        if pushed is not None:
            shares = shares + pushed.outputs
        return ordered, shares[:, : self._n_atoms, 0].t()

    def _push(self, slopes: Tensor) -> _Pushed:
        """What changes along v: h' of all layers, and f'' z'."""
        inputs, curvatures = [slopes], []
        for k, layer in enumerate(self._layers):
            changes = inputs[-1] @ layer.weight.mT
            if layer.curve is None:
                break
            rise, values = self._rises[k], self._inputs[k + 1]
            bends = layer.curve.curvature(self._sums[k], values, rise, layer.constants)
            inputs.append(rise * changes)
            curvatures.append(bends * changes)
        return _Pushed(inputs, curvatures, changes)

    def _summed(self, outer: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """The sum of one (x) other over atoms and all pairs, [n_networks, out, in]."""
        cut = [[each.view(-1, self._part, each.shape[2]) for each in pair] for pair in outer]
        products = torch.bmm(cut[0][0].mT, cut[0][1])
        for one, other in cut[1:]:
            products = torch.baddbmm(products, one.mT, other)
        return products.view(self._n_networks, -1, *products.shape[1:]).sum(1)


@dataclass
class _Pushed:
    inputs: list[Tensor]
    curvatures: list[Tensor]
    outputs: Tensor
