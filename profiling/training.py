"""Seconds of an epoch of training, and of its stages, with the configuration of the original.

The losses are first compared with those of the slow path: torch's own layers under autograd, and
derivatives of fingerprints as sparse matrices, as the original has both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from amptorch import AtomsTrainer
from amptorch.report.machine import describe

from .fit import original_config

ORIGINAL_EPOCH = 8.8
"""Seconds of an epoch of 360 frames of water on iron in the original, on 2 cores."""

AGREEMENT = {"float64": 1e-9, "float32": 1e-4}
CHECKED_FRAMES, CHECKED_EPOCHS = 16, 5


class PlainTanh(torch.nn.Tanh):
    """Not known to the kernel of the networks, so that torch's layers run."""


def trainer_of(
    images: Sequence[Atoms], dtype: str, epochs: int, run_dir: str, slow: bool = False
) -> AtomsTrainer:
    """A trainer that has its data."""
    config = original_config(epochs, Path(run_dir))
    config["dataset"]["raw_data"] = list(images)
    tensor = {"float64": torch.DoubleTensor, "float32": torch.FloatTensor}[dtype]
    config["cmd"].update(dtype=tensor, verbose=False)
    if slow:
        config["model"]["activation"] = PlainTanh
    trainer = AtomsTrainer(config)
    trainer.load()
    if slow:
        for data in trainer.train_dataset.data_list:
            data.fprimes = data.fprimes
    return trainer


def losses(trainer: AtomsTrainer) -> list[float]:
    """Train; the loss of every epoch."""
    trainer.net.fit(trainer.train_dataset, None)
    return [row["train_loss"] for row in trainer.net.history]


def disagreement(images: Sequence[Atoms], dtype: str, run_dir: str) -> float:
    """Largest relative difference between the losses of the fast and the slow path.

    Raises:
        AssertionError: more than ``AGREEMENT``.
    """
    images = images[:CHECKED_FRAMES]
    fast, slow = (
        np.array(losses(trainer_of(images, dtype, CHECKED_EPOCHS, run_dir, slow)))
        for slow in (False, True)
    )
    error = float(np.abs(fast / slow - 1).max())
    assert error < AGREEMENT[dtype], f"losses differ from the slow path's by {error:.1e}"
    return error


def stages(trainer: AtomsTrainer) -> dict[str, float]:
    """Median milliseconds of the parts of a step, by themselves."""
    net, dataset = trainer.net, trainer.train_dataset
    collate, model = net.iterator_train__collate_fn, trainer.model
    durations: dict[str, list[float]] = {}
    for batch_of in torch.randperm(len(dataset)).split(net.batch_size):
        images = [dataset[int(index)] for index in batch_of]
        times = [time.perf_counter()]
        batch, targets = collate(images)
        times.append(time.perf_counter())
        energies, slope = model.energies_and_gradient(batch, gradient=True)
        times.append(time.perf_counter())
        prediction = energies, batch.primes.forces(slope)
        times.append(time.perf_counter())
        loss = net.criterion_(prediction, targets)
        times.append(time.perf_counter())
        net.optimizer_.zero_grad()
        loss.backward()
        times.append(time.perf_counter())
        net.optimizer_.step()
        times.append(time.perf_counter())
        names = ("collation", "networks", "forces", "loss", "backward", "optimizer")
        for name, seconds in zip(names, np.diff(times), strict=True):
            durations.setdefault(name, []).append(1000 * float(seconds))
    return {name: float(np.median(values)) for name, values in durations.items()}


def measure(images: Sequence[Atoms], dtype: str, epochs: int, threads: int) -> dict[str, Any]:
    """Compare with the slow path, then train and take the time."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as run_dir:
        error = disagreement(images, dtype, run_dir)
        begun = time.perf_counter()
        trainer = trainer_of(images, dtype, epochs, run_dir)
        load = time.perf_counter() - begun
        losses(trainer)
        total = time.perf_counter() - begun
        parts = stages(trainer)
    history = trainer.net.history.to_list()
    epoch = float(np.median([row["dur"] for row in history]))
    parts["the rest (skorch, metrics, files)"] = 1000 * epoch / history[-1][
        "train_batch_count"
    ] - sum(parts.values())
    return {
        "name": "training",
        "machine": describe(),
        "dtype": dtype,
        "frames": len(images),
        "atoms": [min(map(len, images)), max(map(len, images))],
        "epochs": epochs,
        "loss_disagreement": error,
        "seconds": {"load": load, "an epoch": epoch, "load and training": total},
        "milliseconds_of_a_step": parts,
    }


def markdown(report: dict[str, Any]) -> str:
    """The report in words."""
    seconds, machine = report["seconds"], report["machine"]
    lines = [
        f"{report['frames']} frames of {report['atoms'][0]} to {report['atoms'][1]} atoms, "
        f"{report['dtype']}, {machine['threads']} threads, {machine['processor']}",
        "",
        f"Losses differ from the slow path's by at most {report['loss_disagreement']:.1e}.",
        "",
        "| | seconds |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in seconds.items()),
        "",
        f"{report['epochs']} epochs. The original takes {ORIGINAL_EPOCH} s for an epoch of 360 "
        f"frames of 164 atoms on 2 cores, {ORIGINAL_EPOCH / seconds['an epoch']:.0f} times this.",
        "",
        "| stage of a step | milliseconds |",
        "|---|---|",
        *(f"| {name} | {value:.2f} |" for name, value in report["milliseconds_of_a_step"].items()),
    ]
    return "\n".join(lines)


def add_command(commands: Any) -> None:
    """Add ``training`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("training", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--out", type=Path, help="folder to write")
    parser.add_argument("--frames", type=int, help="use only the first frames")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=list(AGREEMENT), default="float64")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    images = read(arguments.data, ":")[: arguments.frames]
    report = measure(images, arguments.dtype, arguments.epochs, arguments.threads)
    text = markdown(report)
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        stem = arguments.out / arguments.dtype
        stem.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        stem.with_suffix(".md").write_text(f"# Training\n\n{text}\n", encoding="utf-8")
