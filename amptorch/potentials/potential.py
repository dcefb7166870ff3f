"""A trained potential: from images to energies, forces and stresses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch.profiler import record_function
from tqdm import tqdm

from ..data.frame import AtomsBatch, AtomsData, collate
from ..data.keys import DEFAULT_KEYS, Keys
from ..data.primes import PairPrimes, frame_sums
from ..data.reading import load_images
from ..data.targets import stress_of
from ..descriptor.base_descriptor import BaseDescriptor
from ..errors import nearest
from ..kernels.environment import Environment
from ..kernels.neighbors import NeighborList
from ..preprocessing import AtomsToData
from ..preprocessing.scaling import Scalers, baselines_of
from . import saved
from .force_call import ForceCall
from .model import Model
from .prediction import Array, Evaluation, Prediction, joined
from .registry import writer_of

# Images evaluated together; more would not be faster and would cost memory.
BATCH = 16
PROPERTIES = ("energy", "energies", "forces", "stress")


class HasPotential(Protocol):
    """A potential, or what has one: a trainer."""

    @property
    def potential(self) -> Potential: ...

    def without_data(self) -> HasPotential:
        """The same for a copy, which needs no training data."""


@dataclass(eq=False)
class Potential:
    """A trained model with all it takes to predict, see ``docs/potential.md``.

    Attributes:
        model: on a device, in a precision.
        descriptor: makes the fingerprints.
        scalers: "feature", "target" and, if there are any, the baselines "fixed" and "baseline".
        keys: names under which the training data held energy, forces, stress and virial.
    """

    model: Model
    descriptor: BaseDescriptor
    scalers: Scalers
    keys: Keys = DEFAULT_KEYS
    _converters: dict[tuple[bool, str | None], AtomsToData] = field(
        default_factory=dict, init=False, repr=False
    )
    _values: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _call: ForceCall | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # Converters may hold open files.
        return {**vars(self), "_converters": {}, "_values": [], "_call": None}

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Potential:
        """The potential of :meth:`save`, on a device.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a file that is cut or edited, of a later version, or of something else.
        """
        parts = saved.read(path)
        return cls(parts.model.to(device), parts.descriptor, parts.scalers, parts.keys)

    def save(self, path: str | Path) -> None:
        """Write one file that holds the potential to the last bit, and that runs no code when it
        is read: arrays and JSON, by the ``safetensors`` library.

        Raises:
            ValueError: a class of the user's own, which such a file cannot hold.
        """
        saved.write(saved.Parts(self.model, self.descriptor, self.scalers, self.keys), path)

    def export(
        self,
        path: str | Path,
        to: str,
        length_unit: str | None = None,
        energy_unit: str | None = None,
        **options: Any,
    ) -> None:
        """Write the potential in the files of another program, see ``docs/n2p2.md``.

        Args:
            path: file or folder to write.
            to: the format, "n2p2".
            length_unit, energy_unit: of files that do not say theirs; default Å and eV.
            options: of the format.

        Raises:
            ValueError: an unknown format, or a potential that it cannot hold.
        """
        form, write = writer_of(self.model, to)
        write(self, Path(path), *form.units(length_unit, energy_unit), **options)

    @property
    def potential(self) -> Potential:
        """Itself, so that it stands where a trainer does."""
        return self

    def without_data(self) -> Potential:
        """Itself: it holds no training data."""
        return self

    @property
    def elements(self) -> list[str]:
        """Chemical symbols."""
        return list(self.descriptor.elements)

    @property
    def forces(self) -> bool:
        """Whether the model was made to give forces and stresses."""
        return bool(self.model.get_forces)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._weights()[0].device

    @property
    def dtype(self) -> torch.dtype:
        """Of the model."""
        return self._weights()[0].dtype

    def _weights(self) -> list[Tensor]:
        if not self._values:
            self._values = [*self.model.parameters(), *self.model.buffers()]
        return self._values

    def weights_state(self) -> list[tuple[int, int]]:
        """What is another whenever a parameter of the model was changed, in place or not."""
        return [(each.data_ptr(), each._version) for each in self._weights()]

    def predict(
        self, images: Sequence[Atoms], properties: Sequence[str] | None = None
    ) -> Prediction:
        """Energies, forces and stresses of images.

        Args:
            images: list of ``Atoms``.
            properties: any of "energy", "energies", "forces" and "stress"; default all that the
                model gives. Energies come always, forces and stress together.

        Raises:
            ValueError: forces or stress of a model that was trained without, or an unknown name.

        Warns:
            ExtrapolationWarning: fingerprints outside the range seen in training.
        """
        found = self.evaluate(load_images(images, "images"), self._with_forces(properties))
        self.warn_outside(found)
        return found

    def _with_forces(self, properties: Sequence[str] | None) -> bool:
        if properties is None:
            return self.forces
        for name in properties:
            if name not in PROPERTIES:
                raise ValueError(f"properties: unknown {name!r}; {nearest(name, PROPERTIES)}")
        asked = [name for name in properties if name in ("forces", "stress")]
        if asked and not self.forces:
            raise ValueError(
                f"properties: got {asked[0]!r}, but the model was trained with get_forces False: "
                "it gives energies only"
            )
        return bool(asked)

    def warn_outside(self, found: Evaluation) -> int:
        """Warn if fingerprints lie outside the range seen in training; the number of such atoms."""
        return 0 if found.n_outside == 0 else self.scalers["feature"].warn_outside(found.unscaled)

    def evaluate(
        self,
        images: Sequence[Atoms],
        forces: bool,
        latent: int | None = None,
        descriptors: bool = False,
        cache_dir: str | None = None,
        show_progress: bool = False,
        neighbors: NeighborList | None = None,
    ) -> Evaluation:
        """As :meth:`predict`, without its warning, and with more.

        Args:
            images: list of ``Atoms``.
            forces: give forces and stresses too.
            latent: also give outputs of this layer of ``model_net``.
            descriptors: also give scaled fingerprints.
            cache_dir: folder that keeps fingerprints; None keeps none.
            show_progress: show a progress bar.
            neighbors: of a system that moves, whose states the images are.
        """
        if self.model.training:
            self.model.eval()
        plain = latent is None and not descriptors and cache_dir is None
        call = self._force_call() if plain else None
        starts: Any = range(0, len(images), BATCH)
        if show_progress:
            starts = tqdm(starts, desc="predicting", unit=f" x {BATCH} images")
        parts = []
        for start in starts:
            chunk = images[start : start + BATCH]
            begun = time.perf_counter()
            names = [f"image {start + k}" for k in range(len(chunk))]
            environments = self.descriptor.environments(chunk, names, neighbors)
            if call is not None:
                converted = time.perf_counter()
                part = self._in_one_pass(call, chunk, environments, forces)
            else:
                converter = self._converter(forces, cache_dir)
                known = dict(enumerate(environments, start))
                data = converter.convert_all(chunk, True, start, known=known)
                unscaled = [_fingerprints_only(each) for each in data]
                batch = self._batch(data)
                converted = time.perf_counter()
                part = self._evaluate(batch, chunk, forces, latent, descriptors)
                part.unscaled = unscaled
            for baseline in baselines_of(self.scalers):
                part.add(chunk, baseline.evaluate(chunk, forces), forces)
            part.seconds = converted - begun, time.perf_counter() - converted
            parts.append(part)
        return joined(parts)

    def _force_call(self) -> ForceCall | None:
        parts = (self.model, self.descriptor, self.scalers["feature"], self.weights_state())
        if self._call is None or not self._call.fits(*parts):
            self._call = ForceCall(*parts)
        return self._call if self._call.possible else None

    def _in_one_pass(
        self,
        call: ForceCall,
        images: Sequence[Atoms],
        environments: Sequence[Environment],
        forces: bool,
    ) -> Evaluation:
        outcome = call.run(environments, forces)
        sizes = [len(image) for image in images]
        parts = outcome.energies.split(sizes)
        sums = torch.stack([part.sum() for part in parts])
        found = Evaluation(
            energy=self._energies(sums),
            energies=self._atomic_energies(outcome.energies, images),
            n_outside=outcome.n_outside,
        )
        if outcome.forces is not None and outcome.virials is not None:
            found.forces = self._forces(outcome.forces, images)
            found.stress = self._stresses(outcome.virials, images)
        numbers = [torch.from_numpy(image.numbers) for image in images]
        rows = zip(outcome.fingerprints.split(sizes), numbers, strict=True)
        found.unscaled = [AtomsData(fingerprint=g, atomic_numbers=z) for g, z in rows]
        return found

    def _converter(self, forces: bool, cache_dir: str | None) -> AtomsToData:
        key = (forces, cache_dir)
        if key not in self._converters:
            self._converters[key] = AtomsToData(
                self.descriptor,
                fprimes=forces,
                save_fps=cache_dir is not None,
                derivatives="on_the_fly" if cache_dir is None else "cached",
                cache_dir=cache_dir or "",
            )
        return self._converters[key]

    def _batch(self, data: list[AtomsData]) -> AtomsBatch:
        self.scalers["feature"].norm(data, disable_tqdm=True)
        return collate(data).to(self.device, self.dtype)  # type: ignore[return-value]

    def _evaluate(
        self,
        batch: AtomsBatch,
        images: Sequence[Atoms],
        forces: bool,
        latent: int | None,
        descriptors: bool,
    ) -> Evaluation:
        with torch.no_grad():
            atomic, slope = self.model.atomic_energies_and_gradient(batch, gradient=forces)
            energies = frame_sums(atomic, batch.batch, batch.num_graphs)
            found = Evaluation(
                energy=self._energies(energies), energies=self._atomic_energies(atomic, images)
            )
            if forces:
                self._forces_and_stress(batch, slope, images, found)
            if latent is not None:
                values = self.model.latent(batch.fingerprint, batch.atomic_numbers, latent)
                found.latent = _frame_means(values, batch)
            if descriptors:
                found.descriptors = _frame_means(batch.fingerprint, batch)
            return found

    def _energies(self, scaled: Tensor) -> Array:
        return self.scalers["target"].denorm(scaled.cpu().double(), pred="energy").numpy()

    def _atomic_energies(self, scaled: Tensor, images: Sequence[Atoms]) -> list[Array]:
        sizes = torch.tensor([len(image) for image in images])
        energies = self.scalers["target"].denorm_atoms(scaled.cpu().double(), sizes)
        return [part.numpy() for part in energies.split(sizes.tolist())]

    def _forces_and_stress(
        self, batch: AtomsBatch, slope: Tensor, images: Sequence[Atoms], found: Evaluation
    ) -> None:
        primes = batch.primes
        assert primes is not None
        with record_function("amptorch::forces"):
            if isinstance(primes, PairPrimes):
                forces, virials = primes.forces_and_virials(slope, batch.batch, len(images))
                found.stress = self._stresses(virials, images)
            else:
                forces = primes.forces(slope)
                found.stress = [None for _ in images]
        found.forces = self._forces(forces, images)

    def _forces(self, scaled: Tensor, images: Sequence[Atoms]) -> list[Array]:
        forces = self.scalers["target"].denorm(scaled.cpu().double(), pred="forces")
        return [part.numpy() for part in forces.split([len(image) for image in images])]

    def _stresses(self, virials: Tensor, images: Sequence[Atoms]) -> list[Array | None]:
        virials = self.scalers["target"].denorm(virials.cpu().double(), pred="forces")
        return [stress_of(*each) for each in zip(images, virials.numpy(), strict=True)]


def _frame_means(values: Tensor, batch: AtomsBatch) -> list[np.ndarray]:
    sums = values.new_zeros((batch.num_graphs, values.shape[1])).index_add(0, batch.batch, values)
    means = sums / batch.natoms.to(values)[:, None]
    return list(means.cpu().numpy())


def _fingerprints_only(data: AtomsData) -> AtomsData:
    return AtomsData(fingerprint=data.fingerprint, atomic_numbers=data.atomic_numbers)
