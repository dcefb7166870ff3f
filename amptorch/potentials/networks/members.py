"""The mean of networks that were trained side by side, each by itself.

What networks get wrong on frames they have not seen differs from one to the next, and halves of
opposite signs cancel in the mean. Predictions have one network that is the mean: first layers lie
one under the other, those between in blocks, and the last one holds 1/n of each.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from ...data.frame import AtomsBatch
from ..model import Model
from .model import BPNN, MLP, AtomisticModel


class Members(Model):
    """Networks of one kind, of which each atom's energy is the mean.

    Args:
        members: two or more networks with the same arguments, without anything between linear
            layers but activations that have no weights.
    """

    def __init__(self, members: Sequence[AtomisticModel]) -> None:
        super().__init__(members[0].get_forces, members[0].get_stress)
        for each in members:
            _check(each)
        self.members = nn.ModuleList(members)
        self._alone: AtomisticModel | None = None
        self._merged: tuple[list[tuple[int, int]], AtomisticModel] | None = None

    @property
    def each(self) -> list[AtomisticModel]:
        """The members."""
        return cast("list[AtomisticModel]", list(self.members))

    @property
    def current(self) -> Model:
        """The member within :meth:`alone`, else this."""
        return self._alone or self

    def forward(self, batch: AtomsBatch) -> tuple[Tensor, ...]:
        """As every model's: those of the mean, or of one member within :meth:`alone`."""
        return (self._alone or self.for_prediction())(batch)

    @contextmanager
    def alone(self, member: AtomisticModel) -> Iterator[None]:
        """Have ``forward`` give what a member gives."""
        self._alone = member
        try:
            yield
        finally:
            self._alone = None

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        return self.for_prediction().atomic_energies(fingerprint, numbers)

    def for_prediction(self) -> AtomisticModel:
        """One network that is the mean; it does not follow when members are trained on."""
        state = [(each.data_ptr(), each._version) for each in self.parameters()]
        if self._merged is None or self._merged[0] != state:
            self._merged = state, self._joined()
        return self._merged[1]

    def _joined(self) -> AtomisticModel:
        members = self.each
        arguments = dict(members[0].arguments)
        widths = [len(members) * width for width in arguments["hidden_layers"]]
        weight = next(self.parameters())
        with torch.random.fork_rng(devices=[]):
            model = type(members[0])(**{**arguments, "hidden_layers": widths})
        model = model.to(weight.device, weight.dtype).eval()
        each_perceptron = zip(*(member.perceptrons() for member in members), strict=True)
        for network, parts in zip(model.perceptrons(), each_perceptron, strict=True):
            network.set_linear(_side_by_side(parts))
        if isinstance(model, BPNN):
            model.element_mask = copy.deepcopy(cast("BPNN", members[0]).element_mask)
        model.mean_of = tuple(members)
        return model


def members_of(model: nn.Module) -> list[AtomisticModel]:
    """Networks that are trained each by itself: members, or the one.

    Raises:
        ValueError: a model of another family.
    """
    if isinstance(model, Members):
        return model.each
    if not isinstance(model, AtomisticModel):
        raise ValueError(f"model: expected networks, got a {type(model).__name__}")
    return [model]


def _check(model: AtomisticModel) -> None:
    for layers in (list(each.model_net) for each in model.perceptrons()):
        between = [each for each in layers if not isinstance(each, nn.Linear)]
        odd = any(isinstance(each, nn.Dropout) or each.state_dict() for each in between)
        if odd or not between or not isinstance(layers[-1], nn.Linear):
            raise ValueError(
                "model: members are linear layers with activations without weights between them, "
                f"got {model.perceptrons()[0].model_net}"
            )
    if not model.one_network():
        raise ValueError("model: members need element_mask 'fixed', got 'trained'")


def _side_by_side(networks: Sequence[MLP]) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of the mean of networks."""
    with torch.no_grad():
        layers = [[m for m in each.model_net if isinstance(m, nn.Linear)] for each in networks]
        joined = []
        for index, same in enumerate(zip(*layers, strict=True)):
            weights, bias = [layer.weight for layer in same], torch.cat([e.bias for e in same])
            joined.append((torch.block_diag(*weights) if index else torch.cat(weights), bias))
        weight, bias = torch.cat([e[-1].weight for e in layers], 1), joined[-1][1]
        joined[-1] = weight / len(networks), bias.mean(0, keepdim=True)
        return joined
