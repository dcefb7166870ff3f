"""Training that is killed again and again ends as if it had never been."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import amptorch.fit.state
from amptorch import AtomsTrainer
from amptorch.files import checkpoint
from amptorch.fit import resume

from ..dataset.test_training_data import store
from ..made_potentials import alloy_frames, config

FRAMES = alloy_frames(12)
# More than are done until the last kill on most machines: an epoch with a new best model does more
# with files than another, and a fast machine does more of them in a time.
EPOCHS = 100
KILLS = 20
# Things done with files until a kill: more than a start and fewer than some epochs take.
MOST_EVENTS = 90
# Seconds more until it: in which a part of an epoch is done.
LONGEST = 0.01


def configuration(path: Path, run_dir: Path) -> dict[str, Any]:
    """Shuffled batches read ahead, a validation part, dropped nodes, averaged weights, a schedule:
    all that has a state."""
    return config(
        None,
        run_dir,
        model={"dropout": True, "dropout_rate": 0.2},
        optim={
            "epochs": EPOCHS,
            "batch_size": 4,
            "ema": 0.9,
            "scheduler": {"policy": "WarmupCosine", "params": {"total": EPOCHS, "warmup": 4}},
        },
        dataset={"raw_data": None, "fp_params": None, "lmdb_path": [str(path)], "val_split": 0.25},
    )


class Killer:
    """Audit hook that ends this process some time after so many things were done with files of a
    folder; at once, before it is done, if the time is 0."""

    def __init__(self, folder: Path, events: int, seconds: float, log: Path) -> None:
        self.folder, self.left, self.seconds, self.log = str(folder), events, seconds, log

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[0] if arguments else None
        if not isinstance(path, (str, os.PathLike)) or self.folder not in os.fspath(path):
            return
        self.left -= 1
        if self.left == 0:
            descriptor = os.open(self.log, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
            os.write(descriptor, f"{event}\n".encode())
            if self.seconds == 0.0:
                end()
            threading.Thread(target=lambda: (time.sleep(self.seconds), end()), daemon=True).start()


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def newest_checkpoint(run_dir: Path) -> Path | None:
    """The folder to go on from, None if training has to begin anew."""
    folders = [path.parent for path in run_dir.glob("checkpoints/[!.]*/params.pt")]
    return max(
        folders, key=lambda folder: (folder / checkpoint.RESUME).stat().st_mtime_ns, default=None
    )


def train(path: Path, run_dir: Path, result: Path, kill: tuple[int, float, Path] | None) -> None:
    """Go on with a run, or begin it, and write what it ends with."""
    torch.set_num_threads(1)
    amptorch.fit.state.INTERVAL = 0.0
    if kill is not None:
        sys.addaudithook(Killer(run_dir, *kill))
    trainer = AtomsTrainer(configuration(path, run_dir))
    newest = newest_checkpoint(run_dir)
    if newest is not None:
        trainer.load_pretrained(newest)
    trainer.train()
    history = [
        {name: value for name, value in row.items() if name not in ("dur", "event_cp")}
        for row in trainer.net.history.to_list()
    ]
    predicted = trainer.predict(FRAMES)
    forces = torch.from_numpy(np.concatenate(predicted["forces"]))
    energies = torch.tensor(predicted["energy"])
    state = trainer.model.state_dict()
    torch.save(
        {"history": json.dumps(history), "weights": state, "predicted": [energies, forces]}, result
    )


def test_a_run_killed_at_twenty_moments_ends_as_one_that_was_not(tmp_path, start):
    """The same history, batch by batch, weights and predictions, bit for bit."""
    path = Path(store(tmp_path / "frames.lmdb", FRAMES))
    log, random = tmp_path / "log", np.random.default_rng(5)
    reached: list[int] = []
    process = None
    while process is None or process.exitcode != 0:
        seconds = 0.0 if len(reached) % 2 else random.uniform(0.0, LONGEST)
        kill = (int(random.integers(1, MOST_EVENTS)), seconds, log)
        chosen = kill if len(reached) < KILLS else None
        process = start(train, path, tmp_path / "killed", tmp_path / "killed.pt", chosen)
        process.join()
        if process.exitcode != 0:
            assert chosen is not None
            assert process.exitcode == -signal.SIGKILL
            newest = newest_checkpoint(tmp_path / "killed")
            reached.append(resume.read(newest)["epochs"] if newest else 0)
    assert reached == sorted(reached)
    assert len(reached) > KILLS // 2  # a fast machine may come to the end before the last kill
    assert 5 < len(set(reached)) < len(reached)  # some in a start, most of them later
    assert len(set(log.read_text(encoding="ascii").split())) > 1
    whole = start(train, path, tmp_path / "whole", tmp_path / "whole.pt", None)
    whole.join()
    assert whole.exitcode == 0
    found, expected = (torch.load(tmp_path / f"{name}.pt") for name in ("killed", "whole"))
    histories = [json.loads(each["history"]) for each in (found, expected)]
    assert len(histories[1]) == EPOCHS
    assert histories[0] == histories[1]
    for name, value in expected["weights"].items():
        assert torch.equal(found["weights"][name], value), name
    for one, other in zip(found["predicted"], expected["predicted"], strict=True):
        assert torch.equal(one, other)
