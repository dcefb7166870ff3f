"""The demo: train on the embedded frames of water on iron, evaluate on trajectories kept apart."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from datasets.water_iron import SAMPLE, load

from .fit import fit, original_config, summary

# Every tenth trajectory is kept apart, so that no test frame has a relative in training.
TEST_EVERY = 10
EPOCHS = 100


def config(epochs: int, run_dir: Path) -> dict[str, Any]:
    """The original's example with what the years since have taught: per-element energies taken
    off, standardized fingerprints, smaller batches, a cosine schedule, and a validation part."""
    config = original_config(epochs, run_dir)
    config["optim"].update(
        batch_size=8,
        scheduler={"policy": "CosineAnnealingLR", "params": {"T_max": epochs}},
    )
    config["dataset"].update(val_split=0.1, scaling={"type": "standardize"}, baseline="linear")
    config["cmd"].update(identifier="demo")
    return config


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
