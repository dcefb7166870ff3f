"""The demo, on the embedded frames of water on iron: the original against this package, then a
potential that is trained on them and evaluated on trajectories kept apart."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from amptorch.report import errors_table
from datasets.water_iron import SAMPLE, load

from .compare import Options, add_comparison
from .fit import fit, original_config
from .report import Report, Section, finish, typed

# Every tenth trajectory is kept apart, so that no test frame has a relative in training.
TEST_EVERY = 10
EPOCHS = 60
# Frames that the original does, and passes over them: seconds, not minutes.
SAMPLE_FRAMES, REPEATS = 10, 3
ERRORS = "Errors of the trained potential"
SHOWN = ("From the file to the trained potential", "Stages", ERRORS)
SMOKE = ["--frames", "12", "--epochs", "1", "--sample", "2", "--repeats", "1", "--out", "{out}"]


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
    fingerprints, SOAP in small batches, a cosine schedule, float32, and the best validation forces
    kept."""
    return {
        "model": {"name": "bpnn", "get_forces": True, "hidden_layers": [40, 40]},
        "optim": {
            "optimizer": "soap",
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
    summary = " ".join(__doc__.split())
    parser: argparse.ArgumentParser = commands.add_parser("demo", help=summary)
    parser.add_argument("--out", type=Path, default=Path("reports/demo"), help="folder to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--frames", type=int, help="use only the first frames of the embedded ones")
    parser.add_argument("--sample", type=int, default=SAMPLE_FRAMES, help="frames of the original")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="passes for each stage")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    options = {name: getattr(arguments, name) for name in ("epochs", "frames", "sample", "repeats")}
    report = Report("demo", "Demo: water on iron", typed("demo", **options))
    _compare(report, **options)
    train, test = kept_apart(load(arguments.frames))
    folder = arguments.out / "fit"
    settings = config(arguments.epochs, arguments.out)
    fitted = fit("Demo: water on iron", train, test, settings, SAMPLE, folder)
    text = (
        f"Trained on {len(train)} frames, with {arguments.epochs} epochs and settings of its own; "
        "the test frames are of trajectories kept apart. More in "
        "[the report of the fit](fit/report.html)."
    )
    report.sections.append(Section(ERRORS, [text], [errors_table(fitted["errors"])]))
    finish(report, arguments.out, SHOWN)


def _compare(report: Report, epochs: int, frames: int | None, sample: int, repeats: int) -> None:
    """The original against this package, on one thread."""
    settings = original_config(epochs, Path())
    options = Options(SAMPLE, settings, frames=frames, original_frames=sample, repeats=repeats)
    with tempfile.TemporaryDirectory() as work:
        add_comparison(report, options, Path(work))
