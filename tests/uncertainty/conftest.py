"""Trainers that several test files share, trained once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amptorch import AtomsTrainer, Potential

from .frames import MODELS, config


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tiny networks train slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def trained():
    """A function giving the trainers of a model, by name, of three seeds."""
    made: dict[str, list[AtomsTrainer]] = {}

    def trainers(name: str) -> list[AtomsTrainer]:
        if name not in made:
            made[name] = [AtomsTrainer(config(name, seed)) for seed in (1, 2, 3)]
            for trainer in made[name]:
                trainer.train()
        return made[name]

    return trainers


@pytest.fixture(params=list(MODELS))
def trainers(request, trained):
    """Three trainers of the same configuration and different seeds, for each model."""
    return trained(request.param)


class Remembering:
    """A potential that predicts the same images once; splits and calibrations then cost nothing."""

    def __init__(self, potential: Potential) -> None:
        self.of, self.keys, self.forces = potential, potential.keys, potential.forces
        self.known: dict[Any, Any] = {}
        self.potential = self

    def predict(self, images):
        return self.evaluate(images, forces=self.forces)

    def evaluate(self, images, **asked):
        key = (*map(id, images), *sorted(asked.items()))
        if key not in self.known:
            self.known[key] = self.of.evaluate(images, **asked)
        return self.known[key]

    def warn_outside(self, found):
        return self.of.warn_outside(found)


@pytest.fixture(scope="module", params=list(MODELS))
def remembering(request, trained):
    """Three trainers of the same configuration and different seeds, for each model."""
    return [Remembering(trainer.potential) for trainer in trained(request.param)]
