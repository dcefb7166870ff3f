"""Rows that are added to those of a fit, against one fit of all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.dataset.in_memory import AtomsDataset
from amptorch.fit import resume
from amptorch.fit.base import Run
from amptorch.fit.least_squares.fit import LeastSquares
from amptorch.fit.least_squares.refit import Refit
from amptorch.preprocessing.scaling import Scaling

from ...made_potentials import alloy_frames, config

FRAMES = alloy_frames(8)
ADDED = [each.copy() for each in FRAMES[5:]]
for _copy, _frame in zip(ADDED, FRAMES[5:], strict=True):
    _copy.info["group"], _copy.calc = "added", _frame.calc
WEIGHTS = {"added": {"energy": 7.0, "forces": 0.3}}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    made = config(FRAMES[:5], tmp_path_factory.mktemp("refit"))
    made["model"] = {"name": "linear_ace", "functions": 20}
    made["optim"] = {"fit": "least_squares", "alpha": [1e-9, 1e-6], "degree_power": 2.0, "folds": 2}
    made["dataset"] |= {
        "fp_scheme": "ace",
        "fp_params": {"cutoff": 4.0, "n_radial": 8, "l_max": 2},
        "baseline": "linear",
        "target_scaling": "none",
    }
    trainer = AtomsTrainer(made)
    trainer.train()
    return trainer


def converted(trainer, frames):
    return AtomsDataset(
        frames,
        trainer.train_dataset.descriptor_setup,
        save_fps=False,
        scaling=Scaling(scalers=trainer.scalers),
        derivatives="on_the_fly",
    )


def refit(trainer):
    settings = replace(trainer.settings.optim, groups=WEIGHTS)
    return Refit.of(trainer.model, settings, resume.read(trainer.cp_dir))


@pytest.mark.parametrize("alpha", [1e-6, 1e-3])
def test_is_the_fit_of_all_frames(trainer, alpha):
    made = refit(trainer)
    made.add(converted(trainer, ADDED[:1]))
    made.add(converted(trainer, ADDED[1:]))
    errors = made.solve(alpha)
    found = trainer.model.coefficients.detach().clone()

    optim = replace(trainer.settings.optim, groups=WEIGHTS, alpha=alpha)
    run = Run(replace(trainer.settings, optim=optim))
    LeastSquares(run).run(trainer.potential, converted(trainer, [*FRAMES[:5], *ADDED]))
    whole = trainer.model.coefficients.detach()
    assert torch.allclose(found, whole, rtol=1e-6, atol=1e-8 * float(whole.abs().max()))

    data = trainer.predict(FRAMES[:5])
    off = [
        (a - frame.get_potential_energy()) / len(frame)
        for a, frame in zip(data["energy"], FRAMES, strict=False)
    ]
    assert errors["energy"] == pytest.approx((sum(e * e for e in off) / 5) ** 0.5, rel=1e-4)


def test_what_is_kept_goes_on_with_all_rows(trainer):
    made = refit(trainer)
    made.add(converted(trainer, ADDED))
    made.solve(1e-6)
    before = trainer.model.coefficients.detach().clone()
    Refit.of(trainer.model, made.settings, made.state()).solve(1e-6)
    assert torch.equal(trainer.model.coefficients.detach(), before)
