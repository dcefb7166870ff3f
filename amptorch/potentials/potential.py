"""From images to energies, forces and stresses with a trained model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from torch import Tensor
from torch.profiler import record_function
from tqdm import tqdm

from ..data.frame import AtomsBatch, AtomsData, collate
from ..data.primes import PairPrimes, frame_sums
from ..descriptor.base_descriptor import BaseDescriptor
from ..preprocessing import AtomsToData
from .networks.model import AtomisticModel

# Images evaluated together; more would not be faster and would cost memory.
BATCH = 16


@dataclass
class Predictor:
    """A model with its descriptor and scalers.

    Attributes:
        scalers: "feature", "target" and, if there is one, "baseline".
        device: where the model is.
        dtype: of the model.
        cache_dir: folder of saved fingerprints.
    """

    model: AtomisticModel
    descriptor: BaseDescriptor
    scalers: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    cache_dir: str

    def __post_init__(self) -> None:
        self._converters: dict[tuple[bool, bool], AtomsToData] = {}
        self._values: list[Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Converters may hold open files.
        return {**vars(self), "_converters": {}, "_values": None}

    def weights_state(self) -> list[tuple[int, int]]:
        """What is another whenever a parameter of the model was changed, in place or not."""
        if self._values is None:
            self._values = [*self.model.parameters(), *self.model.buffers()]
        return [(each.data_ptr(), each._version) for each in self._values]

    def predict(
        self,
        images: Sequence[Atoms],
        forces: bool,
        latent: int | None = None,
        descriptors: bool = False,
        save_fps: bool = False,
        show_progress: bool = False,
    ) -> dict[str, Any]:
        """See :meth:`amptorch.trainer.AtomsTrainer.predict`; ``outside`` counts the atoms whose
        fingerprints lie outside the training range."""
        self.model.eval()
        out: dict[str, Any] = {"energy": [], "atomic_energies": [], "forces": [], "stress": []}
        out.update({"latent": []} if latent is not None else {})
        out.update({"descriptors": []} if descriptors else {})
        out.update(t_fingerPrint=0.0, t_forwardPass=0.0)
        converter = self._converter(forces, save_fps)
        unscaled: list[AtomsData] = []
        bar = tqdm(total=len(images), desc="predicting", unit=" images", disable=not show_progress)
        for start in range(0, len(images), BATCH):
            chunk = images[start : start + BATCH]
            begun = time.perf_counter()
            data = converter.convert_all(chunk, disable_tqdm=True, first=start)
            unscaled.extend(_fingerprints_only(each) for each in data)
            batch = self._batch(data)
            out["t_fingerPrint"] += time.perf_counter() - begun
            begun = time.perf_counter()
            self._evaluate(batch, chunk, forces, latent, out)
            out["t_forwardPass"] += time.perf_counter() - begun
            bar.update(len(chunk))
        bar.close()
        out["unscaled"] = unscaled
        return out

    def _converter(self, forces: bool, save_fps: bool) -> AtomsToData:
        key = (forces, save_fps)
        if key not in self._converters:
            self._converters[key] = AtomsToData(
                self.descriptor,
                fprimes=forces,
                save_fps=save_fps,
                derivatives="cached" if save_fps else "on_the_fly",
                cache_dir=self.cache_dir,
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
        out: dict[str, Any],
    ) -> None:
        with torch.no_grad():
            atomic, slope = self.model.atomic_energies_and_gradient(batch, gradient=forces)
            energies = frame_sums(atomic, batch.batch, batch.num_graphs)
            out["energy"].extend(self._energies(energies, images))
            out["atomic_energies"].extend(self._atomic_energies(atomic, images))
            if forces:
                self._forces_and_stress(batch, slope, images, out)
            fingerprint = batch.fingerprint
            if latent is not None:
                values = self.model.latent(fingerprint, batch.atomic_numbers, latent)
                out["latent"].extend(_frame_means(values, batch))
            if "descriptors" in out:
                out["descriptors"].extend(_frame_means(fingerprint, batch))

    def _energies(self, scaled: Tensor, images: Sequence[Atoms]) -> list[float]:
        energies = self.scalers["target"].denorm(scaled.cpu().double(), pred="energy").tolist()
        baseline = self.scalers.get("baseline")
        if baseline is None:
            return energies
        numbers = [torch.tensor(image.numbers) for image in images]
        return [e + baseline.total(z) for e, z in zip(energies, numbers, strict=True)]

    def _atomic_energies(self, scaled: Tensor, images: Sequence[Atoms]) -> list[np.ndarray]:
        sizes = torch.tensor([len(image) for image in images])
        energies = self.scalers["target"].denorm_atoms(scaled.cpu().double(), sizes)
        if "baseline" in self.scalers:
            numbers = torch.cat([torch.tensor(image.numbers) for image in images])
            energies = energies + energies.new_tensor(self.scalers["baseline"].of_atoms(numbers))
        return [part.numpy() for part in energies.split(sizes.tolist())]

    def _forces_and_stress(
        self, batch: AtomsBatch, slope: Tensor, images: Sequence[Atoms], out: dict[str, Any]
    ) -> None:
        primes = batch.primes
        assert primes is not None
        with record_function("amptorch::forces"):
            if isinstance(primes, PairPrimes):
                forces, virials = primes.forces_and_virials(slope, batch.batch, len(images))
                out["stress"].extend(self._stresses(virials, images))
            else:
                forces = primes.forces(slope)
                out["stress"].extend(None for _ in images)
        forces = self.scalers["target"].denorm(forces.cpu().double(), pred="forces")
        sizes = [len(image) for image in images]
        out["forces"].extend(part.numpy() for part in forces.split(sizes))

    def _stresses(self, virials: Tensor, images: Sequence[Atoms]) -> list[np.ndarray | None]:
        virials = self.scalers["target"].denorm(virials.cpu().double(), pred="forces")
        return [_stress(*each) for each in zip(images, virials.numpy(), strict=True)]


def _stress(image: Atoms, virial: np.ndarray) -> np.ndarray | None:
    """Stress in eV/Å^3, Voigt order xx yy zz yz xz xy; None without a cell of some volume."""
    if image.cell.rank < 3:
        return None
    return full_3x3_to_voigt_6_stress(virial / image.get_volume())


def _frame_means(values: Tensor, batch: AtomsBatch) -> list[np.ndarray]:
    sums = values.new_zeros((batch.num_graphs, values.shape[1])).index_add(0, batch.batch, values)
    means = sums / batch.natoms.to(values)[:, None]
    return list(means.cpu().numpy())


def _fingerprints_only(data: AtomsData) -> AtomsData:
    return AtomsData(fingerprint=data.fingerprint, atomic_numbers=data.atomic_numbers)
