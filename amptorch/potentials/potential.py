"""A trained potential: from images to energies, forces and stresses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from ase import Atoms
from torch import Tensor

from ..data.keys import DEFAULT_KEYS, Keys
from ..data.reading import load_images
from ..descriptor.base_descriptor import BaseDescriptor
from ..errors import nearest
from ..kernels.neighbors import NeighborList
from ..preprocessing.scaling import Scalers
from . import saved
from .evaluator import Asked, Evaluator, Scaled
from .model import Model
from .prediction import Array, Evaluation, Prediction
from .registry import writer_of

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
    _values: list[Tensor] = field(default_factory=list, init=False, repr=False)
    _evaluator: Evaluator | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # An evaluator may hold open files.
        return {**vars(self), "_values": [], "_evaluator": None}

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
        """Write the potential in the files of another program, see ``docs/potential.md``,
        ``docs/n2p2.md`` and ``docs/lammps.md``.

        Args:
            path: file or folder to write.
            to: the format, "n2p2", "lammps", "snap" or "mliap".
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

    def members(self) -> list[Potential]:
        """Potentials whose mean this one is, of a run with ``model: members``; itself alone of
        others, and of files that hold the mean only."""
        copies = [copy.deepcopy(each) for each in self.model.mean_of]
        return [
            Potential(each.to(self.device, self.dtype), self.descriptor, self.scalers, self.keys)
            for each in copies
        ] or [self]

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

    def grades(self, found: Evaluation) -> list[Array] | None:
        """Extrapolation grades gamma [n_atoms] of images that were evaluated; None where the model
        knows no active sets, see ``docs/ace.md``, or where no fingerprints were kept."""
        grades: list[Array] = []
        for each in found.unscaled:
            features = each.fingerprint.to(self.device, self.dtype)
            own = self.model.grades(features, each.atomic_numbers.to(self.device))
            if own is None:
                return None
            grades.append(own.numpy())
        return grades or None

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
        asked = Asked(forces, latent, descriptors, cache_dir, show_progress, neighbors)
        return self.evaluator.evaluate(images, asked)

    def evaluate_scaled(
        self, images: Sequence[Atoms], data: Scaled, places: Sequence[int]
    ) -> Evaluation:
        """What :meth:`evaluate` says, of images at some places of a data set, whose fingerprints
        and primes are known."""
        return self.evaluator.evaluate_scaled(images, data, places, self.forces)

    @property
    def evaluator(self) -> Evaluator:
        """What evaluates images and keeps what calls have in common, made when it is asked for."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self)
        return self._evaluator
