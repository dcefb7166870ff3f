"""The scripts for Slurm, run where ``srun`` and ``scontrol`` are played by two lines of shell."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest

from amptorch.store import open_store

from .made_potentials import GAUSSIAN, cuco_frames

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "docs" / "slurm"
TRAIN = """
import ase.io
from amptorch import AtomsTrainer
from tests.made_potentials import config

AtomsTrainer(config(ase.io.read("frames.traj", ":"), ".")).train()
"""


def sbatch(script: str, folder: Path, *arguments: str, cores: int = 2) -> None:
    """Run a script as Slurm would on one node."""
    tools = folder / "bin"
    tools.mkdir()
    for name, line in {
        "srun": 'exec "$@"',
        "scontrol": "echo localhost",
        "hostname": "echo 127.0.0.1",
        "torchrun": f'exec "{sys.executable}" -m torch.distributed.run "$@"',
        "dask": f'exec "{sys.executable}" -m dask "$@"',
        "python": f'exec "{sys.executable}" "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_CPUS_PER_TASK": str(cores),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
    # Into a file: what is left running in the background would keep a pipe open.
    with open(folder / "slurm.out", "w", encoding="utf-8") as out:
        done = subprocess.run(
            ["bash", str(SCRIPTS / script), *arguments],
            cwd=folder,
            env={**os.environ, **slurm},
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
    assert done.returncode == 0, (folder / "slurm.out").read_text()


@pytest.fixture
def folder(tmp_path) -> Path:
    ase.io.write(tmp_path / "frames.traj", cuco_frames(6))
    (tmp_path / "train.py").write_text(TRAIN)
    config = {"fp_scheme": "gaussian", "fp_params": GAUSSIAN}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    return tmp_path


def test_training(folder):
    sbatch("train.sbatch", folder, "train.py")
    (run,) = (folder / "checkpoints").iterdir()
    assert len(json.loads((run / "history.json").read_text())) >= 1


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the package distributed"
)
def test_fingerprints(folder):
    arguments = ["frames.traj", "--config", "config.yaml", "--out", "frames.json"]
    sbatch("fingerprint.sbatch", folder, *arguments, cores=1)
    assert len(open_store(folder / "frames.json")) == 6
