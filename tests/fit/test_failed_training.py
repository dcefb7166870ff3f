"""Runs that go wrong: a loss that is not finite, nothing learned, a learning rate not taken."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from amptorch import AtomsTrainer
from amptorch.errors import Diverged, FitWarning
from amptorch.fit import unread
from amptorch.fit.losses import CustomLoss
from amptorch.fit.optimizers import Annealing

from ..made_potentials import alloy_frames, config, history, trained, weights

FRAMES = alloy_frames(12)
pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")


class Failing(CustomLoss):
    """Is not finite from the third training epoch on (one batch an epoch)."""

    value = float("nan")

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.calls = 0

    def forward(self, *arguments: Any) -> torch.Tensor:
        self.calls += self.training
        loss = super().forward(*arguments)
        return loss * self.value if self.calls >= 3 else loss


class Infinite(Failing):
    value = float("inf")


class Finite(Failing):
    """Takes the same way, by autograd: its sums are rounded as theirs."""

    value = 1.0


@pytest.fixture(params=["after each batch", "when the epoch ends"])
def losses_are_read(request, monkeypatch):
    """As on the CPU, and as on a GPU."""
    monkeypatch.setattr(unread, "waits", lambda loss: request.param == "when the epoch ends")


def stopped(frames: Any, folder: Path, **sections: dict[str, Any]) -> tuple[AtomsTrainer, str]:
    """A trainer that diverged, and what it said."""
    trainer = AtomsTrainer(config(frames, folder, **sections))
    with pytest.raises(Diverged) as caught:
        trainer.train()
    return trainer, str(caught.value)


def assert_finite(trainer: AtomsTrainer) -> None:
    """Of the model that is kept, and of its checkpoint."""
    alone = [trainer]
    if trainer.cp_dir is not None:
        alone.append(AtomsTrainer())
        alone[1].load_pretrained(trainer.cp_dir)
    for each in alone:
        found = each.predict(FRAMES[:2])
        assert np.isfinite(found["energy"]).all()
        assert np.isfinite(np.concatenate(found["forces"])).all()
    assert len({each.predict(FRAMES[:1])["energy"][0] for each in alone}) == 1


@pytest.mark.usefixtures("losses_are_read")
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("loss", [Failing, Infinite])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, loss, debug):
    trainer, message = stopped(
        FRAMES, tmp_path, optim={"loss_fn": loss, "epochs": 8}, cmd={"debug": debug}
    )
    kept = "last model that gave finite ones" if debug else "best model until then"
    assert message.startswith(f"training: epoch 3: the loss is {loss.value}; the {kept} is kept")
    assert "smaller lr than 0.01" in message
    assert np.isfinite(trainer.net.history[:, "train_loss"]).all()
    assert len(trainer.net.history) == 2
    # What a run of as many epochs keeps; without a folder, what the last finite loss was of.
    whole = trained(FRAMES, tmp_path, optim={"loss_fn": Finite, "epochs": 1 if debug else 2})
    for name, value in weights(whole).items():
        assert torch.equal(weights(trainer)[name], value), name
    if not debug:
        rows = json.loads((Path(trainer.cp_dir) / "history.json").read_text())
        assert len(rows) == 2
    assert_finite(trainer)


HUGE: dict[str, dict[str, Any]] = {
    # Of the case: the step of the first epoch is finite, and its energies are not.
    "adam": {"lr": 1e150},
    "sgd": {"optimizer": torch.optim.SGD, "lr": 1e200},
    "torch's lbfgs": {"optimizer": torch.optim.LBFGS, "lr": 1e200},
    "soap": {"optimizer": "soap", "lr": 1e200},
    "kalman": {"optimizer": "kalman", "lr": 1e200},
    "annealing": {
        "optimizer": "annealing",
        "optimizer_args": {"then": "sgd", "steps": 2},
        "lr": 1e200,
    },
}


@pytest.mark.usefixtures("losses_are_read")
@pytest.mark.parametrize("epochs", [2, 6])
@pytest.mark.parametrize("name", HUGE)
def test_steps_that_are_far_too_large(tmp_path, name, epochs):
    """Also where the last step of a run is the one that spoils the model."""
    # SOAP's first step only looks at the gradient. The errors of both epochs are then equal but
    # for rounding, so that no checkpoint may choose between them.
    epochs = epochs if name == "soap" else epochs - 1
    optim = {**HUGE[name], "epochs": epochs, "batch_size": 12}
    model, cmd = {"activation": nn.ReLU}, {"debug": name == "soap"}
    trainer, message = stopped(FRAMES, tmp_path, optim=optim, model=model, cmd=cmd)
    assert "epoch" in message
    assert_finite(trainer)


@pytest.mark.parametrize("optimizer", ["lbfgs", "bfgs", "kalman", "levenberg_marquardt"])
def test_a_start_that_is_not_finite(tmp_path, optimizer):
    class Broken(nn.Tanh):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs) * float("nan")

    trainer, message = stopped(
        FRAMES,
        tmp_path,
        optim={"optimizer": optimizer},
        model={"activation": Broken},
        cmd={"debug": True},
    )
    assert message.startswith("training: epoch 1: the loss is nan")
    assert not len(trainer.net.history)


@pytest.mark.parametrize("optimizer", ["kalman", "levenberg_marquardt", "soap"])
def test_an_optimizer_that_cannot_take_its_step(tmp_path, optimizer, monkeypatch):
    """A factorization that fails, with a loss that is finite."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise torch.linalg.LinAlgError("not positive-definite")

    for name in ("cholesky", "eigh"):
        monkeypatch.setattr(torch.linalg, name, fail)
    trainer, message = stopped(FRAMES, tmp_path, optim={"optimizer": optimizer})
    expected = "training: epoch 1: the optimizer cannot take its step: not positive-definite"
    assert message.startswith(expected)
    assert np.isfinite(trainer.predict(FRAMES)["energy"]).all()


@pytest.mark.usefixtures("losses_are_read")
def test_a_validation_loss_that_is_not_finite(tmp_path):
    class OfValidation(CustomLoss):
        def forward(self, *arguments: Any) -> torch.Tensor:
            loss = super().forward(*arguments)
            return loss if self.training else loss * float("inf")

    sections = {"dataset": {"val_split": 0.25}, "cmd": {"debug": True}}
    trainer, message = stopped(FRAMES, tmp_path, optim={"loss_fn": OfValidation}, **sections)
    assert "epoch 1: the loss is inf" in message
    assert np.isfinite(trainer.predict(FRAMES)["energy"]).all()


def test_line_searches_that_end_early_leave_accepted_weights(tmp_path):
    """scipy gives up at its last trial; the model is that of the last epoch."""
    optim = {"optimizer": "lbfgs", "epochs": 400, "optimizer_args": {"line_search": 2}}
    trainer = trained(FRAMES, tmp_path, optim=optim, cmd={"debug": True})
    assert 1 < len(trainer.net.history) < 400
    for batch in trainer.net.get_iterator(trainer.train_dataset, training=False):
        loss = trainer.net.validation_step(batch)["loss"]
    assert float(loss) == pytest.approx(trainer.net.history[-1, "train_loss"], rel=1e-12)


def test_annealing_takes_no_move_to_a_loss_that_is_not_finite(tmp_path, monkeypatch):
    given = iter([1.0, float("nan"), 0.5, float("nan")])
    monkeypatch.setattr("amptorch.fit.optimizers.annealing._loss", lambda *_: next(given))
    annealing = Annealing(steps=3, updates=3)
    annealing.trace_ = []

    class Net:
        verbose = 0

    start = torch.zeros(2)
    best = annealing._search(Net(), [], start)
    assert [entry["loss"] for entry in annealing.trace_] == [1.0, 0.5, 0.5]
    assert torch.isfinite(best).all()
    assert not torch.equal(best, start)


def test_a_run_that_went_wrong_goes_on_with_a_smaller_rate(tmp_path):
    optim = {"lr": 1e150, "epochs": 4}
    model = {"activation": nn.ReLU}
    first, _ = stopped(FRAMES, tmp_path, optim=optim, model=model)
    second = AtomsTrainer(config(FRAMES, tmp_path, optim={**optim, "lr": 1e-3}, model=model))
    second.load_pretrained(first.cp_dir)
    assert np.isfinite(second.predict(FRAMES)["energy"]).all()


# Fits that learned nothing


def said(folder: Path, frames: Any = FRAMES, **sections: dict[str, Any]) -> list[str]:
    """What a run warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        trained(frames, folder, **sections)
    return [str(each.message) for each in caught if each.category is FitWarning]


POOR: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "rate": ({"optim": {"lr": 1e-9, "epochs": 5}}, "hardly moved; lr 1e-09"),
    "rate of a few frames": ({"optim": {"lr": 1e-12}}, "hardly moved; lr 1e-12"),
    "schedule": (
        {"optim": {"scheduler": {"policy": "LambdaLR", "params": {"lr_lambda": "zero"}}}},
        r"hardly moved; see lr \(0.01\) and scheduler",
    ),
    "damping": (
        {
            "optim": {
                "optimizer": "levenberg_marquardt",
                "optimizer_args": {"damping": 1e20, "tries": 1},
            }
        },
        "hardly moved",
    ),
    "start": (
        {"model": {"initialization": "zero"}, "optim": {"epochs": 12}},
        "the same for all images; see initialization 'zero'",
    ),
    "saturated": (
        {"model": {"activation": nn.Sigmoid}, "optim": {"lr": 100.0, "epochs": 12}},
        r"the same for all images; see lr \(100.0, optim\) and activation \(Sigmoid",
    ),
    "epochs": (
        {"optim": {"lr": 2e-4, "epochs": 50}},
        r"R\^2 of energies per atom is .*; see lr \(0.0002\) and epochs \(50\), or set baseline",
    ),
    "forces": (
        {
            "model": {"num_nodes": 10},
            "optim": {"force_coefficient": 0.0, "epochs": 150},
            "dataset": {"baseline": "linear"},
        },
        r"R\^2 of forces is .*; see force_coefficient \(0.0, optim\) and target_scaling",
    ),
}


def no_rate(epoch: int) -> float:
    return 0.0


@pytest.mark.parametrize("name", POOR)
def test_a_fit_that_learned_nothing_says_so(tmp_path, name):
    sections, message = POOR[name]
    if name == "schedule":
        sections["optim"]["scheduler"]["params"]["lr_lambda"] = no_rate
    frames = FRAMES[:3] if "few" in name else FRAMES
    with pytest.warns(FitWarning, match=message):
        trained(frames, tmp_path, **sections)


HEALTHY: dict[str, dict[str, dict[str, Any]]] = {
    "a try": {"optim": {"epochs": 1}},
    "small steps": {"optim": {"lr": 1e-3, "epochs": 2}},
    "sgd": {"optim": {"optimizer": torch.optim.SGD, "lr": 1e-2, "epochs": 1}},
    "energies": {"model": {"get_forces": False}, "optim": {"force_coefficient": 0, "epochs": 200}},
    "fit": {"optim": {"optimizer": "lbfgs", "epochs": 60, "force_coefficient": 1.0}},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_others_do_not(tmp_path, name):
    assert said(tmp_path, **HEALTHY[name]) == []


def test_what_does_not_vary_is_not_judged(tmp_path):
    frames = [FRAMES[0]] * 12
    assert said(tmp_path, frames, optim={"epochs": 60}, model={"get_forces": True}) == []


def test_a_verbose_run_prints_what_was_learned(tmp_path, capsys):
    trained(FRAMES, tmp_path, cmd={"verbose": True})
    assert "R^2 on images of the data set: energy " in capsys.readouterr().out


# Going on with other settings


def rates(trainer: AtomsTrainer) -> list[float]:
    return [row["event_lr"] for row in trainer.net.history if "event_lr" in row]


def gone_on(folder: Path, before: dict[str, Any], after: dict[str, Any]) -> AtomsTrainer:
    first = trained(FRAMES, folder, optim=before)
    second = AtomsTrainer(config(FRAMES, folder, optim={**before, **after}))
    second.load_pretrained(first.cp_dir)
    second.train()
    return second


@pytest.mark.parametrize(
    "optimizer", ["adam", torch.optim.SGD, "soap", "kalman", torch.optim.LBFGS]
)
def test_going_on_takes_a_new_learning_rate(tmp_path, optimizer):
    trainer = gone_on(tmp_path, {"optimizer": optimizer, "lr": 0.05}, {"lr": 0.002})
    assert trainer.net.optimizer_.param_groups[0]["lr"] == 0.002
    assert len(trainer.net.history) == 6
    third = AtomsTrainer(trainer.config)
    third.load_pretrained(trainer.cp_dir)
    third.train()
    assert third.net.optimizer_.param_groups[0]["lr"] == 0.002


def test_what_the_optimizer_remembers_stays(tmp_path):
    trainer = gone_on(tmp_path, {"lr": 0.05}, {"lr": 0.002})
    steps = [state["step"] for state in trainer.net.optimizer_.state.values()]
    assert {int(step) for step in steps} == {6}


SCHEDULES = {
    "StepLR": {"policy": "StepLR", "params": {"step_size": 1, "gamma": 0.5}},
    "WarmupCosine": {"policy": "WarmupCosine"},
    "ReduceLROnPlateau": {
        "policy": "ReduceLROnPlateau",
        "params": {"monitor": "train_loss", "patience": 50},
    },
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_begins_anew_from_a_new_rate(tmp_path, name):
    scheduler = {"scheduler": SCHEDULES[name]}
    found = rates(gone_on(tmp_path, {"lr": 0.05, **scheduler}, {"lr": 0.002}))
    alone = rates(trained(FRAMES, tmp_path, optim={"lr": 0.002, **scheduler}))
    assert found[3:] == alone


def test_a_schedule_that_is_new_or_another_begins_anew(tmp_path):
    step, cosine = ({"scheduler": SCHEDULES[name]} for name in ("StepLR", "WarmupCosine"))
    faster = {"scheduler": {"policy": "StepLR", "params": {"step_size": 1, "gamma": 0.1}}}
    for before, after in (({}, step), (step, cosine), (step, faster)):
        found = rates(gone_on(tmp_path, {"lr": 0.02, **before}, {**after, "lr": 0.04}))
        assert found[-3:] == rates(trained(FRAMES, tmp_path, optim={"lr": 0.04, **after}))
    kept = rates(gone_on(tmp_path, {"lr": 0.02, **step}, {}))
    assert kept == pytest.approx([0.02 * 0.5**k for k in range(6)])


def test_other_options_of_the_optimizer_are_taken(tmp_path):
    decay = {"optimizer_args": {"optimizer__weight_decay": 0.1}}
    group = gone_on(tmp_path, {}, decay).net.optimizer_.param_groups[0]
    assert (group["weight_decay"], group["lr"]) == (0.1, 0.01)
    group = gone_on(tmp_path, decay, {"optimizer_args": {}}).net.optimizer_.param_groups[0]
    assert group["weight_decay"] == 0


def test_another_optimizer_starts_afresh(tmp_path):
    trainer = gone_on(tmp_path, {"optimizer": "adam"}, {"optimizer": "adamw"})
    (group,) = trainer.net.optimizer_.param_groups
    assert group["weight_decay"] == 0.01
    steps = [state["step"] for state in trainer.net.optimizer_.state.values()]
    assert {int(step) for step in steps} == {3}


def test_a_run_that_is_killed_before_its_first_epoch_goes_on_with_the_new_rate(tmp_path):
    first = trained(FRAMES, tmp_path, optim={"lr": 0.05})
    second = AtomsTrainer(config(FRAMES, tmp_path, optim={"lr": 0.002}))
    second.load_pretrained(first.cp_dir)
    second._start_folder(second.cp_dir)
    third = AtomsTrainer(config(FRAMES, tmp_path, optim={"lr": 0.002}))
    third.load_pretrained(second.cp_dir)
    third.train()
    assert third.net.optimizer_.param_groups[0]["lr"] == 0.002
    straight = AtomsTrainer(config(FRAMES, tmp_path, optim={"lr": 0.002}))
    straight.load_pretrained(first.cp_dir)
    straight.train()
    assert history(third) == history(straight)
