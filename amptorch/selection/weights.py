"""Rankings by what trained networks, or the features themselves, show at once."""

from __future__ import annotations

import torch
from torch import Tensor

from .material import Material, Order, by, harms


def _first_layer(material: Material) -> Tensor:
    """[n_networks, n_functions, weights of each]: of features with standard deviation 1."""
    w1 = material.networks["w1"]  # [n_networks, n_species, n_functions, hidden]
    return w1.transpose(1, 2).flatten(2)


def _spread(material: Material) -> Tensor:
    """[n_functions]: spans of the scaled features."""
    features = material.training.features
    return features.amax(0) - features.amin(0)


def absolute(material: Material) -> Order:
    """By sum |w| of features scaled to the range 0 to 1."""
    return by(_first_layer(material).abs().sum(2).mean(0) * _spread(material))


def signed(material: Material) -> Order:
    """By |sum w| of features scaled to the range 0 to 1."""
    return by(_first_layer(material).sum(2).abs().mean(0) * _spread(material))


def spread(material: Material) -> Order:
    """By sum |w| times the feature's standard deviation."""
    return by(_first_layer(material).abs().sum(2).mean(0))


def span(material: Material) -> Order:
    """By the range of the unscaled function over the data, as n2p2's ``nnp-prune range``."""
    return by(material.spans)


def sensitivity(material: Material) -> Order:
    """By the root mean square of de/dG of the scaled feature over atoms, as n2p2's ``nnp-prune
    sensitivity``."""
    samples = material.training
    features = samples.features.clone().requires_grad_()
    total = torch.zeros(samples.n_functions)
    for place in range(len(material.seeds)):
        one = {name: each[place : place + 1] for name, each in material.networks.items()}
        energy = _energies(one, features, samples.species)
        total += torch.autograd.grad(energy.sum(), features)[0].square().mean(0)
    return by(total)


def _energies(weights: dict[str, Tensor], features: Tensor, species: Tensor) -> Tensor:
    made = features.new_zeros(len(features))
    for z in range(weights["w1"].shape[1]):
        first = torch.tanh(features @ weights["w1"][0, z] + weights["b1"][0, z])
        second = torch.tanh(first @ weights["w2"][0, z] + weights["b2"][0, z])
        made = made + (second @ weights["w3"][0, z])[:, 0] * (species == z)
    return made


def drop_one(material: Material) -> Order:
    """By the harm that is done to the validation frames where one function alone is left out,
    without training again."""
    return by(harms(material.networks, material.validation).mean(0))
