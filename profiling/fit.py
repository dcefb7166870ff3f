"""Fit on some images, evaluate on others, and write a report of it.

``python -m profiling fit --data FILE`` does so with the configuration of the original's examples.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read

from amptorch import AtomsTrainer
from amptorch.report import Part, summary, training_parts, write_report

from .report import default_folder

SMOKE = ["--data", "{data}", "--test", "2", "--epochs", "1", "--out", "{out}"]

SYMMETRY_FUNCTIONS = {
    "default": {
        "G2": {"etas": np.logspace(np.log10(0.05), np.log10(5.0), num=4), "rs_s": [0]},
        "G4": {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
        "cutoff": 6.0,
    }
}
"""The set of the original's examples: 36 functions for three elements."""


def original_config(epochs: int, run_dir: Path) -> dict[str, Any]:
    """Networks of 3 x 20 nodes, batches of 16, as in the original's examples."""
    return {
        "model": {"name": "bpnn", "get_forces": True, "num_layers": 3, "num_nodes": 20},
        "optim": {"force_coefficient": 0.04, "lr": 1e-2, "batch_size": 16, "epochs": epochs},
        "dataset": {
            "val_split": 0,
            "fp_scheme": "gaussian",
            "fp_params": SYMMETRY_FUNCTIONS,
            "save_fps": False,
        },
        "cmd": {"run_dir": str(run_dir), "seed": 1, "identifier": "fit"},
    }


def fit(
    name: str,
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    config: Mapping[str, Any],
    data: Path,
    out: Path,
) -> dict[str, Any]:
    """Train, evaluate, and write the report of ``amptorch.report`` to ``out``.

    Args:
        name: title of the report.
        train, test: images.
        config: of the trainer; the training images are put in.
        data: file that the images come from, named with its checksum.

    Returns:
        What ``report.json`` holds.
    """
    begun = time.perf_counter()
    trainer = AtomsTrainer({**config, "dataset": {**config["dataset"], "raw_data": train}})
    trainer.train()
    seconds = time.perf_counter() - begun
    parts = {**training_parts(trainer, train, data), "test": Part(test, data)}
    return write_report(trainer, parts, out, name, seconds)


def add_command(commands: Any) -> None:
    """Add ``fit`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("fit", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-fit")
    parser.add_argument("--test", type=int, default=40, help="frames kept apart, the last ones")
    parser.add_argument("--epochs", type=int, default=20)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    frames = read(arguments.data, ":")
    train, test = frames[: -arguments.test], frames[-arguments.test :]
    out = arguments.out or default_folder("fit")
    config = original_config(arguments.epochs, out)
    report = fit("Fit of the original's configuration", train, test, config, arguments.data, out)
    print(f"\n{summary(report)}\n\nreport: {out / 'report.html'}")
