"""This package as one side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from torch import Tensor

from amptorch import AtomsTrainer
from amptorch.data.frame import AtomsData
from amptorch.data.primes import PairJacobian
from amptorch.data.statistics import RunningStatistics, Statistics
from amptorch.descriptor import BaseDescriptor, construct_descriptor
from amptorch.preprocessing import AtomsToData
from amptorch.preprocessing.scaling import Scalers, Scaling, fit_scalers, scale
from amptorch.store import Frame, Header, Image, build_store, content_key, open_store
from amptorch.store.image import pack_image
from amptorch.store.record import pack_frame
from amptorch.store.statistics import image_statistics
from amptorch.store.writer import StoreWriter

from .stages import Side

CHUNK = 64  # frames written at a time, as build_store does


class Optimized(Side):
    """``AtomsTrainer``, and the parts it is made of one by one.

    Args:
        derivatives: "cached" or "on_the_fly", the form they have in a file.
    """

    name = "optimized"

    def __init__(
        self, config: dict[str, Any], elements: Sequence[str], derivatives: str = "cached"
    ) -> None:
        config = {**config, "dataset": {**config["dataset"], "elements": list(elements)}}
        self.derivatives = derivatives
        self.trainer = AtomsTrainer(config)
        settings = self.trainer.settings
        dataset = settings.dataset
        self.setup = dataset.setup(list(elements))
        self.descriptor = self.describe()
        self.dtype = settings.cmd.torch_dtype
        self.converter = AtomsToData(self.descriptor, r_energy=True, r_forces=True)

    def describe(self) -> BaseDescriptor:
        return construct_descriptor(self.setup)

    def neighbors(self, images: Sequence[Atoms]) -> Any:
        return self.descriptor.environments(images, _names(images))

    def fingerprints(self, images: Sequence[Atoms]) -> Any:
        environments = self.descriptor.environments(images, _names(images))
        return [self.descriptor.fingerprints(each) for each in environments]

    def convert(self, images: Sequence[Atoms]) -> list[AtomsData]:
        return self.converter.convert_all(images, disable_tqdm=True)

    def fit(self, records: Sequence[AtomsData]) -> Scalers:
        dataset = self.trainer.settings.dataset
        return fit_scalers(
            Statistics.of(records),
            True,
            Scaling(dataset.scaling, dataset.baseline, dataset.target_scaling),
        )

    def scaled(self, records: Sequence[AtomsData]) -> list[AtomsData]:
        copies = [AtomsData(**vars(record)) for record in records]
        scale(copies, self.trainer.scalers)
        return [each.to(self.dtype) for each in copies]

    def write(
        self, images: Sequence[Atoms], records: Sequence[Any], scaled: Sequence[Any], path: Path
    ) -> None:
        writer = StoreWriter(path, Header(self.setup, self.dtype, "cached"))
        places = list(enumerate(zip(images, records, strict=True)))
        statistics = RunningStatistics()
        for start in range(0, len(places), CHUNK):
            frames, targets = {}, {}
            for place, (image, record) in places[start : start + CHUNK]:
                key = content_key(image)
                frame, target = self._parts(key, record)
                statistics.add(image_statistics(frame, target))
                frames[key], targets[place] = pack_frame(key, frame), pack_image(target)
            writer.write(frames, targets)
        writer.finish(statistics.result())
        writer.close()

    def _parts(self, key: bytes, record: AtomsData) -> tuple[Frame, Image]:
        """What a store keeps of a frame, and of its targets."""
        assert isinstance(record.primes, PairJacobian)
        environment = record.primes.environment.to(self.dtype)
        frame = Frame(
            record.atomic_numbers,
            environment.species,
            record.fingerprint.to(self.dtype),
            environment,
            record.primes.values.to(self.dtype),
        )
        energy, n_pairs = float(record.energy), environment.n_pairs
        return frame, Image(key, record.num_nodes, n_pairs, energy, record.forces)

    def read(self, path: Path) -> list[AtomsData]:
        records = list(open_store(path))
        scale(records, self.trainer.scalers)
        return [record.to(self.dtype) for record in records]

    def load(self, images: Iterable[Atoms], file: Path | None = None) -> None:
        dataset = self.trainer.config["dataset"]
        if file is None:
            dataset["raw_data"] = list(images)
        else:
            build_store(images, file, self.setup, self.dtype, self.derivatives, verbose=False)
            dataset["lmdb_path"] = [file]
        self.trainer.load()
        self.dataset, self.net = self.trainer.train_dataset, self.trainer.net

    def predict(self, images: Sequence[Atoms]) -> tuple[list[float], list[NDArray]]:
        found = self.trainer.predict(images)
        return found["energy"], found["forces"]

    def calculator(self) -> Calculator:
        return self.trainer.get_calc()

    def sparse(self, record: AtomsData) -> tuple[Tensor, Tensor]:
        assert isinstance(record.primes, PairJacobian)
        return record.fingerprint, record.primes.to_sparse()


def _names(images: Sequence[Atoms]) -> list[str]:
    return [f"image {place}" for place in range(len(images))]
