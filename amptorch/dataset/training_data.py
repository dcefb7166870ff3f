"""The data set of a configuration: in memory, in files, or in a store that is built for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import xxhash
from ase import Atoms
from torch.utils.data import RandomSampler, Subset

from ..data import plausible
from ..data.frame import AtomsData
from ..data.inspection import Inspection
from ..data.keys import DEFAULT_KEYS
from ..data.memory import Survey, estimate_memory, fits_in_memory
from ..data.reading import ImagesOf, Source, is_large, load_images, read_images
from ..data.targets import TargetReader
from ..descriptor import BaseDescriptor, Setup, construct_descriptor
from ..descriptor.from_data import Choice, choose, depends_on_data
from ..preprocessing.scaling import Scalers, Scaling
from ..processes.group import first_alone, is_first
from ..store import Header, build_store, open_store
from ..store.image import image_of, pack_image
from .in_memory import AtomsDataset, Seen
from .lmdb import AtomsLMDBDataset, AtomsLMDBDatasetCache, Paths, get_lmdb_dataset
from .loaded import Loaded

if TYPE_CHECKING:
    from ..config import Config


class TrainingData:
    """Makes the data set that a configuration asks for.

    Args:
        settings: the configuration.
        device: where the network is.
        scalers: to apply, instead of fitting them.
        loaded: a checkpoint, which has decided elements and descriptor: they are decided once, and
            another descriptor or other scalers are errors.
        images: those of ``raw_data``, where they were read before.

    Attributes:
        choice: what the data decided of the descriptor, or None.
    """

    def __init__(
        self,
        settings: Config,
        device: torch.device,
        scalers: Scalers | None = None,
        loaded: Loaded | None = None,
        images: Sequence[Atoms] | None = None,
    ) -> None:
        self.settings = settings
        self._images = images
        self.device = device
        self.loaded = loaded
        self.scaling = Scaling(
            settings.dataset.scaling_of_features,
            settings.dataset.baseline,
            settings.dataset.target_scaling,
            scalers,
        )
        self.choice: Choice | None = None
        self.forces = settings.model.get_forces
        self.dtype = settings.cmd.torch_dtype
        self.reader = TargetReader(
            forces=self.forces,
            stress=settings.optim.stress_coefficient > 0,
            weight_key=settings.dataset.weight_key,
            keys=settings.dataset.target_keys,
            baseline=self.scaling.fixed,
        )

    def load(self) -> AtomsDataset | AtomsLMDBDataset:
        """The data set."""
        settings = self.settings.dataset
        settings.check_source()
        dataset: AtomsDataset | AtomsLMDBDataset
        if settings.lmdb_path is not None:
            dataset = self._from_files(settings.lmdb_path, settings.cache)
        else:
            dataset = self._from_images(self._images or settings.source)
        if self.loaded is not None:
            self.loaded.check_scalers(dataset.scalers)
        return dataset

    def _from_files(self, paths: Paths, cache: str) -> AtomsLMDBDataset:
        dataset = get_lmdb_dataset(
            paths,
            cache,
            self.dtype,
            self.device,
            reader=self.reader,
            scaling=self.scaling,
            verbose=self.settings.cmd.verbose,
        )
        self._check(dataset.descriptor)
        return dataset

    def _check(self, descriptor: BaseDescriptor) -> None:
        if self.settings.optim.stress_coefficient > 0 and descriptor.prime_threshold:
            raise ValueError(
                "optim: stress_coefficient needs all primes, expected fp_params without "
                f"prime_threshold, got {descriptor.prime_threshold!r}"
            )
        if descriptor.has_energies and self.scaling.targets != "none":
            raise ValueError(
                "dataset: fp_params have a core repulsion, which is in eV: expected target_scaling "
                f"'none', got {self.scaling.targets!r}"
            )
        if self.loaded is not None:
            self.loaded.check_descriptor(descriptor)

    def _from_images(self, raw_data: Source) -> AtomsDataset | AtomsLMDBDataset:
        settings = self.settings.dataset
        # Image by image, to see first whether they fit into memory.
        source = raw_data if is_large(raw_data) else load_images(raw_data)
        inspection, targets = Inspection(self.reader), None
        images: Iterable[Atoms]
        if isinstance(source, list):
            images, targets = source, inspection.read(source)
            found = Survey.of(source)
        else:
            images = ImagesOf(source)
            found = Survey.of(inspection.watch(read_images(source, "raw_data")))
        loaded = [] if self.loaded is None else self.loaded.descriptor.elements
        elements = list(settings.elements or loaded or found.elements)
        setup = self._explicit(elements, images)
        descriptor = construct_descriptor(setup)
        self._check(descriptor)
        inspection.doubt(plausible.crowding(found.sample, descriptor.cutoff))
        self._report(inspection)
        in_memory = settings.derivatives
        if in_memory == "auto":
            in_memory = "on_the_fly" if is_faster_anew(descriptor, self.device) else "cached"
        needed = estimate_memory(found, descriptor, self.forces, self.dtype, in_memory)
        if not fits_in_memory(needed) and not self.settings.cmd.debug:
            self._say(
                f"{found.n_images} images would take {needed / 1e9:.2f} GB of memory, more than "
                "half of what is free: they go into a store"
            )
            return self._through_a_store(source, setup)
        if not isinstance(source, list):
            source = load_images(source)
        if targets is None:
            targets = [self.reader.read(image, f"image {k}") for k, image in enumerate(source)]
        return self._in_memory(source, setup, Seen(descriptor, targets, found), in_memory)

    def _report(self, inspection: Inspection) -> None:
        inspection.require()
        self._say(inspection.summary())
        if is_first():
            inspection.warn()

    def _explicit(self, elements: list[str], images: Iterable[Atoms]) -> Setup:
        """(fp_scheme, fp_params, cutoff_params, elements) without anything left to decide."""
        settings = self.settings.dataset
        setup = settings.setup(elements)
        if not depends_on_data(settings.fp_params, settings.prune):
            return setup
        if self.loaded is not None:
            return self.loaded.setup
        self.choice = choose(setup, images, settings.prune, self.settings.cmd.verbose)
        self._say(self.choice.summary())
        return self.choice.setup

    def _in_memory(
        self, images: list[Atoms], setup: Setup, seen: Seen, derivatives: str
    ) -> AtomsDataset:
        settings = self.settings
        return AtomsDataset(
            images,
            setup,
            forcetraining=self.forces,
            save_fps=settings.dataset.save_fps and not settings.cmd.debug and is_first(),
            scaling=self.scaling,
            dtype=self.dtype,
            cache_dir=str(Path(settings.cmd.run_dir) / "processed"),
            verbose=settings.cmd.verbose,
            derivatives=derivatives,
            reader=self.reader,
            seen=seen,
            large_pages=not settings.optim.reads_once,
        )

    def _through_a_store(self, source: str | Path | list[Atoms], setup: Setup) -> AtomsLMDBDataset:
        derivatives = self.settings.dataset.derivatives if self.forces else "none"
        folder = Path(self.settings.cmd.run_dir) / "processed"
        # Stores keep stresses wherever there are any, for other runs.
        reader = replace(self.reader, stress=self.forces)
        header = Header(
            setup, self.dtype, weight_key=reader.weight_key, baseline=reader.baseline_key
        )
        path = folder / _store_name(source, header, derivatives, reader)

        def build() -> None:
            if not _is_complete(path):
                build_store(
                    source,
                    path,
                    setup,
                    self.dtype,
                    derivatives,
                    forces=self.forces,
                    verbose=self.settings.cmd.verbose,
                    weight_key=reader.weight_key,
                    keys=reader.keys,
                    look_first=False,
                    baseline=reader.baseline,
                )

        first_alone(build)
        return self._from_files([path], "no")

    def _say(self, text: str) -> None:
        if self.settings.cmd.verbose:
            print(text)


def reading(dataset: object, val_split: float) -> dict[str, Any]:
    """How batches for training are read: keyword arguments of ``BatchLoader``."""
    if isinstance(dataset, (AtomsDataset, AtomsLMDBDataset)):
        return {"order": dataset.order(val_split), "prefetch": dataset.prefetch}
    return {"order": RandomSampler, "prefetch": False}  # a script's own


def held(dataset: object) -> list[AtomsData] | None:
    """All images of a data set, or of that which one is a part of, where they are in memory."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    if isinstance(dataset, (AtomsDataset, AtomsLMDBDatasetCache)):
        return dataset.data_list
    return None


def _is_complete(path: Path) -> bool:
    return path.is_file() and all(shard.complete for shard in open_store(path).shards)


def _store_name(
    source: str | Path | list[Atoms], header: Header, derivatives: str, reader: TargetReader
) -> str:
    """A name that changes with the data, the descriptor and the precision."""
    digest = xxhash.xxh3_64(f"{header.hash} {derivatives}".encode())
    if isinstance(source, (str, Path)):
        path = Path(source).resolve()
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
        if reader.keys != DEFAULT_KEYS:
            digest.update(str(reader.keys).encode())
        return f"{path.stem}-{digest.hexdigest()}.lmdb"
    for index, image in enumerate(source):
        targets = reader.read(image, f"image {index}")
        digest.update(pack_image(image_of(image, targets)).tobytes())
    return f"images-{digest.hexdigest()}.lmdb"


def is_faster_anew(descriptor: BaseDescriptor, device: torch.device) -> bool:
    """Whether derivatives are rather computed at every step than read from a stored Jacobian: where
    there is none, and by kernels of a GPU. On an H200 steps took as long either way (4.9 and
    4.4 ms), but a Jacobian has to be computed, copied and kept first, ten times as large."""
    if not descriptor.stored:
        return True
    operators = getattr(getattr(descriptor, "kernel", None), "OPERATORS", None)
    if device.type != "cuda" or operators is None or descriptor.prime_threshold:
        return False
    return operators.compiled.triton(descriptor.parameters) is not None
