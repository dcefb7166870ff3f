"""The search for what linear potentials need: outside, the parameters of a descriptor, each a pass
over the frames; inside, weights and penalty, which the matrices of that pass are enough for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from ase import Atoms

from ..config import Config
from ..data.memory import Survey, estimate_memory, fits_in_memory
from ..data.reading import elements_of, load_images
from ..dataset.in_memory import AtomsDataset, Seen
from ..dataset.training_data import TrainingData
from ..descriptor import construct_descriptor
from ..fit.least_squares.fitted import factors_of
from ..fit.least_squares.moments import Gram, Moments
from ..fit.least_squares.rows import RowReader
from ..fit.least_squares.settings import LeastSquaresSettings
from ..fit.least_squares.tuning import tune
from ..potentials.model import LinearModel
from ..potentials.registry import Inputs, family_named
from .descriptors import searched
from .space import Values, configured

# Frames that are looked at, from all over the data.
MOST_FRAMES = 500
# Groups that have weights of their own.
MOST_GROUPS = 12

Found = dict[str, Any]


@dataclass
class System:
    """Least squares by folds.

    Attributes:
        moments: of the rows of all frames.
        model: whose coefficients are the unknowns.
        unit: of targets, eV.
    """

    moments: Moments
    model: LinearModel
    unit: float


class LinearSearch:
    """The errors of least-squares fits, cross-validated over frames, by parameters of a descriptor.

    Args:
        config: of a linear model that least squares fit; "raw_data" are images.
        folds: of the cross-validation, which has frames in turn.

    Attributes:
        parameters: what is searched.
        config: the same, with a place for each of these.
        about: what tells the data from others, in plain values.

    Raises:
        ValueError: another fit.
    """

    def __init__(self, config: Mapping[str, Any], folds: int = 5) -> None:
        settings = Config.from_dict(config)
        if not isinstance(settings.optim, LeastSquaresSettings):
            raise ValueError(f"search: expected least squares, got the fit {settings.optim.fit!r}")
        every = load_images(settings.dataset.source)
        step = max(1, -(-len(every) // MOST_FRAMES))
        self.images: list[Atoms] = every[::step]
        self.folds = folds
        self.elements = list(settings.dataset.elements or elements_of(every))
        self._data = TrainingData(settings, torch.device("cpu"))
        self._targets = [
            self._data.reader.read(image, f"image {k * step}")
            for k, image in enumerate(self.images)
        ]
        self._survey, self._start = Survey.of(self.images), settings.optim
        self.config, self.parameters = searched(config, self.elements)
        energies = sum(each.energy or 0.0 for each in self._targets)
        self.about = {"frames": len(every), "energies": round(energies, 6), "folds": folds}
        groups = Counter(str(image.info.get("group", "")) for image in self.images)
        self._groups, self._several = groups, 1 < len(groups) <= MOST_GROUPS
        self.about["groups"] = len(groups) if self._several else 1

    def placed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a configuration with a place for each parameter."""
        return searched(config, self.elements)[0]

    def __call__(self, values: Values) -> tuple[float, Found]:
        """Geometric mean of the errors of energies (eV/atom), forces (eV/Å) and, where they are
        fitted, stresses (eV/Å^3) on frames left out; details for a journal. Groups have weights of
        their own, where there are several."""
        return self.score(self.system(values))

    def score(self, system: System, folds: Sequence[int] | None = None) -> tuple[float, Found]:
        """The same of what a pass over the frames has left, of some folds.

        Args:
            system: of some values.
            folds: those to look at, default all.
        """
        model, start = system.model, self._start
        factors = factors_of(model, start)
        found = tune(system.moments, model.constants(), start, folds, self._several, factors)
        errors = {kind: system.unit * value for kind, value in found.errors.items()}
        optim = {**found.settings(self._groups), "solver": "ridge", "smart_weights": False}
        return system.unit * found.score, {"errors": errors, "optim": optim}

    def system(self, values: Values, kind: type[Gram] = Gram) -> System:
        """What a pass over all frames leaves, in matrices of a kind."""
        config = configured(self.config, self.parameters, values)
        settings = Config.from_dict(config)
        assert isinstance(settings.optim, LeastSquaresSettings)
        dataset = self._dataset(settings)
        section, family = config["model"], family_named(settings.model.name)
        model = family.make(
            family.Settings(**{**section, "covariance": False}),
            Inputs(dataset.elements, dataset.input_dim, dataset.descriptor),
            torch.float64,
            get_stress=settings.optim.stress_coefficient > 0,
        )
        assert isinstance(model, LinearModel)
        found = Moments(model.num_params + 1, kind)
        RowReader(model, settings.optim, torch.device("cpu")).read(dataset, found, self.folds)
        return System(found, model, float(dataset.target_scaler.target_std))

    def _dataset(self, settings: Config) -> AtomsDataset:
        setup = settings.dataset.setup(self.elements)
        descriptor, forces = construct_descriptor(setup), settings.model.get_forces
        derivatives = "cached" if descriptor.stored else "on_the_fly"
        needed = estimate_memory(self._survey, descriptor, forces, derivatives=derivatives)
        return AtomsDataset(
            self.images,
            setup,
            forcetraining=forces,
            save_fps=False,
            scaling=self._data.scaling,
            derivatives=derivatives if fits_in_memory(needed) else "on_the_fly",
            reader=self._data.reader,
            seen=Seen(descriptor, self._targets, self._survey),
            large_pages=False,
        )
