"""Evolution as a fit of the family nep: from the model's parameters, random or trained before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from ...data.frame import AtomsData
from ...data.primes import OnTheFly, PairJacobian
from ...dataset.frames import Frames
from ...descriptor.nep import NepDensity
from ...errors import Diverged
from ...kernels.environment import Environment
from ...kernels.nep_population import Geometry, Population
from ...potentials.nep.model import Nep
from ...potentials.nep.population import (
    owners,
    population_shape,
    starting_scale,
    without_constant,
)
from ...potentials.potential import Potential
from ..base import History, Run
from ..settings import FitSettings
from .distribution import Distribution
from .evolver import Best, Data, Evolver
from .losses import Array, References, Regularizer, Weights
from .settings import EvolutionSettings

VOIGT = (0, 1, 2, 5, 3, 4)
"""Places of xx yy zz xy yz zx in xx yy zz yz xz xy."""


class Evolution:
    """The separable natural evolution strategy of GPUMD on NEP's loss, in memory.

    Args:
        run: what this is of.
    """

    Settings: ClassVar[type[FitSettings]] = EvolutionSettings

    def __init__(self, run: Run) -> None:
        assert isinstance(run.settings.optim, EvolutionSettings)
        self._run, self._settings = run, run.settings.optim

    def run(self, potential: Potential, train: Frames, valid: Frames | None = None) -> History:
        """Fit the model. Ctrl-C ends the run with the last row of the history.

        Raises:
            ValueError: a model of another family, scaled fingerprints, or frames without forces.
            Diverged: losses are not finite.
        """
        model = potential.model
        if not isinstance(model, Nep):
            raise ValueError(f"optim: evolution fits potentials of nep, not {type(model).__name__}")
        descriptor = potential.descriptor
        assert isinstance(descriptor, NepDensity)
        images = [train[k] for k in range(len(train))]
        if not model.most_neighbors.any():  # as in models that were not trained before
            _set_scale(model, descriptor, images)
        weights = self._weights(model)
        unit = float(train.target_scaler.target_std)
        data = data_of(images, model, descriptor, weights, unit)
        evolver = self._evolver(model, weights, data)
        judged = None
        if valid is not None:
            others = [valid[k] for k in range(len(valid))]
            judged = data_of(others, model, descriptor, Weights(), unit)
        return self._go(evolver, potential, judged)

    def _weights(self, model: Nep) -> Weights:
        own, n = self._settings, model.shape.n_elements
        usual = (model.num_params * 1e-6 / n) ** 0.5
        l1, l2 = (usual if each is None else each for each in (own.lambda_1, own.lambda_2))
        parts = (own.lambda_e, own.lambda_f, own.lambda_v, own.lambda_shear)
        return Weights(*parts, l1, l2, own.force_delta)

    def _evolver(self, model: Nep, weights: Weights, data: Data) -> Evolver:
        own, n = self._settings, model.shape.n_elements
        groups, seed = owners(model.shape), self._run.settings.cmd.seed
        distribution = Distribution.start(groups, n, seed, 1.0, own.sigma)
        distribution.mean = model.vector().double().cpu().numpy()
        state = self._run.state
        if state is not None:
            distribution.mean = state["mean"].numpy().copy()
            distribution.sigma = state["sigma"].numpy().copy()
        counted = without_constant(model.shape)
        regularizer = Regularizer(groups, counted, n, weights.l1, weights.l2)
        sizes = (own.population, own.batch_size, own.full)
        return Evolver(data, weights, regularizer, distribution, *sizes, seed)

    def _go(self, evolver: Evolver, potential: Potential, valid: Data | None) -> History:
        done = 0 if self._run.state is None else int(self._run.state["generation"])
        history = [*self._run.history]
        try:
            # In the first one no energies or forces are looked at.
            for generation in range(done + 1, done + self._settings.generations + 1):
                best = evolver.step(generation)
                last = generation == done + self._settings.generations
                if last or generation % self._settings.interval == 0:
                    history = self._keep(evolver, potential, valid, best, generation, history)
        except KeyboardInterrupt:
            self._run.say(
                f"stopped; kept: generation {done if not history else history[-1]['generation']}"
            )
        return history

    def _keep(
        self,
        evolver: Evolver,
        potential: Potential,
        valid: Data | None,
        best: Best,
        generation: int,
        history: Sequence[Mapping[str, Any]],
    ) -> list[Mapping[str, Any]]:
        if not np.isfinite(best.loss):
            raise Diverged("evolution: losses are not finite; see the data")
        model = potential.model
        assert isinstance(model, Nep)
        # That of all, which is taken off, in the model's unit.
        shift = best.shift / evolver.data.unit
        parameters = best.parameters + shift * ~without_constant(model.shape)
        model.set_vector(torch.from_numpy(parameters).to(model.dtype))
        row: dict[str, Any] = {"epoch": len(history) + 1, "generation": generation}
        row |= {"event_cp": True, "train_loss": best.loss}
        row |= _rmse(evolver.data, parameters, "train")
        if valid is not None:
            row |= _rmse(valid, parameters, "valid")
        self._say(row)
        distribution = evolver.distribution
        rows = [*history, row]
        state = {
            "mean": torch.from_numpy(distribution.mean),
            "sigma": torch.from_numpy(distribution.sigma),
            "generation": generation,
        }
        self._run.keep(potential, rows, state)
        return rows

    def _say(self, row: Mapping[str, Any]) -> None:
        energy, force = (1e3 * row[f"train_{kind}_rmse"] for kind in ("energy", "forces"))
        self._run.say(
            f"generation {row['generation']}: loss {row['train_loss']:.5f}, {energy:.2f} meV/atom, "
            f"{force:.1f} meV/Å"
        )


def _rmse(data: Data, parameters: Array, name: str) -> dict[str, float]:
    """Root mean squares with the weights of the data, in eV/atom, eV/Å and eV/atom."""
    energy, force, virial = data.errors(parameters[None], 1.0).rms()[:, 0].tolist()
    found = {f"{name}_energy_rmse": energy, f"{name}_forces_rmse": force}
    return {**found, f"{name}_virial_rmse": virial} if virial else found


def _set_scale(model: Nep, descriptor: NepDensity, images: Sequence[AtomsData]) -> None:
    fingerprints = [each.fingerprint.double() for each in images]
    numbers = [each.atomic_numbers for each in images]
    scale = starting_scale(model.shape, fingerprints, numbers, 1.0)
    model.q_scaler.copy_(torch.from_numpy(scale))
    counts = [descriptor.most_neighbors(each) for each in map(_environment, images)]
    model.most_neighbors.copy_(torch.stack(counts).amax(0))


def _environment(image: AtomsData) -> Environment:
    primes = image.primes
    if not isinstance(primes, (OnTheFly, PairJacobian)):
        raise ValueError("optim: evolution needs forces, expected derivatives of fingerprints")
    if bool((primes.factors != 1).any()):
        raise ValueError(
            'optim: evolution takes fingerprints as they are: expected "scaling" "none"'
        )
    return primes.environment


def data_of(
    images: Sequence[AtomsData],
    model: Nep,
    descriptor: NepDensity,
    weights: Weights,
    unit: float,
    dtype: torch.dtype = torch.float32,
) -> Data:
    """Scaled images as evolution takes them.

    Args:
        unit: of energies, eV.
        dtype: of the kernel.
    """
    environments = [_environment(each) for each in images]
    geometry = Geometry.of(environments, descriptor.parameters.values[..., 0], dtype)
    forces = unit * torch.cat([each.forces for each in images]).double().numpy()
    scale = model.q_scaler.double().numpy()
    own = weights.of_atoms(geometry.species, forces)
    kernel = Population(population_shape(model.shape), geometry, scale, forces / unit, own)
    return Data(kernel, _references(images, geometry, len(descriptor.elements), unit), unit)


def _references(
    images: Sequence[AtomsData], geometry: Geometry, n_species: int, unit: float
) -> References:
    sizes = geometry.sizes.astype(float)
    energies = unit * np.array([float(each.energy) for each in images]) / sizes
    virials = np.full((len(images), 6), np.nan)
    for row, image in zip(virials, images, strict=True):
        if "stress" in image:
            stress = image.stress.double().numpy()[list(VOIGT)]
            row[:] = -unit * stress * float(image.volume) / len(image.atomic_numbers)
    parts = np.split(geometry.species, geometry.first_atoms[1:-1])
    has = np.array([np.bincount(each, minlength=n_species) > 0 for each in parts])
    ones = np.ones(len(images))
    return References(sizes, energies, virials, has, ones, ones)
