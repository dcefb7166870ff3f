"""Uncertainty from an ensemble: the spread of models that saw different data and start weights.

Training on images drawn with replacement (the bootstrap) shows how much a prediction depends on
the particular training set; L. Breiman, Mach. Learn. 24, 123 (1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from ..data.keys import DEFAULT_KEYS
from ..data.reading import load_images
from ..descriptor.schemes import SETUP_KEYS
from ..potentials.potential import HasPotential
from ..trainer import AtomsTrainer
from .committee import Committee
from .conformal import ConformalPrediction
from .representations import split_indices, true_energies


def bootstrap_trainers(
    trainer: AtomsTrainer, train_list: Sequence[Atoms], ensemble_size: int, seed: int = 1
) -> list[AtomsTrainer]:
    """Trainers of the same configuration, each trained on images drawn with replacement.

    Their seeds are those of the configuration + 1, + 2, ...; they are silent and write nothing.

    Args:
        trainer: gives the configuration; it is not changed.
        train_list: images with energies (and forces, where they are trained on) to draw from.
        ensemble_size: how many, >= 2.
        seed: of the draws.
    """
    train_list = load_images(train_list, "train_list")
    if ensemble_size < 2:
        raise ValueError(f"ensemble_size: expected at least 2, got {ensemble_size}")
    random = np.random.default_rng(seed)
    members = []
    for k in range(ensemble_size):
        member = AtomsTrainer(_member_config(trainer, _resample(train_list, random), k + 1))
        member.train()
        members.append(member)
    return members


def _resample(images: list[Atoms], random: np.random.Generator) -> list[Atoms]:
    """As many images, drawn with replacement, and one more for each element not among them: a
    model cannot predict for an element it has not seen."""
    drawn = [images[i] for i in random.integers(len(images), size=len(images))]
    seen = {number for image in drawn for number in image.numbers}
    for image in images:
        if not seen.issuperset(image.numbers):
            drawn.append(image)
            seen.update(image.numbers)
    return drawn


def _member_config(
    trainer: AtomsTrainer, images: list[Atoms], member: int
) -> dict[str, dict[str, Any]]:
    config = {name: dict(section) for name, section in trainer.config.items()}
    # What the data set was made with; a configuration that names LMDB files does not say it.
    descriptor = config["dataset"].get("descriptor") or ()
    config["dataset"].update(zip(SETUP_KEYS, descriptor, strict=False))
    config["dataset"].update(raw_data=images, lmdb_path=None, cache="no")
    seed = trainer.settings.cmd.seed + member
    config["cmd"].update(seed=seed, debug=True, verbose=False, logger=False)
    return config


@dataclass
class EnsembleSDEstimator:
    """Standard deviation of the energies that several models predict.

    Args:
        ensemble_size: models to train where ``fit_predict`` gets a single trainer.
        alpha: None gives the bare standard deviation, as AMPTorch does; a number scales it by
            conformal prediction so that this fraction of errors lies outside.
        per_calib: with alpha, the fraction of the test images used for calibration.
        seed: of draws and split.
    """

    ensemble_size: int = 5
    alpha: float | None = None
    per_calib: float = 0.1
    seed: int = 1

    def fit_predict(
        self,
        trainer: AtomsTrainer | Sequence[HasPotential],
        train_list: Sequence[Atoms],
        full_test_list: Sequence[Atoms],
    ) -> dict[str, Any]:
        """Uncertainties of test images.

        Args:
            trainer: a trained trainer, of which ``ensemble_size`` copies are trained on bootstrap
                samples of ``train_list``; or a list of trained trainers or potentials, taken as
                they are.
            train_list: training images.
            full_test_list: images with energies that no model was trained on.

        Returns:
            dict with "residuals", mean prediction - true energy [n], eV; "uncertainty" [n], eV;
            "indices", the images' places in ``full_test_list`` [n]; with alpha also "alpha" and
            "qhat", and n counts the images not used for calibration.
        """
        full_test_list = load_images(full_test_list, "full_test_list")
        first = trainer if isinstance(trainer, AtomsTrainer) else next(iter(trainer), None)
        keys = DEFAULT_KEYS if first is None else first.potential.keys
        true = true_energies(full_test_list, "full_test_list", keys)
        if isinstance(trainer, AtomsTrainer):
            trainer = bootstrap_trainers(trainer, train_list, self.ensemble_size, self.seed)
        predicted = Committee(trainer).predict(full_test_list)
        errors, spread = predicted["energy"] - true, predicted["energy_std"]
        if self.alpha is None:
            indices = np.arange(len(errors))
            return {"residuals": errors, "uncertainty": spread, "indices": indices}
        test, calibration = split_indices(len(errors), self.per_calib, self.seed)
        model = ConformalPrediction(errors[calibration], spread[calibration], self.alpha)
        uncertainty, qhat = model.predict(spread[test])
        return {
            "residuals": errors[test],
            "uncertainty": uncertainty,
            "indices": test,
            "alpha": self.alpha,
            "qhat": qhat,
        }
