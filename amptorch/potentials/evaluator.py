"""From images to what a potential says of them, in one pass or stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from tqdm import tqdm

from ..data.frame import AtomsBatch, AtomsData, collate
from ..data.primes import PairPrimes, frame_sums
from ..data.targets import stress_of
from ..descriptor.base_descriptor import BaseDescriptor, numbered
from ..descriptor.environments import environment_on
from ..kernels.environment import Environment, concatenate
from ..kernels.neighbors import NeighborList
from ..preprocessing import AtomsToData
from ..preprocessing.scaling import Scalers, baselines_of
from ..processes.stages import stage
from .force_call import ForceCall, Outcome
from .model import Model
from .parts import MOST_ATOMS, Run, in_parts, on_gpu
from .prediction import Array, Evaluation, joined
from .staged_pass import StagedPass

Rows = TypeVar("Rows", Array, Tensor)

# Atoms evaluated together on the CPU, of as many images as have so many, or of a part of one: more
# would not be faster and would cost memory.
ATOMS = 4096


class Scaled(Protocol):
    """Scaled images by their places."""

    def __getitem__(self, index: int, /) -> AtomsData: ...


class Parts(Protocol):
    """What a potential is made of, see :class:`amptorch.Potential`."""

    model: Model
    descriptor: BaseDescriptor
    scalers: Scalers

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def weights_state(self) -> list[tuple[int, int]]: ...


@dataclass(frozen=True)
class Asked:
    """What is asked of images, see :meth:`amptorch.Potential.evaluate`."""

    forces: bool
    latent: int | None = None
    descriptors: bool = False
    cache_dir: str | None = None
    show_progress: bool = False
    neighbors: NeighborList | None = None

    @property
    def plain(self) -> bool:
        """Whether it is nothing that one pass has not."""
        return self.latent is None and not self.descriptors and self.cache_dir is None


class Evaluator:
    """Evaluates images with a potential, and keeps what calls have in common.

    Args:
        of: the potential, whose parts may be set anew.
    """

    def __init__(self, of: Parts) -> None:
        self.of = of
        self._converters: dict[tuple[bool, str | None], AtomsToData] = {}
        self._call: ForceCall | None = None

    def evaluate(self, images: Sequence[Atoms], asked: Asked) -> Evaluation:
        """All that is asked of images, some at a time."""
        self._stop_training()
        call = self.force_call() if asked.plain else None
        most = MOST_ATOMS if call is not None and call.on_gpu else ATOMS
        groups = list(groups_of([len(image) for image in images], most))
        parts = []
        with _bar(len(images), asked.show_progress) as bar:
            for begin, end in groups:
                found = self._some(images[begin:end], begin, asked, call)
                parts.append(found if len(groups) == 1 else found.on_host())
                if bar is not None:
                    bar.update(end - begin)
        return joined(parts)

    def evaluate_scaled(
        self, images: Sequence[Atoms], data: Scaled, places: Sequence[int], forces: bool
    ) -> Evaluation:
        """What :meth:`evaluate` says, of images whose fingerprints and primes are known.

        Args:
            images: some of a data set.
            data: the data set.
            places: of the images in it.
            forces: give forces, and stresses where the primes know them.
        """
        self._stop_training()
        parts = []
        for begin, end in groups_of([len(image) for image in images], ATOMS):
            batch = collate([data[place] for place in places[begin:end]])
            parts.append(self._of_batch(batch, images[begin:end], Asked(forces)))
        return joined(parts)

    def _stop_training(self) -> None:
        if self.of.model.training:
            self.of.model.eval()

    def _of_batch(self, batch: AtomsBatch, images: Sequence[Atoms], asked: Asked) -> Evaluation:
        there = batch.to(self.of.device, self.of.dtype)
        found = self._in_stages(there, images, asked)  # type: ignore[arg-type]
        self._add_baselines(found, images, asked)
        found.n_outside = 0
        return found

    def _add_baselines(self, found: Evaluation, images: Sequence[Atoms], asked: Asked) -> None:
        for baseline in baselines_of(self.of.scalers):
            found.add(images, baseline.evaluate(images, asked.forces), asked.forces)

    def _some(
        self, images: Sequence[Atoms], first: int, asked: Asked, call: ForceCall | None
    ) -> Evaluation:
        """Of images evaluated together; ``first`` is the number of the first one, for errors."""
        begun = time.perf_counter()
        if call is not None and call.on_gpu:
            options = numbered(images, first), asked.forces, asked.neighbors
            found = self._of(images, on_gpu(call, self.of.descriptor, images, *options))
        elif asked.plain and len(images[0]) > ATOMS and not self.of.descriptor.prime_threshold:
            found = self._in_parts(call, images[0], f"image {first}", asked)
        else:
            found = self._together(images, first, asked, call)
        self._add_baselines(found, images, asked)
        fingerprints, _ = found.seconds
        found.seconds = fingerprints, time.perf_counter() - begun - fingerprints
        return found

    def _together(
        self, images: Sequence[Atoms], first: int, asked: Asked, call: ForceCall | None
    ) -> Evaluation:
        begun = time.perf_counter()
        names = numbered(images, first)
        if call is not None:
            environment = self._environment(images, names, asked)
            converted = time.perf_counter()
            sizes = [len(image) for image in images]
            found = self._of(images, call.run(environment, sizes, asked.forces))
        else:
            environments = self.of.descriptor.environments(images, names, asked.neighbors)
            converter = self._converter(asked.forces, asked.cache_dir)
            known = dict(enumerate(environments, first))
            data = converter.convert_all(images, True, first, known=known)
            unscaled = [_fingerprints_only(each) for each in data]
            batch = self._batch(data)
            converted = time.perf_counter()
            found = self._in_stages(batch, images, asked)
            found.unscaled = unscaled
        found.seconds = converted - begun, 0.0
        return found

    def _environment(
        self, images: Sequence[Atoms], names: Sequence[str], asked: Asked
    ) -> Environment:
        descriptor = self.of.descriptor
        if asked.neighbors is None:
            return environment_on(descriptor, images, names=names)
        found = descriptor.environments(images, names, asked.neighbors)
        return concatenate(found) if len(found) > 1 else found[0]

    def _in_parts(
        self, call: ForceCall | None, image: Atoms, name: str, asked: Asked
    ) -> Evaluation:
        """Neighbours and fingerprints of each part come with the rest, in the time of the model."""
        parts = self.of.descriptor.parts(image, ATOMS, name, asked.neighbors)
        run = call.run_part if call else in_stages(self.of, image)
        return self._of([image], in_parts(parts, run, len(image), asked.forces))

    def force_call(self) -> ForceCall | None:
        """The one pass, or None where model, descriptor or device have none."""
        of = self.of
        parts = (of.model, of.descriptor, of.scalers["feature"], of.weights_state())
        if self._call is None or not self._call.fits(*parts):
            self._call = ForceCall(*parts)
        return self._call if self._call.possible else None

    def _of(self, images: Sequence[Atoms], outcome: Outcome) -> Evaluation:
        sums = np.array([part.sum() for part in _split(outcome.energies, images)])
        found = Evaluation(
            energy=self._energies(sums),
            energies=self._atomic_energies(outcome.energies, images),
            n_outside=outcome.n_outside,
        )
        if outcome.forces is not None and outcome.virials is not None:
            found.forces = self._forces(outcome.forces, images)
            found.stress = self._stresses(outcome.virials, images)
        numbers = [torch.from_numpy(image.numbers) for image in images]
        rows = zip(_split(outcome.fingerprints, images), numbers, strict=True)
        found.unscaled = [AtomsData(fingerprint=g, atomic_numbers=z) for g, z in rows]
        return found

    def _converter(self, forces: bool, cache_dir: str | None) -> AtomsToData:
        key = (forces, cache_dir)
        if key not in self._converters:
            self._converters[key] = AtomsToData(
                self.of.descriptor,
                fprimes=forces,
                save_fps=cache_dir is not None,
                derivatives="on_the_fly" if cache_dir is None else "cached",
                cache_dir=cache_dir or "",
            )
        return self._converters[key]

    def _batch(self, data: list[AtomsData]) -> AtomsBatch:
        self.of.scalers["feature"].norm(data, disable_tqdm=True)
        return collate(data).to(self.of.device, self.of.dtype)  # type: ignore[return-value]

    def _in_stages(self, batch: AtomsBatch, images: Sequence[Atoms], asked: Asked) -> Evaluation:
        with torch.no_grad():
            atomic, slope = self.of.model.atomic_energies_and_gradient(batch, gradient=asked.forces)
            energies = frame_sums(atomic, batch.batch, batch.num_graphs)
            found = Evaluation(
                energy=self._energies(_array(energies)),
                energies=self._atomic_energies(_array(atomic), images),
            )
            if asked.forces:
                self._forces_and_stress(batch, slope, images, found)
            if asked.latent is not None:
                values = self.of.model.latent(batch.fingerprint, batch.atomic_numbers, asked.latent)
                found.latent = _frame_means(values, batch)
            if asked.descriptors:
                found.descriptors = _frame_means(batch.fingerprint, batch)
            return found

    def _energies(self, scaled: Array) -> Array:
        return self.of.scalers["target"].denorm(scaled, pred="energy")

    def _atomic_energies(self, scaled: Array, images: Sequence[Atoms]) -> list[Array]:
        sizes = [len(image) for image in images]
        return _split(self.of.scalers["target"].denorm_atoms(scaled, sizes), images)

    def _forces_and_stress(
        self, batch: AtomsBatch, slope: Tensor, images: Sequence[Atoms], found: Evaluation
    ) -> None:
        primes = batch.primes
        assert primes is not None
        with stage("amptorch::forces"):
            if isinstance(primes, PairPrimes):
                forces, virials = primes.forces_and_virials(slope, batch.batch, len(images))
                found.stress = self._stresses(_array(virials), images)
            else:
                forces = primes.forces(slope)
                found.stress = [None for _ in images]
        found.forces = self._forces(_array(forces), images)

    def _forces(self, scaled: Array, images: Sequence[Atoms]) -> list[Array]:
        return _split(self.of.scalers["target"].denorm(scaled, pred="forces"), images)

    def _stresses(self, scaled: Array, images: Sequence[Atoms]) -> list[Array | None]:
        virials = self.of.scalers["target"].denorm(scaled, pred="forces")
        return [stress_of(*each) for each in zip(images, virials, strict=True)]


def in_stages(of: Parts, image: Atoms) -> Run:
    """For parts of an image, of any model and any descriptor without a ``prime_threshold``.

    Raises:
        ValueError: an element that the scaler does not know.
    """
    scaler = of.scalers["feature"]
    scaler.affine(torch.from_numpy(np.unique(image.numbers)))
    staged = StagedPass(of.model, of.descriptor, scaler)
    return lambda part, forces: staged.run(part.environment, forces, part.n_centers)


def _bar(n_images: int, shown: bool) -> AbstractContextManager[Any]:
    """A bar; one that is not shown would still take as long as other parts of a force call."""
    if not shown:
        return nullcontext()
    return tqdm(total=n_images, desc="predicting", unit=" images")


def groups_of(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Begins and ends of groups of images that have so many atoms at most, or are one image."""
    begin = total = 0
    for k, size in enumerate(sizes):
        if k > begin and total + size > most:
            yield begin, k
            begin, total = k, 0
        total += size
    if sizes:
        yield begin, len(sizes)


def _array(values: Tensor) -> Array:
    return values.cpu().double().numpy()


def _split(rows: Rows, images: Sequence[Atoms]) -> list[Rows]:
    """Rows of atoms, image by image."""
    if len(images) == 1:
        return [rows]
    ends: list[int] = list(accumulate(len(image) for image in images))
    return [rows[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _frame_means(values: Tensor, batch: AtomsBatch) -> list[np.ndarray]:
    sums = values.new_zeros((batch.num_graphs, values.shape[1])).index_add(0, batch.batch, values)
    means = sums / batch.natoms.to(values)[:, None]
    return list(means.cpu().numpy())


def _fingerprints_only(data: AtomsData) -> AtomsData:
    return AtomsData(fingerprint=data.fingerprint, atomic_numbers=data.atomic_numbers)
