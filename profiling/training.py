"""Seconds of an epoch of training, and of its stages, with the configuration of the original.

The losses are first compared with those of the slow path: torch's own layers under autograd, and
derivatives of fingerprints as sparse matrices, as the original has both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from amptorch import AtomsTrainer

from .fit import original_config
from .original import published
from .report import Data, Figure, Report, Section, finish, typed
from .report.plots import bars

AGREEMENT = {"float64": 1e-9, "float32": 1e-4}
CHECKED_FRAMES, CHECKED_EPOCHS = 16, 5
STAGES = ("collation", "networks", "forces", "loss", "backward", "optimizer")
SMOKE = ["--data", "{data}", "--epochs", "2", "--out", "{out}"]


class PlainTanh(torch.nn.Tanh):
    """Not known to the kernel of the networks, so that torch's layers run."""


def trainer_of(
    images: Sequence[Atoms],
    dtype: str,
    epochs: int,
    run_dir: str,
    slow: bool = False,
    model: Mapping[str, Any] | None = None,
) -> AtomsTrainer:
    """A trainer that has its data."""
    config = original_config(epochs, Path(run_dir))
    config["model"].update(model or {})
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
    """Largest relative difference between the losses of the fast and the slow path."""
    images = images[:CHECKED_FRAMES]
    fast, slow = (
        np.array(losses(trainer_of(images, dtype, CHECKED_EPOCHS, run_dir, slow)))
        for slow in (False, True)
    )
    return float(np.abs(fast / slow - 1).max())


def stages(trainer: AtomsTrainer) -> dict[str, list[float]]:
    """Milliseconds of the parts of a step, by themselves, once for each batch of an epoch."""
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
        for name, seconds in zip(STAGES, np.diff(times), strict=True):
            durations.setdefault(name, []).append(1000 * float(seconds))
    return durations


WAYS: dict[str, dict[str, Any]] = {
    "kernel": {},
    "autograd": {},
    "softplus": {"activation": torch.nn.Softplus},
    "fixed mask": {"element_mask": "fixed"},
}
"""Ways to train: all by one kernel, the same by operators under autograd, and other networks."""


def in_turns(
    trainer: AtomsTrainer, images: Sequence[Atoms], dtype: str, epochs: int, run_dir: str
) -> tuple[dict[str, list[float]], float]:
    """Seconds of epochs of each way, one after the other, and the largest relative difference
    between the losses of the first two."""
    nets = {}
    for name, model in WAYS.items():
        other = trainer_of(images[:2], dtype, 1, run_dir, model=model)
        nets[name] = other.net
        other.net.max_epochs = 1
        if name == "autograd":
            # Whoever looks on sees the general way.
            other.model.register_forward_hook(lambda *_: None)
    for epoch in range(epochs + 1):
        for net in nets.values():
            torch.manual_seed(epoch)
            net.partial_fit(trainer.train_dataset, None)
    # The first of each counts what is made only once.
    seconds = {name: [row["dur"] for row in net.history[1:]] for name, net in nets.items()}
    one, other_loss = (
        np.array([row["train_loss"] for row in nets[name].history])
        for name in ("kernel", "autograd")
    )
    return seconds, float(np.abs(one / other_loss - 1).max())


def compare_ways(
    report: Report,
    trainer: AtomsTrainer,
    images: Sequence[Atoms],
    dtype: str,
    epochs: int,
    run_dir: str,
) -> None:
    """Add epochs of all ways in turns."""
    seconds, error = in_turns(trainer, images, dtype, epochs, run_dir)
    report.check(
        "losses by the kernel and by autograd, relative difference", error, AGREEMENT[dtype]
    )
    found = {name: report.measure(f"in turns/{name}", each, "s") for name, each in seconds.items()}
    base = found["autograd"].median
    text = [
        "The same data and weights, epochs one after the other in one process: one kernel for loss "
        "and gradient, operators under autograd, and other networks by the kernel. Of autograd's "
        "epoch they take "
        + ", ".join(f"{each.median / base:.2f} ({name})" for name, each in found.items())
        + ".",
    ]
    bar = Figure("in_turns", bars(list(found.values())))
    report.sections.append(Section("One kernel, autograd, and other networks", text, figures=[bar]))


def measure(report: Report, images: Sequence[Atoms], dtype: str, epochs: int) -> None:
    """Compare with the slow path, then train and take the time; add all to a report."""
    with tempfile.TemporaryDirectory() as run_dir:
        error = disagreement(images, dtype, run_dir)
        what = "losses of the fast and the slow path, relative difference"
        report.check(what, error, AGREEMENT[dtype])
        begun = time.perf_counter()
        trainer = trainer_of(images, dtype, epochs, run_dir)
        load = time.perf_counter() - begun
        losses(trainer)
        total = time.perf_counter() - begun
        parts = stages(trainer)
        compare_ways(report, trainer, images, dtype, epochs, run_dir)
    history = trainer.net.history.to_list()
    batches = history[-1]["train_batch_count"]
    epoch = report.measure("training/epoch", [row["dur"] for row in history], "s")
    report.measure("training/load", [load], "s")
    whole = report.measure("training/load and all epochs", [total], "s")
    steps = [report.measure(f"step/{name}", each, "ms") for name, each in parts.items()]
    step = 1000 * epoch.median / batches
    frames = sum(map(len, images)) / published.ATOMS
    original = frames * published.EPOCH_SECONDS / published.EPOCH_FRAMES
    original_whole = 1e-3 * frames * published.BEFORE_TRAINING + epochs * original
    text = [
        f"{epochs} epochs of {batches} batches: {epoch.median:.3g} s each, and with fingerprints, "
        f"primes and scaling before them {whole.median:.1f} s.",
        "The original was measured, on another machine, to take "
        f"{published.EPOCH_SECONDS} s for an epoch of {published.EPOCH_FRAMES} frames of "
        f"{published.ATOMS} atoms on two cores, and a frame of these "
        f"{published.BEFORE_TRAINING:.0f} ms before training. In proportion to the atoms of "
        f"these frames that is {original:.3g} s an epoch, {original / epoch.median:.1f} times what "
        f"this package takes here, and {original_whole:.0f} s for all, "
        f"{original_whole / whole.median:.1f} times. Both sides on one machine: profiling compare.",
        f"The stages of a step below are those under autograd, one after the other; one kernel "
        f"does the middle ones together, and a whole step takes {step:.1f} ms with skorch, metrics "
        "and files.",
    ]
    report.sections.append(Section("Training", text, figures=[Figure("step", bars(steps))]))


def add_command(commands: Any) -> None:
    """Add ``training`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("training", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-training")
    parser.add_argument("--frames", type=int, help="use only the first frames")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=list(AGREEMENT), default="float64")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    images = read(arguments.data, ":")[: arguments.frames]
    options = {name: getattr(arguments, name) for name in ("frames", "epochs", "threads", "dtype")}
    report = Report(
        "training",
        "Training with the original's configuration",
        typed("training", data=arguments.data, **options),
        data={"frames": Data.of(arguments.data, images)},
        settings=options,
    )
    measure(report, images, arguments.dtype, arguments.epochs)
    finish(report, arguments.out)
