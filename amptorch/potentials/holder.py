"""What holds a potential together from its parts: a trainer, for those who predict with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ase import Atoms

from ..data.baseline import Baseline
from ..data.reading import load_images
from ..descriptor import BaseDescriptor, construct_descriptor
from ..preprocessing import AtomicCorrectionScaler, FeatureScaler, TargetScaler
from ..preprocessing.scaling import Scalers
from .model import Model
from .potential import Potential

if TYPE_CHECKING:
    from ..config import Config


class PotentialHolder:
    """A model, a descriptor and scalers, that scripts may put in place one by one.

    Attributes:
        model, feature_scaler, target_scaler: as the names say.
        baseline, fixed_baseline: energies of elements that were fitted, and what was given.
    """

    config: dict[str, Any]
    settings: Config
    device: torch.device
    forcetraining: bool
    model: Model
    feature_scaler: FeatureScaler
    target_scaler: TargetScaler

    def __init__(self) -> None:
        self.baseline: AtomicCorrectionScaler | None = None
        self.fixed_baseline: Baseline | None = None
        self._descriptor: BaseDescriptor | None = None
        self._potential: Potential | None = None
        self._has_model = False

    @property
    def descriptor(self) -> BaseDescriptor:
        """That of the data set, or of the checkpoint that was loaded."""
        if self._descriptor is None:
            self._descriptor = construct_descriptor(self.config["dataset"]["descriptor"])
        return self._descriptor

    @descriptor.setter
    def descriptor(self, descriptor: BaseDescriptor) -> None:
        self._descriptor = descriptor

    @property
    def scalers(self) -> Scalers:
        """ "feature", "target" and, if there are any, "fixed" and "baseline"."""
        scalers = {"target": self.target_scaler, "feature": self.feature_scaler}
        more = {"fixed": self.fixed_baseline, "baseline": self.baseline}
        return {**scalers, **{name: each for name, each in more.items() if each is not None}}

    def _take_scalers(self, scalers: Scalers) -> None:
        self.feature_scaler = scalers["feature"]
        self.target_scaler = scalers["target"]
        self.baseline = scalers.get("baseline")
        self.fixed_baseline = scalers.get("fixed")
        self._potential = None

    @property
    def potential(self) -> Potential:
        """The model with all it takes to predict, made once per training."""
        if self._potential is None:
            if not self._has_model:
                raise RuntimeError("predict: call train() or load_pretrained() first")
            self._potential = self._holding(self.model.to(self.device).for_prediction())
        return self._potential

    def _holding(self, model: Model) -> Potential:
        keys = self.settings.dataset.target_keys
        return Potential(model, self.descriptor, self.scalers, keys)

    def predict(
        self,
        images: Sequence[Atoms],
        disable_tqdm: bool = True,
        get_latent: int | None = None,
        get_descriptor: bool = False,
        save_fps: bool = False,
    ) -> dict[str, Any]:
        """Energies, forces and stresses of images.

        Args:
            images: list of ``Atoms``.
            disable_tqdm: show no progress bar.
            get_latent: also give the per-frame mean output of this layer of ``model_net``.
            get_descriptor: also give the per-frame mean of the scaled fingerprints.
            save_fps: keep fingerprints on disk.

        Returns:
            dict with "energy" (eV per frame), "atomic_energies" (list of [n_atoms], eV, that add up
            to it, see :class:`amptorch.AmpTorch`), "forces" (list of [n_atoms, 3], eV/Å) and
            "stress" (list of [6] in Voigt order and ASE's sign, eV/Å^3, or None without a cell or
            with a ``prime_threshold``); these two are empty without force training. "latent" and
            "descriptors" where asked for, and the seconds "t_fingerPrint" and "t_forwardPass".

        Warns:
            ExtrapolationWarning: fingerprints outside the range seen in training.
        """
        potential = self.potential
        found = potential.evaluate(
            load_images(images, "images"),
            self.forcetraining,
            latent=get_latent,
            descriptors=get_descriptor,
            cache_dir=str(Path(self.settings.cmd.run_dir) / "processed") if save_fps else None,
            show_progress=not disable_tqdm,
        )
        potential.warn_outside(found)
        return found.to_dict(get_latent is not None, get_descriptor)
