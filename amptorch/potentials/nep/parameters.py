"""What a neuroevolution potential trains, in the order of nep.txt."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ..model import Model
from .shape import Shape


class Network(nn.Module):
    """Of one element: tensors in the order of nep.txt.

    Args:
        n_inputs: number of descriptors.
        neurons: of one layer, or two.
        constant: whether it has a constant of its own.
        dtype: of its tensors.
    """

    def __init__(
        self, n_inputs: int, neurons: tuple[int, ...], constant: bool, dtype: torch.dtype
    ) -> None:
        super().__init__()
        widths = [n_inputs, *neurons]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in pairwise(widths):
            self.weights.append(torch.zeros(n_out, n_in, dtype=dtype))
            self.biases.append(torch.zeros(n_out, dtype=dtype))
        self.last = nn.Parameter(torch.zeros(widths[-1], dtype=dtype))
        self.constant = nn.Parameter(torch.zeros(1, dtype=dtype)) if constant else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Energies [n], without the constant of all, of scaled descriptors [n, n_inputs]."""
        for weights, biases in zip(self.weights, self.biases, strict=True):
            inputs = torch.tanh(inputs @ weights.T - biases)
        energies = inputs @ self.last
        return energies if self.constant is None else energies - self.constant

    def in_order(self) -> Iterator[Tensor]:
        """Its tensors as nep.txt has them."""
        for weights, biases in zip(self.weights, self.biases, strict=True):
            yield weights
            yield biases
        yield self.last
        if self.constant is not None:
            yield self.constant


class Parameters(Model):
    """The parameters, which are 0 at first, and s, which is 1.

    Args:
        shape: how large it is.
        get_forces, get_stress: see :class:`amptorch.potentials.model.Model`.
        dtype: of its tensors.

    Attributes:
        networks: one for each element, or one for all.
        constant: b.
        radial, angular: c [n, k, a, b] and d.
        q_scaler: s [n_descriptors].
        most_neighbors: [2], of an atom within the radial and the angular cutoff, as far as known.
    """

    q_scaler: Tensor
    most_neighbors: Tensor

    def __init__(
        self,
        shape: Shape,
        get_forces: bool = True,
        get_stress: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(get_forces, get_stress)
        self.shape = shape
        of_network = (shape.n_descriptors, shape.neurons, shape.version == 5, dtype)
        self.networks = nn.ModuleList(Network(*of_network) for _ in range(shape.n_networks))
        self.constant = nn.Parameter(torch.zeros(1, dtype=dtype))
        n = shape.n_elements
        sizes = [
            (n_max + 1, k + 1, n, n) for n_max, k in zip(shape.n_max, shape.basis_size, strict=True)
        ]
        self.radial, self.angular = (nn.Parameter(torch.zeros(*s, dtype=dtype)) for s in sizes)
        self.register_buffer("q_scaler", torch.ones(shape.n_descriptors, dtype=dtype))
        self.register_buffer("most_neighbors", torch.zeros(2, dtype=torch.int64))

    def of_elements(self) -> list[Network]:
        """The networks, one for each element or one for all."""
        return cast("list[Network]", list(self.networks))

    @property
    def dtype(self) -> torch.dtype:
        """Of its tensors."""
        return self.constant.dtype

    def in_order(self) -> Iterator[Tensor]:
        """What is trained, in the order of nep.txt and nep.restart."""
        for network in self.of_elements():
            yield from network.in_order()
        yield from (self.constant, self.radial, self.angular)

    def penalized(self) -> Iterator[Tensor]:
        """All but the constant of all atoms."""
        yield from (each for each in self.in_order() if each is not self.constant)

    def vector(self) -> Tensor:
        """All that is trained as one vector, in the order of nep.txt and nep.restart."""
        return torch.cat([each.detach().flatten() for each in self.in_order()])

    def set_vector(self, values: Tensor) -> None:
        """Take up what :meth:`vector` gave.

        Raises:
            ValueError: another length.
        """
        if values.shape != (self.num_params,):
            raise ValueError(f"values: expected [{self.num_params}], got {list(values.shape)}")
        with torch.no_grad():
            start = 0
            for each in self.in_order():
                each.copy_(values[start : start + each.numel()].view_as(each))
                start += each.numel()

    def randomize(self) -> None:
        """Give all parameters random values; what they are multiplied with is not known yet."""
        with torch.no_grad():
            for network in self.of_elements():
                for each in network.in_order():
                    each.uniform_(-1.0, 1.0)
                network.last.div_(math.sqrt(len(network.last)))
            for each in (self.radial, self.angular):
                each.normal_(0.0, 0.1).add_(torch.rand_like(each) - 0.5)
