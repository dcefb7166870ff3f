"""Simulated annealing before a gradient method."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer

from ...made_potentials import config, trained
from .problems import FRAMES, TANH, plain_loss, sections

ARGUMENTS = {"Tmax": 0.5, "Tmin": 1e-3, "steps": 400, "updates": 8, "move": 0.05, "frames": 6}


def annealed(run_dir, then="lbfgs", epochs=3, **arguments) -> AtomsTrainer:
    given = sections("annealing", TANH, {**ARGUMENTS, "then": then, **arguments}, epochs=epochs)
    return trained(FRAMES, run_dir, **{**given, "cmd": {}})


def trace(trainer: AtomsTrainer):
    return dict(trainer.net.callbacks_)["annealing"].trace_


def test_trace_follows_the_schedule(tmp_path):
    rows = trace(annealed(tmp_path))
    assert [row["move"] for row in rows] == [50 * k for k in range(1, 9)]
    expected = [0.5 * (1e-3 / 0.5) ** ((row["move"] - 1) / 400) for row in rows]
    assert [row["temperature"] for row in rows] == pytest.approx(expected)
    assert (np.diff([row["best"] for row in rows]) <= 0).all()
    assert rows[-1]["taken"] < rows[0]["taken"]


def test_the_gradient_method_starts_from_the_best(tmp_path):
    trainer = annealed(tmp_path, "adam", epochs=1)
    start = AtomsTrainer(config(FRAMES, tmp_path, **sections("adam", TANH, {})))
    start.load()
    value = plain_loss(start)
    weights = torch.cat([p.detach().flatten() for p in start.model.parameters()])
    best = trace(trainer)[-1]["best"]
    assert trainer.net.history[0, "train_loss"] == pytest.approx(best, rel=1e-9)
    assert best < value(weights.numpy())[0]


def test_accepted_moves_are_metropolis(tmp_path):
    """Moves uphill are all taken where the temperature is far above the loss, none far below."""
    hot = trace(annealed(tmp_path, Tmax=1e9, Tmin=1e8))
    cold = trace(annealed(tmp_path, Tmax=1e-15, Tmin=1e-16))
    assert hot[-1]["taken"] == 1.0
    assert cold[-1]["taken"] < 0.9
    assert cold[-1]["loss"] == cold[-1]["best"]


def test_a_run_that_goes_on_is_not_annealed_again(tmp_path):
    first = annealed(tmp_path, "adam")
    given = sections("annealing", TANH, {**ARGUMENTS, "then": "adam"}, epochs=3)
    second = AtomsTrainer(config(FRAMES, tmp_path, **{**given, "cmd": {}}))
    second.load_pretrained(first.cp_dir)
    second.train()
    assert len(second.net.history) == 6
    assert not hasattr(dict(second.net.callbacks_)["annealing"], "trace_")
