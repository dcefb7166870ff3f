"""Fit on some images, evaluate on others, and write a report of it.

``python -m profiling fit --data FILE`` does so with the configuration of the original's examples.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read

from amptorch import AtomsTrainer

from . import fit_plots
from .fit_errors import Evaluation, by_element, evaluate
from .machine import describe

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
    """Train, evaluate, write ``report.json``, ``report.md`` and plots to ``out``.

    Args:
        name: title of the report.
        train, test: images.
        config: of the trainer; the training images are put in.
        data: file that the images come from, named with its checksum.

    Returns:
        What ``report.json`` holds.
    """
    out.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    trainer = AtomsTrainer({**config, "dataset": {**config["dataset"], "raw_data": train}})
    trainer.train()
    seconds = time.perf_counter() - begun
    evaluations = {"training": evaluate(trainer, train), "test": evaluate(trainer, test)}
    history = trainer.net.history.to_list()
    report = {
        "name": name,
        "data": describe_data(data, train, test),
        "machine": describe(),
        "epochs": len(history),
        "seconds": {
            "data set and training": seconds,
            "an epoch": float(np.median([row["dur"] for row in history])),
        },
        "errors": {kind: each.errors() for kind, each in evaluations.items()},
        "test_force_errors_by_element": by_element(test, evaluations["test"].forces),
    }
    _write(out, report, history, evaluations)
    return report


def describe_data(data: Path, train: Sequence[Atoms], test: Sequence[Atoms]) -> dict[str, Any]:
    """File, checksum, numbers of frames and of their atoms."""
    sizes = [len(image) for image in (*train, *test)]
    return {
        "file": data.name,
        "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "training_frames": len(train),
        "test_frames": len(test),
        "atoms": [min(sizes), max(sizes)],
    }


def _write(
    out: Path,
    report: dict[str, Any],
    history: Sequence[dict[str, Any]],
    evaluations: dict[str, Evaluation],
) -> None:
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (out / "report.md").write_text(_markdown(report), encoding="utf-8")
    fit_plots.learning_curve(history, out / "learning_curve.png")
    for quantity in ("energy", "forces"):
        fit_plots.parity(evaluations, quantity, out / f"parity_{quantity}.png")
        fit_plots.error_histogram(evaluations, quantity, out / f"errors_{quantity}.png")


def summary(report: dict[str, Any]) -> str:
    """The table of errors."""
    lines = [
        "| | energy RMSE (meV/atom) | energy MAE (meV/atom) "
        "| force RMSE (eV/Å) | force MAE (eV/Å) |",
        "|---|---|---|---|---|",
    ]
    for kind, errors in report["errors"].items():
        energy, forces = errors["energy"], errors["forces"]
        lines.append(
            f"| {kind} | {1000 * energy['rmse']:.1f} | {1000 * energy['mae']:.1f} "
            f"| {forces['rmse']:.3f} | {forces['mae']:.3f} |"
        )
    return "\n".join(lines)


def _markdown(report: dict[str, Any]) -> str:
    data, machine, seconds = report["data"], report["machine"], report["seconds"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return f"""# {report["name"]}

Trained on {data["training_frames"]} frames of {data["atoms"][0]} to {data["atoms"][1]} atoms of
`{data["file"]}`, evaluated on {data["test_frames"]} frames kept apart.

{summary(report)}

{report["epochs"]} epochs; data set and training {seconds["data set and training"]:.0f} s, an epoch
{seconds["an epoch"]:.2f} s.

![Learning curve](learning_curve.png)
![Energies](parity_energy.png) ![Forces](parity_forces.png)
![Energy errors](errors_energy.png) ![Force errors](errors_forces.png)

Machine: {machine["processor"]}, {machine["cores"]} cores, {machine["threads"]} threads, Python
{machine["python"]}, {packages}. Data: sha256 {data["sha256"]}.
"""


def add_command(commands: Any) -> None:
    """Add ``fit`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("fit", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--test", type=int, default=40, help="frames kept apart, the last ones")
    parser.add_argument("--epochs", type=int, default=20)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    frames = read(arguments.data, ":")
    train, test = frames[: -arguments.test], frames[-arguments.test :]
    config = original_config(arguments.epochs, arguments.out)
    report = fit(
        "Fit of the original's configuration", train, test, config, arguments.data, arguments.out
    )
    print(f"\n{summary(report)}\n\nreport: {arguments.out / 'report.md'}")
