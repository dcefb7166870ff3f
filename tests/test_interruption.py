"""A Ctrl-C that something took for an answer still ends training."""

from __future__ import annotations

import os
import signal

import pytest

from amptorch import AtomsTrainer
from amptorch.fit.net import AtomsNet
from amptorch.processes import interruption

from .made_potentials import config, cuco_frames


@pytest.fixture(autouse=True)
def _python_s_own_handler():
    """Programs that run in the background may have been told to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def lost() -> None:
    """Ctrl-C, and code that does not let the exception through, as C++ may."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        return
    raise AssertionError("nothing was raised")


def test_training_ends(run_dir, monkeypatch):
    step, epochs = AtomsNet.train_step, []

    def interrupted(self, *args, **options):
        if len(self.history) == 3 and not epochs:
            epochs.append(3)
            lost()
        return step(self, *args, **options)

    monkeypatch.setattr(AtomsNet, "train_step", interrupted)
    trainer = AtomsTrainer(config(cuco_frames(4), run_dir, optim={"epochs": 50}))
    trainer.train()
    assert epochs == [3]
    assert len(trainer.net.history) == 3
    interruption.raise_if_lost()  # nothing is left over


def test_a_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with interruption.watched():
        lost()
        with pytest.raises(KeyboardInterrupt):
            interruption.raise_if_lost()
        interruption.raise_if_lost()
    assert signal.getsignal(signal.SIGINT) is before
