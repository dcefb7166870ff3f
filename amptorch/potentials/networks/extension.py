"""Networks for more elements and features, with the weights that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .model import BPNN, MLP, AtomisticModel, SingleNN

Places = Mapping[str, Sequence[int]]


def take_weights(
    model: AtomisticModel, old: AtomisticModel, places: Places, idle: Mapping[str, Tensor]
) -> None:
    """Set the weights of a model so that atoms of old elements have the energies that ``old`` gives
    them, whatever the features are that it does not have.

    Args:
        model: for more elements, and perhaps more features.
        old: of the same kind.
        places: by old element, where its features are among the new ones.
        idle: by old element the scaled features of ``old``; those beyond its own are constants.

    Raises:
        ValueError: features move, and an atom's energy has shares of several elements' networks,
            which find features of all elements at the same places.
    """
    n_old, n_new = (each.arguments["input_dim"] for each in (old, model))
    stay = n_old == n_new and all(list(where) == list(range(n_old)) for where in places.values())
    if not stay and (isinstance(old, SingleNN) or not old.one_network()):
        raise ValueError(
            "elements are added to symmetry functions where each element has a network of its own: "
            "expected a model 'bpnn' with element_mask 'fixed', got "
            f"{type(old).__name__} with element_mask {old.arguments['element_mask']!r}"
        )
    if isinstance(model, SingleNN):
        model.load_state_dict(old.state_dict())
        return
    assert isinstance(model, BPNN)
    assert isinstance(old, BPNN)
    columns = [model.arguments["elements"].index(each) for each in old.arguments["elements"]]
    networks = model.perceptrons()
    for column, (element, network) in zip(columns, _by_element(old), strict=True):
        _take(networks[column], network, places[element], idle[element])
    with torch.no_grad():
        shares, before = model.element_mask.mask.weight, old.element_mask.mask.weight
        numbers = old.element_mask.numbers
        for column, kept in zip(columns, before.T, strict=True):
            shares[numbers, column] = kept[numbers]


def _by_element(model: BPNN) -> list[tuple[str, MLP]]:
    return list(zip(model.arguments["elements"], model.perceptrons(), strict=True))


def _take(network: MLP, old: MLP, where: Sequence[int], idle: Tensor) -> None:
    """Weights of the first layer go with their features; what constants gave is the bias's."""
    state = old.state_dict()
    first, bias = "model_net.0.weight", "model_net.0.bias"
    weights = state[first]
    moved = weights.new_zeros((weights.shape[0], network.widths[0]))
    moved[:, list(where)] = weights[:, : len(where)]
    constants = weights[:, len(where) :] @ idle[len(where) :].to(weights)
    network.load_state_dict({**state, first: moved, bias: state[bias] + constants})
