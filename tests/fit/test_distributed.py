"""Two processes that share every batch train as one process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.data import memory
from amptorch.processes import group
from amptorch.store import build_store

from ..made_potentials import COSINE, GAUSSIAN, config, history
from ..processes import in_group
from ..shared_training import RUNS, frames, result, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """Folder of the runs, and what each of two processes got."""
    folder = tmp_path_factory.mktemp("shared")
    setup = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])
    build_store(frames(), folder / "frames.lmdb", setup, torch.float64, verbose=False, processes=1)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node=2", "-m", "tests.shared_training", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return folder, [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_take_the_steps_of_one(shared, name, tmp_path):
    folder, (first, _) = shared
    assert first["processes"] == 2
    (tmp_path / "frames.lmdb").symlink_to(folder / "frames.lmdb")
    alone = AtomsTrainer(settings(name, tmp_path, frames()))
    alone.train()
    expected = result(alone, frames())
    assert len(expected["history"]) == 5
    for epoch, (one, other) in enumerate(
        zip(first[name]["history"], expected["history"], strict=True)
    ):
        assert one == pytest.approx(other, rel=1e-9), f"epoch {epoch + 1}"
    assert first[name]["energies"] == pytest.approx(expected["energies"], rel=1e-9)


@pytest.mark.parametrize("name", [*RUNS, "in two parts", "dropout", "diverged"])
def test_all_processes_end_with_the_same_model(shared, name):
    _, (first, second) = shared
    assert second[name] == first[name]


def test_a_run_in_two_parts_is_one_run(shared):
    _, (first, _) = shared
    for one, other in zip(first["in two parts"]["history"], first["store"]["history"], strict=True):
        assert one == pytest.approx(other, rel=1e-9)


def test_only_one_process_writes(shared):
    folder, _ = shared
    runs = list((folder / "checkpoints").iterdir())
    # Those of the test, one that has two parts, one that diverges, and one with dropped nodes.
    assert len(runs) == len(RUNS) + 2 + 1 + 1
    held = [{path.name for path in run.iterdir()} for run in runs]
    assert all({"params.pt", "config.pt"} <= names for names in held)
    # The one that diverges may do so before its first epoch ends.
    assert sum("history.json" in names for names in held) >= len(runs) - 1


def test_dropped_nodes_do_not_part_the_processes(shared):
    _, (first, _) = shared
    assert np.isfinite([row["train_loss"] for row in first["dropout"]["history"]]).all()


def test_a_loss_that_is_not_finite_ends_all_processes_alike(shared):
    _, (first, _) = shared
    message, energies = first["diverged"]
    assert message.startswith("training: epoch 1: the loss is")
    assert np.isfinite(energies).all()


def failing(folder: Path, sections: dict[str, Any]) -> None:
    """A run of one of several processes; its error is written."""
    try:
        AtomsTrainer(config(frames(), folder, **sections)).train()
    except (ValueError, RuntimeError) as error:
        (folder / f"error{os.environ['RANK']}").write_text(str(error))
        raise


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"batchnorm": True}}, "model: batchnorm would see a part of each batch"),
        ({"dataset": {"fp_params": {"default": {"G3": {}}}}}, "G3"),
    ],
)
def test_errors_end_all_processes(start, tmp_path, sections, message):
    assert in_group(start, failing, tmp_path, sections) == [1, 1]
    assert any(message in path.read_text() for path in tmp_path.glob("error*"))
    assert not (tmp_path / "checkpoints").exists()


def large(folder: Path) -> None:
    """A run of one of several processes, whose frames do not fit in memory."""
    memory.check_memory = lambda: (1e-6, 100.0)
    trainer = AtomsTrainer(config(frames(), folder, dataset={"derivatives": "cached"}))
    trainer.train()
    rank, _ = group.start()
    (folder / f"rank{rank}.json").write_text(json.dumps(history(trainer)))


def test_one_process_builds_the_store_of_all(start, tmp_path):
    assert in_group(start, large, tmp_path) == [0, 0]
    assert len(list((tmp_path / "processed").glob("*.lmdb"))) == 1
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert one == other
    assert len(one) == 3
