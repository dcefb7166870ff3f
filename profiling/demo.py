"""The demo: train on the embedded frames of water on iron, evaluate on trajectories kept apart."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from amptorch.report import summary
from datasets.water_iron import SAMPLE, load

from .fit import fit

# Every tenth trajectory is kept apart, so that no test frame has a relative in training.
TEST_EVERY = 10
EPOCHS = 100


SYMMETRY_FUNCTIONS = {
    "default": {
        "G2": {"etas": [144.0], "rs_s": np.arange(0.8, 5.5, 0.5)},
        "G4": {"etas": [0.005, 7.2], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
        "cutoff": 6.0,
    }
}
"""Radial functions of 0.35 Å width every 0.5 Å, wide and narrow angular ones: 78 per element."""


def config(epochs: int, run_dir: Path) -> dict[str, Any]:
    """Targets divided by the size of the forces, per-element energies taken off, standardized
    fingerprints, small batches, a cosine schedule, float32, and the best validation forces kept."""
    return {
        "model": {"name": "bpnn", "get_forces": True, "hidden_layers": [40, 40]},
        "optim": {
            "force_coefficient": 100.0,
            "lr": 5e-3,
            "batch_size": 8,
            "epochs": epochs,
            "cp_metric": "forces",
            "scheduler": {"policy": "CosineAnnealingLR", "params": {"T_max": epochs}},
        },
        "dataset": {
            "val_split": 0.1,
            "fp_scheme": "gaussian",
            "fp_params": SYMMETRY_FUNCTIONS,
            "save_fps": False,
            "scaling": {"type": "standardize", "threshold": 1e-3},
            "target_scaling": "forces",
            "baseline": "linear",
        },
        "cmd": {
            "run_dir": str(run_dir),
            "seed": 0,
            "identifier": "demo",
            "dtype": torch.FloatTensor,
        },
    }


def kept_apart(frames: Sequence[Atoms]) -> tuple[list[Atoms], list[Atoms]]:
    """Training and test frames; no trajectory is in both."""
    train = [frame for frame in frames if frame.info["trajectory"] % TEST_EVERY]
    test = [frame for frame in frames if frame.info["trajectory"] % TEST_EVERY == 0]
    return train, test


def add_command(commands: Any) -> None:
    """Add ``demo`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("demo", help=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/demo"), help="folder to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--frames", type=int, help="use only the first frames of the sample")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    train, test = kept_apart(load(arguments.frames))
    settings = config(arguments.epochs, arguments.out)
    report = fit("Demo: water on iron", train, test, settings, SAMPLE, arguments.out)
    print(f"\n{summary(report)}\n\nreport: {arguments.out / 'report.md'}")
