"""Fits of ACE potentials with several densities, as a user asks for them."""

from __future__ import annotations

import itertools
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import amptorch
from amptorch import AtomsTrainer
from amptorch.fit import clock
from amptorch.fit.quasi_newton import rounds
from amptorch.fit.quasi_newton.ladder import rounds_of
from amptorch.fit.quasi_newton.loss import Loss
from amptorch.fit.quasi_newton.penalties import Penalties
from amptorch.fit.quasi_newton.settings import Ladder, QuasiNewtonSettings
from amptorch.fit.quasi_newton.start import LinearProblem
from amptorch.fit.quasi_newton.stopping import Stopping
from amptorch.fit.quasi_newton.vector import set_vector, vector_of

from ...ace import potential_of
from ...tolerances import FINITE_DIFFERENCE

PROPERTIES = ("energy", "forces", "stress")


@cache
def frames(count=24):
    """Copper of effective medium theory, whose energies are roots of densities in part."""
    found = []
    for seed in range(count):
        frame = bulk("Cu", a=3.6 * (0.94 + 0.03 * (seed % 6)), cubic=True)
        frame.rattle(0.15, seed=seed)
        frame.calc = EMT()
        values = {name: frame.calc.get_property(name, frame) for name in PROPERTIES}
        frame.calc = SinglePointCalculator(frame, **values)
        found.append(frame)
    return found


def config(folder, dataset=None, model=None, **optim):
    return {
        "model": {"name": "ace", "functions": 20, **(model or {})},
        "optim": {"fit": "quasi_newton", "max_iterations": 12, "alpha": 1e-10, **optim},
        "dataset": {
            "raw_data": frames(),
            "fp_scheme": "ace",
            "fp_params": {"cutoff": 4.5, "n_radial": 9},
            "baseline": "linear",
            "target_scaling": "none",
            "save_fps": False,
            "val_split": 0.2,
            **(dataset or {}),
        },
        "cmd": {"run_dir": str(folder), "verbose": False, "dtype": torch.DoubleTensor},
    }


def run(folder, dataset=None, **given):
    trainer = AtomsTrainer(config(folder, dataset, **given))
    trainer.train()
    return trainer


def test_a_fit_is_better_than_its_linear_start_and_is_exported(tmp_path):
    trainer = run(tmp_path, interval=10, max_iterations=30)
    first, last = trainer.history[0], trainer.history[-1]
    assert last["train_loss"] < 0.8 * first["train_loss"]
    valid = [row["valid_loss"] for row in trainer.history if "valid_loss" in row]
    assert len(valid) == 4
    trainer.potential.export(tmp_path / "cu.yace", "yace")
    again = amptorch.load(tmp_path / "cu.yace").predict(frames()[:2])
    found = trainer.potential.predict(frames()[:2])
    np.testing.assert_allclose(again.energy, found.energy, atol=1e-9)
    np.testing.assert_allclose(again.forces[1], found.forces[1], atol=1e-9)


def numbers(trainer):
    return [[row["train_loss"], row.get("valid_loss", 0.0)] for row in trainer.history]


@pytest.mark.parametrize("when", [9, 21])
def test_a_run_that_was_interrupted_goes_on_as_if_it_was_not(tmp_path, monkeypatch, when):
    whole = run(tmp_path / "whole", ladder=10, max_iterations=5)
    assert [row["round"] for row in whole.history] == 6 * [1] + 6 * [2]
    calls = itertools.count()
    evaluate = rounds.evaluate

    def interrupted(*arguments):
        if next(calls) == when:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(rounds, "evaluate", interrupted)
    part = run(tmp_path / "part", ladder=10, max_iterations=5)
    assert 1 < len(part.history) < len(whole.history)
    monkeypatch.setattr(rounds, "evaluate", evaluate)
    going = AtomsTrainer(config(tmp_path / "part", ladder=10, max_iterations=5))
    going.load_pretrained(part.cp_dir)
    going.train()
    np.testing.assert_allclose(numbers(going), numbers(whole), rtol=1e-12)
    found, expected = (each.potential.predict(frames()[:1]) for each in (going, whole))
    np.testing.assert_allclose(found.forces[0], expected.forces[0], rtol=0, atol=1e-10)


def test_a_potential_is_fitted_further_with_more_functions(tmp_path):
    all_of_them = {"val_split": 0.0}
    small = run(tmp_path, all_of_them, model={"functions": 10}, max_iterations=6)
    source = tmp_path / "small.yace"
    small.potential.export(source, "yace")
    more = {"initial_potential": str(source), "max_iterations": 6}
    large = run(tmp_path, all_of_them, model={"functions": 30}, start="model", **more)
    # At first the same potential, but for the best constant.
    assert large.history[0]["train_loss"] <= 1.001 * small.history[-1]["train_loss"]
    assert large.history[-1]["train_loss"] < 0.9 * small.history[-1]["train_loss"]
    other = {"fp_params": {"cutoff": 4.4, "n_radial": 9}}
    with pytest.raises(ValueError, match=r"cutoff=4\.5"):
        run(tmp_path, dataset=other, **more)


@pytest.mark.parametrize(("trained", "largest"), [("all", 1e-3), ("radial", 100.0)])
def test_a_fit_has_its_linear_start_without_time(tmp_path, trained, largest):
    given = config(tmp_path, trained=trained)
    given["cmd"]["time_limit"] = 1e-9
    trainer = AtomsTrainer(given)
    trainer.train()
    (row,) = trainer.history
    assert row["train_loss"] < largest
    shape = trainer.model.radial.shape
    assert torch.equal(trainer.model.radial[0, :, 0], torch.eye(shape[1], shape[3]).double())


def test_steps_for_which_there_is_no_time_are_not_begun(monkeypatch):
    now = itertools.count(1000.0)
    monkeypatch.setattr(clock.time, "monotonic", lambda: next(now))
    assert len([*clock.Clock(SimpleNamespace(time_limit=40.0, begun=1000.0)).steps(30)]) == 30
    now, seen = itertools.count(1000.0), []
    with pytest.raises(clock.TimeIsOver):
        seen.extend(clock.Clock(SimpleNamespace(time_limit=20.0, begun=1000.0)).steps(30))
    # From some steps on it is known how long they take.
    assert len(seen) == clock.RECENT


def test_batches_and_what_is_not_trained(tmp_path):
    one, other = (run(tmp_path, batch_size=size, max_iterations=3) for size in (3, 100))
    # Rounding grows where columns are alike.
    np.testing.assert_allclose(
        [row["train_loss"] for row in one.history],
        [row["train_loss"] for row in other.history],
        rtol=1e-3,
    )
    for kept, trains in (("radial", "functions"), ("coefficients", "radial")):
        going = run(
            tmp_path, trained=trains, max_iterations=3, initial_potential=one.cp_dir, start="model"
        )
        assert going.history[-1]["train_loss"] < going.history[0]["train_loss"]
        assert torch.equal(getattr(going.model, kept), getattr(one.model, kept))


@pytest.mark.parametrize("model", [{}, {"get_forces": False}])
def test_energies_alone_are_fitted(tmp_path, model):
    trainer = run(tmp_path, model=model, kappa=0.0, max_iterations=3)
    assert trainer.history[-1]["train_loss"] < trainer.history[0]["train_loss"]
    assert trainer.history[-1]["train_energy_rmse"] < 1e-3


@pytest.mark.parametrize("weighting", ["uniform", "energy"])
def test_gradients_are_slopes_of_the_loss_with_stresses_and_penalties(tmp_path, weighting):
    given = {"stress_coefficient": 0.3, "weighting": weighting, "l1": 1e-4, "l2": 1e-3}
    settings = QuasiNewtonSettings(smoothness=(1e-4, 1e-5, 1e-6), batch_size=9, **given)
    trainer = AtomsTrainer(config(tmp_path, **given))
    trainer.load()
    model, generator = trainer.model, torch.Generator().manual_seed(1)
    vector = vector_of(model)
    vector += 0.1 * torch.randn(vector.shape, generator=generator, dtype=torch.float64)
    loss = Loss(trainer.train_dataset, settings, [29], torch.device("cpu"))
    squares = torch.ones(model.expansion.n_functions, dtype=torch.float64)
    penalties = Penalties.of(settings, squares, trainer.descriptor)
    direction = torch.randn(vector.shape, generator=generator, dtype=torch.float64)
    values = []
    for step in (1e-5, -1e-5, 0.0):
        set_vector(model, vector + step * direction)
        values.append(rounds.evaluate(model, loss, penalties))
    settings.batch_size = 100
    value, gradient, _ = rounds.evaluate(model, loss, penalties)
    assert value == pytest.approx(values[2][0], rel=1e-12)
    assert (gradient - values[2][1]).abs().max() < 1e-12 * gradient.abs().max()
    slope = (values[0][0] - values[1][0]) / 2e-5
    assert float(values[2][1] @ direction) == pytest.approx(slope, rel=10 * FINITE_DIFFERENCE)


def test_penalties_grow_with_the_degree_of_functions(tmp_path):
    settings = QuasiNewtonSettings(alpha=1e-3, l1=0.0, l2=0.0)
    trainer = AtomsTrainer(config(tmp_path))
    trainer.load()
    model = trainer.model
    loss = Loss(trainer.train_dataset, settings, [29], torch.device("cpu"))
    problem = LinearProblem(model, loss)
    degrees = [sum(each.ns) + sum(each.ls) for each in model.expansion.functions[0]]
    expected = problem.squares(0.0) * torch.tensor(degrees, dtype=torch.float64) ** 3
    found = Penalties.of(settings, problem.squares(1.5), trainer.descriptor).curvature
    torch.testing.assert_close(found, 2e-3 * expected)


def test_a_fit_ends_when_losses_fall_no_more():
    settings = QuasiNewtonSettings(min_iterations=20, interval=10, max_iterations=100)
    falling, flat = list(np.geomspace(1, 0.5, 60)), [1.0] * 60
    for train, valid, both, either in (
        (falling, falling[:7], False, False),
        (flat, falling[:7], False, True),
        (falling, flat[:7], False, True),
        (flat, flat[:7], True, True),
        (flat[:15], flat[:2], False, False),
    ):
        assert Stopping(settings, True).ends(train, valid) is both
        settings.stop = "either"
        assert Stopping(settings, True).ends(train, valid) is either
        settings.stop = "both"
    assert Stopping(settings, False).ends(flat, [])
    assert Stopping(settings, False).ends(list(np.geomspace(1, 1e-9, 101)), [])


@pytest.mark.parametrize("order", ["body", "power"])
def test_a_ladder_adds_the_next_functions_of_every_block(order):
    model = potential_of({}, functions=60).model
    with torch.no_grad():
        model.coefficients.zero_()
        model.coefficients[3] = 1.0
    found = rounds_of(model, Ladder(step=7, fraction=0.5, order=order))
    sizes = [[len(each) for each in chosen] for chosen in found]
    assert sizes[0] == [14 + 1, 14]
    assert sizes[-1] == [len(each) for each in model.expansion.functions]
    assert all(3 in chosen[0] for chosen in found)
    for before, after in itertools.pairwise(found):
        assert all(set(a) < set(b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kappa": 2}, "kappa"),
        ({"smoothness": (1.0,)}, "smoothness"),
        ({"trained": "none"}, "trained"),
        ({"stop": "never"}, "stop"),
        ({"ladder": 0}, "step"),
        ({"ladder": {"steps": 3}}, "steps"),
        ({"l1": -1}, "l1"),
    ],
)
def test_settings_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        QuasiNewtonSettings(**given)
