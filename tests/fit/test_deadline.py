"""Training within a time, by a clock that the tests move."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from skorch.callbacks import LRScheduler

from amptorch.config import CmdConfig
from amptorch.fit import clock
from amptorch.fit.deadline import Deadline
from amptorch.fit.progress import EpochTable, duration
from amptorch.fit.schedules import WarmupCosine


class Run:
    """A net as far as the callback looks at it, whose epochs take as long as is said."""

    def __init__(self, monkeypatch, limit: float, epochs: int) -> None:
        self.now = 100.0
        monkeypatch.setattr(clock.time, "monotonic", lambda: self.now)
        self.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = LRScheduler(WarmupCosine, total=epochs)
        schedule.lr_scheduler_ = WarmupCosine(self.optimizer, total=epochs)
        self.schedule = schedule.lr_scheduler_
        self.net = SimpleNamespace(max_epochs=epochs, callbacks_=[("lr_scheduler", schedule)])
        cmd = CmdConfig(time_limit=limit)
        cmd.begun = self.now
        self.callback = Deadline(clock.Clock(cmd))
        self.callback.on_train_begin(self.net)

    def epoch(self, seconds: float) -> float:
        """The learning rate after an epoch."""
        self.now += seconds
        self.optimizer.step()
        self.schedule.step()
        self.callback.on_epoch_end(self.net)
        return self.schedule.get_last_lr()[0]

    def until_it_ends(self, seconds: float) -> list[float]:
        """Learning rates after all epochs."""
        rates = []
        try:
            while len(rates) < 1000:
                rates.append(self.epoch(seconds))
        except KeyboardInterrupt:
            return [*rates, self.schedule.get_last_lr()[0]]
        raise AssertionError("it did not end")


def test_as_many_epochs_as_there_is_time_for(monkeypatch):
    """A hundred seconds, of which two are spared: 98 epochs of a second."""
    run = Run(monkeypatch, 100.0, 1000)
    rates = run.until_it_ends(1.0)
    assert len(rates) == 98
    assert run.net.max_epochs == 98
    assert rates[48] == pytest.approx(0.5, abs=0.02)
    assert rates[-1] < 1e-3


def test_epochs_that_become_slower(monkeypatch):
    run = Run(monkeypatch, 100.0, 1000)
    for _ in range(40):
        run.epoch(1.0)
    rates = run.until_it_ends(4.0)
    assert len(rates) == 14
    assert run.now <= 198.0
    assert rates[-1] < 0.02


def test_time_enough(monkeypatch):
    run = Run(monkeypatch, 100.0, 5)
    rates = [run.epoch(1.0) for _ in range(5)]
    assert run.net.max_epochs == 5
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_there_is_always_one_epoch(monkeypatch):
    run = Run(monkeypatch, 1.0, 10)
    with pytest.raises(KeyboardInterrupt):
        run.epoch(60.0)
    assert run.net.max_epochs == 1


def test_the_table_says_what_is_left(capsys):
    rows = [
        {"epoch": k + 1, "train_loss": 1.0, "train_loss_best": True, "dur": 2.0} for k in range(3)
    ]
    net = SimpleNamespace(history=[], max_epochs=40, verbose=1)
    table = EpochTable().initialize()
    table.on_train_begin(net)
    for row in rows:
        net.history.append(row)
        table.on_epoch_end(net)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1] == "left"
    assert [line.split()[-1] for line in lines[2:]] == ["1:18", "1:16", "1:14"]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("seconds", "text"), [(3.4, "0:03"), (61, "1:01"), (3723, "1:02:03")])
def test_durations(seconds, text):
    assert duration(seconds) == text
