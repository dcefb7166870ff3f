"""Energies of atoms from perceptrons of their fingerprints, and dE/dG, in one pass.

Each of the networks n is z_k = W_k h_{k-1} + b_k, h_k = f(z_k), h_0 = G, its last layer N = z_K a
number, with an activation f. An atom's energy takes a share of every network:

    E = sum_n s_n N_n(G),    dE/dG = sum_n s_n W_1^T d_1
    d_k = dN/dz_k = f'(z_k) a_k,    a_k = dN/dh_k = W_{k+1}^T d_{k+1}

The gradient of a loss L(E, dE/dG) is written out too. With e = dL/dE, v = dL/d(dE/dG), and the
changes along v, h'_0 = v, z'_k = W_k h'_{k-1}, h'_k = f'(z_k) z'_k:

    dL/ds_n = e N_n + N'_n
    dL/dz_k = f'(z_k) W_{k+1}^T dL/dz_{k+1} + f''(z_k) z'_k s_n a_k,    dL/dN_n = s_n e
    dL/dW_k = s_n d_k h'_{k-1}^T + dL/dz_k h_{k-1}^T,    dL/db_k = dL/dz_k

summed over atoms. All networks see all atoms where shares are trained (``ElementMask`` of the
model); where each atom has one network alone, the others are left out. C++ works on tiles of atoms
that stay in the first cache; the activations are those of cpu/networks_activations.h.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .. import _native
from .capability import in_cpp
from .reference import networks as reference
from .registration import Context

_TILE = 32  # atoms, as in cpu/networks.h


def compiled(fingerprints: Tensor) -> bool:
    """Whether there is a kernel for the device and precision."""
    return in_cpp(fingerprints)


@cache
def activations() -> dict[str, int]:
    """The activations of the kernel, in its order: how many numbers of a node each keeps for the
    gradient."""
    return dict(_native.networks_activations())


@dataclass(frozen=True)
class Activation:
    """An activation of the kernel.

    Attributes:
        name: one of :func:`activations`.
        constants: beta and threshold of "softplus"; of "mixed" see :func:`of_layers`; none of the
            others.
    """

    name: str = "tanh"
    constants: tuple[float, ...] = ()


def of_layers(layers: Sequence[Activation]) -> Activation:
    """What stands for those of the hidden layers: the only one, or "mixed", with a place among
    :func:`activations` and two constants for each layer."""
    if len(set(layers)) == 1:
        return layers[0]
    places = list(activations())
    rows = [(places.index(each.name), *(*each.constants, 0.0, 0.0)[:2]) for each in layers]
    return Activation("mixed", tuple(itertools.chain(*rows)))


@cache
def constants(activation: Activation, dtype: torch.dtype) -> Tensor:
    """Those of an activation, as the kernel takes them."""
    return torch.tensor(activation.constants, dtype=dtype)


@dataclass
class Shape:
    """What all networks share.

    Attributes:
        widths: of the fingerprint, of the hidden layers (one at least), and 1.
        n_networks: their number.
        activation: after each layer but the last; of several :func:`of_layers`.
        one_network: an atom's shares are all 0 but for one network at most, and constants.

    Raises:
        ValueError: there is no kernel for such networks.
    """

    widths: Sequence[int]
    n_networks: int
    activation: Activation = Activation()
    one_network: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) < 3 or self.widths[-1] != 1:
            raise ValueError(
                f"widths: expected at least 3, the last one 1, got {list(self.widths)}"
            )
        if self.activation.name not in activations():
            raise ValueError(
                f"activation: expected one of {sorted(activations())}, got {self.activation.name!r}"
            )
        self.sizes = torch.tensor(self.widths)

    @property
    def activations(self) -> list[Activation]:
        """That of each hidden layer, see :func:`of_layers`."""
        if self.activation.name != "mixed":
            return [self.activation] * (len(self.widths) - 2)
        names, numbers = list(activations()), self.activation.constants
        rows = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        return [Activation(names[int(place)], (one, two)) for place, one, two in rows]

    @cached_property
    def parameters(self) -> list[tuple[int, ...]]:
        """Shapes of the parameters of all networks: of each layer the weights, the biases."""
        shapes: list[tuple[int, ...]] = []
        for n, m in itertools.pairwise(self.widths):
            shapes += [(m, n), (m,)]
        return shapes * self.n_networks

    def results(self, n_atoms: int, with_slopes: bool, keep: bool) -> list[tuple[int, ...]]:
        """Shapes of energies, dE/dG, outputs of networks, and what the gradient needs."""
        tiles = n_atoms // _TILE + self.n_networks if keep else 0
        return [
            (n_atoms,),
            (n_atoms if with_slopes else 0, self.widths[0]),
            (n_atoms, self.n_networks),
            (tiles, 1 if self.one_network else self.n_networks, self.rows(with_slopes), _TILE),
        ]

    def rows(self, with_slopes: bool) -> int:
        """Numbers that the gradient needs of a network and atom."""
        kept = activations()[self.activation.name]
        return sum(self.widths[1:-1]) * (kept + (2 if with_slopes else 1))


def energies_and_slopes(
    shape: Shape,
    fingerprints: Tensor,
    shares: Tensor,
    parameters: Sequence[Tensor],
    with_slopes: bool,
) -> tuple[Tensor, Tensor]:
    """Energies [n_atoms] and dE/dG [n_atoms, n_features] (empty without ``with_slopes``).

    Both differentiate once in ``parameters`` and ``shares``; fingerprints are constants.

    Args:
        shape: of the networks.
        fingerprints: [n_atoms, n_features].
        shares: [n_atoms, n_networks].
        parameters: as ``shape.parameters`` lists them.
        with_slopes: give dE/dG.
    """
    found = [tuple(each.shape) for each in parameters]
    if found != shape.parameters:
        raise ValueError(f"parameters: expected shapes {shape.parameters}, got {found}")
    n_atoms = fingerprints.shape[0]
    expected = (n_atoms, shape.widths[0]), (n_atoms, shape.n_networks)
    if (fingerprints.shape, shares.shape) != expected:
        raise ValueError(
            f"shares: expected fingerprints and shares {expected}, got "
            f"{tuple(fingerprints.shape)} and {tuple(shares.shape)}"
        )
    keep = torch.is_grad_enabled()
    return _Networks.apply(shape, with_slopes, keep, fingerprints, shares, *parameters)


class Evaluation(Protocol):
    """Energies and slopes of atoms, and then, if asked for, their gradient; no autograd.

    Attributes:
        energies: [n_atoms].
        slopes: dE/dG [n_atoms, n_features], empty where they were not asked for.
    """

    energies: Tensor
    slopes: Tensor

    def gradient(
        self, energies: Tensor, slopes: Tensor | None, of_shares: bool
    ) -> tuple[Sequence[Tensor], Tensor | None]:
        """dL/dparameters, in their order, and dL/dshares [n_atoms, n_networks], if asked for.

        Args:
            energies: dL/dE [n_atoms].
            slopes: dL/d(dE/dG) [n_atoms, n_features], where slopes were given; None: they do not
                matter.
            of_shares: give the latter; not of shapes with ``one_network``.
        """
        ...


def evaluate(
    shape: Shape,
    fingerprints: Tensor,
    shares: Tensor,
    parameters: Sequence[Tensor],
    with_slopes: bool,
    keep: bool,
) -> Evaluation:
    """Energies and slopes without autograd: in C++, or by the reference on another device.

    Args:
        shape, fingerprints, shares, parameters, with_slopes: see :func:`energies_and_slopes`.
        keep: what the gradient needs.
    """
    if compiled(fingerprints):
        return _Compiled(shape, fingerprints, shares, parameters, with_slopes, keep)
    curves = [(each.name, each.constants) for each in shape.activations]
    layers = reference.layers_of(shape.widths, shape.n_networks, curves, parameters)
    return reference.Evaluation(layers, fingerprints, shares, with_slopes)


class _Compiled:
    """In C++, see :class:`Evaluation`."""

    def __init__(
        self,
        shape: Shape,
        fingerprints: Tensor,
        shares: Tensor,
        parameters: Sequence[Tensor],
        with_slopes: bool,
        keep: bool,
    ) -> None:
        self._shape, self._parameters = shape, parameters
        flat = _flatten_dense_tensors(parameters)
        self.energies, self.slopes, self._kept = _forward(
            shape, with_slopes, keep, fingerprints, shares, flat
        )

    def gradient(
        self, energies: Tensor, slopes: Tensor | None, of_shares: bool
    ) -> tuple[Sequence[Tensor], Tensor | None]:
        shares, changes = _backward(self._shape, self._kept, energies, slopes)
        return _unflatten_dense_tensors(changes, self._parameters), shares if of_shares else None


def _forward(
    shape: Shape,
    with_slopes: bool,
    keep: bool,
    fingerprints: Tensor,
    shares: Tensor,
    flat: Tensor,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Energies, slopes, and what the gradient needs, of parameters one after the other."""
    sizes = shape.results(fingerprints.shape[0], with_slopes, keep)
    # Atoms without a network, and networks without a share, are left as they are.
    energies, slopes, outputs = (fingerprints.new_zeros(size) for size in sizes[:3])
    tape = fingerprints.new_empty(sizes[3])
    given = (
        constants(shape.activation, fingerprints.dtype),
        flat,
        shape.sizes,
        fingerprints.contiguous(),
        shares.contiguous(),
    )
    _native.networks_forward(
        shape.activation.name,
        shape.one_network,
        with_slopes,
        *given,
        outputs,
        tape,
        energies,
        slopes,
        torch.get_num_threads(),
    )
    return energies, slopes, (*given, outputs, tape)


def _backward(
    shape: Shape, kept: Sequence[Tensor], energies: Tensor | None, slopes: Tensor | None
) -> tuple[Tensor | None, Tensor]:
    """dL/dshares, None where they are constants, and dL/dparameters one after the other."""
    _, flat, _, fingerprints, _, outputs, _ = kept
    if energies is None:
        energies = fingerprints.new_zeros(fingerprints.shape[0])
    gradients = (energies, slopes if slopes is not None else fingerprints[:0])
    share_changes = outputs.new_empty(0, 0) if shape.one_network else torch.empty_like(outputs)
    changes = torch.zeros_like(flat)
    _native.networks_backward(
        shape.activation.name,
        shape.one_network,
        slopes is not None,
        *kept,
        *(each.contiguous() for each in gradients),
        share_changes,
        changes,
        torch.get_num_threads(),
    )
    return None if shape.one_network else share_changes, changes


class _OfNetworks(Context):
    shape: Shape


class _Networks(Function):
    @staticmethod
    def forward(
        ctx: _OfNetworks,
        shape: Shape,
        with_slopes: bool,
        keep: bool,
        fingerprints: Tensor,
        shares: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.shape = shape
        ctx.set_materialize_grads(False)
        flat = torch.cat([each.flatten() for each in parameters])
        energies, slopes, kept = _forward(shape, with_slopes, keep, fingerprints, shares, flat)
        ctx.save_for_backward(*kept)
        return energies, slopes

    @staticmethod
    @once_differentiable
    def backward(
        ctx: _OfNetworks, energies: Tensor | None, slopes: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        shares, changes = _backward(ctx.shape, ctx.saved_tensors, energies, slopes)
        sizes = [math.prod(each) for each in ctx.shape.parameters]
        parts = zip(changes.split(sizes), ctx.shape.parameters, strict=True)
        return None, None, None, None, shares, *(part.view(size) for part, size in parts)
