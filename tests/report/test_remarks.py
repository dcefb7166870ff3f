"""Warnings of a report: each where it is due, none where nothing stands out."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.report.errors import Evaluation, Parity
from amptorch.report.remarks import r2_text, remarks

from . import synthetic

DONE = {"epochs": 100, "best_epoch": 80}


def plain(number: int = 60, seed: int = 0, error: float = 1.0) -> Evaluation:
    """Without the frames that have larger errors."""
    evaluation = synthetic.evaluation(number, seed, error)
    return Evaluation([frame for frame in evaluation.frames if frame.index % 100 != 7])


def test_nothing_stands_out():
    assert remarks({"training": plain(), "test": plain(seed=1)}, DONE) == []


def shifted() -> Evaluation:
    evaluation = plain()
    for frame in evaluation.frames:
        frame.energy.predicted += 0.02
    return evaluation


def without_stress() -> Evaluation:
    evaluation = plain()
    evaluation.frames[4].stress = None
    return evaluation


def meaningless() -> Evaluation:
    evaluation = plain()
    for frame in evaluation.frames:
        frame.forces.predicted[:] = 0.0
    return evaluation


def outlier() -> Evaluation:
    evaluation = plain(200)
    evaluation.frames[5].forces.predicted[1, 2] += 20.0
    return evaluation


@pytest.mark.parametrize(
    ("test", "text"),
    [
        (shifted(), "test: energies are shifted, by 19.1 meV/atom"),
        (without_stress(), "test: stresses are compared for 58 of 59 frames."),
        (meaningless(), "test: forces have R² 0.00: hardly better than their mean."),
        (outlier(), "in frame 5)"),
        (plain(error=5.0), "test: the RMSE of energies is "),
        (Evaluation(plain().frames, "extrapolation: 3 values"), "test: extrapolation: 3 values."),
    ],
    ids=["shifted", "missing", "meaningless", "outlier", "overfitted", "extrapolation"],
)
def test_each_where_it_is_due(test, text):
    found = remarks({"training": plain(200, 9), "test": test}, DONE)
    assert sum(text in each for each in found) == 1, found


def test_what_was_trained_on_alone():
    assert "All frames were trained on" in remarks({"training": plain()}, DONE)[0]


def test_the_last_epoch_is_the_best():
    found = remarks({"test": plain()}, {"epochs": 100, "best_epoch": 100})
    assert found == ["The last epoch, 100, is the best: more epochs may help."]


@pytest.mark.parametrize(
    ("reference", "text"),
    [(np.arange(9.0), "too few"), (np.ones(10), "no spread"), (np.arange(10.0), "0.8788")],
)
def test_r2_where_it_means_something(reference, text):
    assert r2_text(Parity(reference, reference + 1.0).errors()) == text
