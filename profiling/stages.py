"""The stages of a potential's making and use, and what a side of a comparison does in them."""

from __future__ import annotations

import itertools
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.io import read
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor
from torch.utils.data import Dataset

from amptorch.preprocessing.utils import ExtrapolationWarning

EPOCHS = 100
"""Epochs of the run from the file to the trained potential."""

COLUMNS = ("loss", "_mae", "_mse", "dur")
"""How the names of what is kept of a history end."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: as in tables and in keys of measurements.
        unit: of its cost.
        what: it does, from what to what.
    """

    name: str
    unit: str
    what: str


STAGES = (
    Stage("descriptor", "ms", "made from its parameters"),
    Stage("read", "ms/frame", "frames from a file, by ASE"),
    Stage("neighbours", "ms/frame", "vectors to all neighbours"),
    Stage("fingerprints", "ms/frame", "neighbours and fingerprints, from positions"),
    Stage("fingerprints + primes", "ms/frame", "the same with derivatives, and targets"),
    Stage("fit scalers", "ms/frame", "to fingerprints and targets of all frames"),
    Stage("scaling", "ms/frame", "of fingerprints, primes and targets"),
    Stage("write cache", "ms/frame", "to an LMDB file"),
    Stage("read cache", "ms/frame", "from there, ready for collation"),
    Stage("collate", "ms/frame", "a batch of frames"),
    Stage("forward", "ms/frame", "energies, forces and loss of a batch"),
    Stage("backward", "ms/frame", "gradient of the loss"),
    Stage("optimizer step", "ms/frame", "new weights"),
    Stage("validation", "ms/frame", "collation, energies, forces and loss, without training"),
    Stage("predict", "ms/frame", "energies and forces of new frames"),
    Stage("MD step", "ms/step", "velocity Verlet with the ASE calculator, first frame"),
    Stage("whole epoch", "ms/frame", "as the trainer runs it, with the errors of its history"),
)


class Side(ABC):
    """One of the two that are compared, for one configuration.

    Args:
        config: of the trainer; ``raw_data`` is not read.
        elements: chemical symbols.

    Attributes:
        name: first part of the keys of measurements.
        net: the skorch net, once :meth:`load` was called.
        dataset: scaled frames, likewise.
    """

    name: ClassVar[str]
    net: NeuralNet
    dataset: Dataset

    @abstractmethod
    def __init__(self, config: dict[str, Any], elements: Sequence[str]) -> None: ...

    @abstractmethod
    def describe(self) -> Any:
        """The descriptor, made anew."""

    @abstractmethod
    def neighbors(self, images: Sequence[Atoms]) -> Any:
        """Neighbours of frames."""

    @abstractmethod
    def fingerprints(self, images: Sequence[Atoms]) -> Any:
        """Fingerprints without derivatives."""

    @abstractmethod
    def convert(self, images: Sequence[Atoms]) -> list[Any]:
        """Records: fingerprints, primes, targets; not scaled."""

    @abstractmethod
    def fit(self, records: Sequence[Any]) -> Any:
        """Scalers of records."""

    @abstractmethod
    def scaled(self, records: Sequence[Any]) -> list[Any]:
        """Scaled copies of records, by the scalers of :meth:`load`."""

    @abstractmethod
    def write(
        self, images: Sequence[Atoms], records: Sequence[Any], scaled: Sequence[Any], path: Path
    ) -> None:
        """Write records of frames, scaled or not as the side keeps them, to a new file."""

    @abstractmethod
    def read(self, path: Path) -> list[Any]:
        """Scaled records from such a file."""

    @abstractmethod
    def load(self, images: Iterable[Atoms], file: Path | None = None) -> None:
        """All that comes before the first epoch; makes ``dataset`` and ``net``.

        Args:
            images: to train on.
            file: keep what is computed there, and read it from there whenever it is needed.
        """

    @abstractmethod
    def predict(self, images: Sequence[Atoms]) -> tuple[list[float], list[NDArray]]:
        """Energies (eV) and forces (eV/Å)."""

    @abstractmethod
    def calculator(self) -> Calculator:
        """ASE calculator of the trained potential."""

    @abstractmethod
    def sparse(self, record: Any) -> tuple[Tensor, Tensor]:
        """Fingerprints of a record, and its primes as a sparse matrix."""

    def train(self) -> list[dict[str, float]]:
        """Train; losses and errors of every epoch, and its seconds as "dur"."""
        self.net.fit(self.dataset, None)
        return [
            {name: float(value) for name, value in row.items() if name.endswith(COLUMNS)}
            for row in self.net.history.to_list()
        ]


def measure(side: Side, source: Path, repeats: int, work: Path) -> dict[str, list[float]]:
    """Cost of every stage but the whole epoch; a sample is a pass over all frames.

    Args:
        side: loaded and trained.
        source: file of the frames.
        repeats: passes, after one that is not counted.
        work: folder for files that may go afterwards.
    """
    images = read(source, ":")
    records = side.convert(images)
    scaled = side.scaled(records)
    size = side.net.batch_size
    batches = [scaled[start : start + size] for start in range(0, len(scaled), size)]
    files = (work / f"{side.name}-{number}.lmdb" for number in range(repeats + 1))
    written: list[Path] = []

    def write() -> None:
        written.append(next(files))
        side.write(images, records, scaled, written[-1])

    passes: dict[str, Callable[[], Any]] = {
        "read": lambda: read(source, ":"),
        "neighbours": lambda: side.neighbors(images),
        "fit scalers": lambda: side.fit(records),
        "fingerprints": lambda: side.fingerprints(images),
        "fingerprints + primes": lambda: side.convert(images),
        "scaling": lambda: side.scaled(records),
        "write cache": write,
        "read cache": lambda: side.read(written[-1]),
        "collate": lambda: [_collate(side.net, batch) for batch in batches],
        "validation": lambda: [_validate(side.net, batch) for batch in batches],
        "predict": lambda: side.predict(images),
    }
    per_frame = 1e3 / len(images)
    costs = {name: _passes(each, repeats, per_frame) for name, each in passes.items()}
    costs["descriptor"] = _passes(side.describe, repeats, 1e3)
    collated = [_collate(side.net, batch) for batch in batches]
    costs.update(_training_steps(side.net, collated, repeats, per_frame))
    costs["MD step"] = _md_steps(images[0], side.calculator(), repeats)
    return {stage.name: costs[stage.name] for stage in STAGES if stage.name in costs}


def tensor_megabytes(value: Any) -> float:
    """What the tensors of a record hold."""
    if isinstance(value, Tensor) and value.is_sparse:
        return tensor_megabytes([value._indices(), value._values()])
    if isinstance(value, Tensor):
        return value.nbytes / 1e6
    parts = value if isinstance(value, list) else getattr(value, "__dict__", {}).values()
    return sum(map(tensor_megabytes, parts))


def _passes(call: Callable[[], Any], repeats: int, scale: float) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        call()
        samples = []
        for _ in range(repeats):
            begun = time.perf_counter()
            call()
            samples.append(scale * (time.perf_counter() - begun))
    return samples


def _collate(net: NeuralNet, batch: Sequence[Any]) -> Any:
    return net.iterator_train__collate_fn(list(batch))


def _validate(net: NeuralNet, batch: Sequence[Any]) -> None:
    net.validation_step(_collate(net, batch))


def _training_steps(
    net: NeuralNet, collated: Sequence[Any], repeats: int, scale: float
) -> dict[str, list[float]]:
    """Forward, backward and step, batch after batch, as skorch takes them."""
    names = ("forward", "backward", "optimizer step")
    samples: dict[str, list[float]] = {name: [] for name in names}
    net.module_.train()
    for repeat in range(repeats + 1):
        sums = [0.0] * len(names)
        for inputs, targets in collated:
            times = [time.perf_counter()]
            net.optimizer_.zero_grad()
            loss = net.get_loss(net.infer(inputs), targets, X=inputs, training=True)
            times.append(time.perf_counter())
            loss.backward()
            times.append(time.perf_counter())
            net.optimizer_.step()
            times.append(time.perf_counter())
            spans = [end - begin for begin, end in itertools.pairwise(times)]
            sums = [total + span for total, span in zip(sums, spans, strict=True)]
        if repeat:
            for name, total in zip(names, sums, strict=True):
                samples[name].append(scale * total)
    return samples


def _md_steps(image: Atoms, calculator: Calculator, repeats: int) -> list[float]:
    atoms = Atoms(image.numbers, image.positions, cell=image.cell, pbc=image.pbc)
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, timestep=0.1 * units.fs)
    return _passes(lambda: dynamics.run(1), repeats, 1e3)
