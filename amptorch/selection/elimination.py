"""Rankings by leaving functions out and training again."""

from __future__ import annotations

import torch

from .hierarchy import path
from .material import Material, Order, by, harms
from .networks import Weights, losses, of_functions, trained

TOGETHER = 16  # networks that are trained at once
PART = 8  # of the epochs, for training that goes on
SHARE = 0.25  # of the functions, that leave in a round of elimination


def drop_one_retrained(material: Material) -> Order:
    """By the validation loss where one function alone was left out, after training from the
    networks of the whole pool went on for an eighth of the epochs."""
    number = material.n_functions
    first = {name: each[:1] for name, each in material.networks.items()}
    epochs, found = max(1, material.epochs // PART), []
    for places in torch.arange(number).split(TOGETHER):
        mask = torch.ones(len(places), number)
        mask[torch.arange(len(places)), places] = 0.0
        start: Weights = {
            name: each.expand(len(places), *each.shape[1:]) for name, each in first.items()
        }
        found.append(_after(material, {**start, "mask": mask}, epochs))
    return by(torch.cat(found))


def _after(material: Material, start: Weights, epochs: int) -> torch.Tensor:
    weights = trained(start, material.training, epochs, material.seed, rate=0.003)
    with torch.no_grad():
        return losses(weights, material.validation)


def backward(material: Material) -> Order:
    """Backward elimination: a quarter of the functions leaves, those whose absence does the least
    harm to validation frames, then training goes on; and so forth. What left last stands first."""
    weights, training, validation = material.networks, material.training, material.validation
    kept, gone = torch.arange(material.n_functions), list[int]()
    while True:
        harm = harms(weights, validation).mean(0)
        order = torch.tensor(by(harm))
        if len(kept) <= material.least:
            return [*kept[order].tolist(), *gone]
        n = max(material.least, int((1 - SHARE) * len(kept)))
        gone = [*kept[order[n:]].tolist(), *gone]
        stay = order[:n].sort().values
        kept, weights = kept[stay], of_functions(weights, stay)
        training, validation = training.of_functions(stay), validation.of_functions(stay)
        epochs = max(1, material.epochs // PART)
        weights = trained(weights, training, epochs, material.seed, rate=0.003)


def lassonet(material: Material) -> Order:
    """By the penalty at which a function leaves the path of :mod:`.hierarchy`, the last first, and
    by the length of its skip connection among those that leave together."""
    start = {n: w[:1] for n, w in material.start(material.n_functions, skip=True).items()}
    dense = trained(start, material.training, material.epochs, material.seed)
    scores = torch.zeros(material.n_functions, dtype=torch.float64)
    for step, each in enumerate(path(dense, material.training, material.least)):
        found = torch.tensor(each.lengths, dtype=torch.float64)
        if len(found):
            scores[each.kept] = step + 1 + found / (2 * found.max())
    return by(scores)
