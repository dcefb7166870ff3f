"""Simulated annealing of weights, before a gradient method."""

from __future__ import annotations

import math

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm import tqdm

from ...data.frame import Labelled
from ...dataset.frames import Images, part


class Annealing(Callback):
    """Metropolis moves of all weights at a falling temperature (S. Kirkpatrick, C. D. Gelatt and
    M. P. Vecchi, Science 220, 671 (1983)), with the keywords of Amp; then the best weights are set.

        T_k = Tmax (Tmin / Tmax)^(k / steps)
        w' = w + move a, a drawn from a normal distribution; taken with min(1, exp((L - L') / T))

    It comes before the first epoch of a run, and not again where a run goes on.

    Args:
        Tmax, Tmin: temperatures in units of the loss.
        steps: number of moves.
        updates: lines of the trace.
        move: length of a move of one weight.
        frames: training frames, spread evenly over all, whose loss is followed.

    Attributes:
        trace_: a dict for each update: move, temperature, loss, best loss, share of moves taken.
    """

    def __init__(
        self,
        Tmax: float = 1e-1,
        Tmin: float = 1e-4,
        steps: int = 2000,
        updates: int = 20,
        move: float = 0.02,
        frames: int = 32,
    ) -> None:
        if not Tmax > Tmin > 0:
            raise ValueError(f"optimizer: expected Tmax > Tmin > 0, got {Tmax!r} and {Tmin!r}")
        for name, value in (("steps", steps), ("updates", updates), ("frames", frames)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"optimizer: expected {name} to be an integer >= 1, got {value!r}")
        if not move > 0:
            raise ValueError(f"optimizer: expected move > 0, got {move!r}")
        self.Tmax, self.Tmin = Tmax, Tmin
        self.steps, self.updates = steps, updates
        self.move, self.frames = move, frames

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Images, **kwargs: object) -> None:
        if len(net.history) > 1:
            return
        self.trace_: list[dict[str, float]] = []
        batches = self._batches(net, dataset_train)
        parameters = list(net.module_.parameters())
        with torch.no_grad():
            best = self._search(net, batches, parameters_to_vector(parameters))
            vector_to_parameters(best, parameters)

    def _batches(self, net: NeuralNet, dataset: Images) -> list[Labelled]:
        count = min(self.frames, len(dataset))
        chosen = [index * len(dataset) // count for index in range(count)]
        return list(net.get_iterator(part(dataset, chosen), training=False))

    def _search(self, net: NeuralNet, batches: list[Labelled], weights: Tensor) -> Tensor:
        loss = _loss(net, batches, weights)
        best, best_loss, taken = weights, loss, 0
        every = max(1, self.steps // self.updates)
        for k in tqdm(range(self.steps), desc="annealing", disable=not net.verbose):
            temperature = self.Tmax * (self.Tmin / self.Tmax) ** (k / self.steps)
            moved = weights + self.move * torch.randn_like(weights)
            changed = _loss(net, batches, moved)
            chance = math.exp(min(0.0, (loss - changed) / temperature))
            if float(torch.rand(())) < chance and math.isfinite(changed):
                weights, loss, taken = moved, changed, taken + 1
                if loss < best_loss:
                    best, best_loss = weights, loss
            if (k + 1) % every == 0:
                entry = (k + 1, temperature, loss, best_loss, taken / (k + 1))
                names = ("move", "temperature", "loss", "best", "taken")
                self.trace_.append(dict(zip(names, entry, strict=True)))
        return best


def _loss(net: NeuralNet, batches: list[Labelled], weights: Tensor) -> float:
    vector_to_parameters(weights, net.module_.parameters())
    total = sum(batch[0].num_graphs for batch in batches)
    parts = (float(net.validation_step(b)["loss"]) * b[0].num_graphs for b in batches)
    return sum(parts) / total
