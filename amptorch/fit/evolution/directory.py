"""A folder of GPUMD's ``nep``: nep.in, train.xyz and test.xyz, and what is made of them."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ...data.gpumd import read_gpumd
from ...descriptor.nep import NepDensity
from ...potentials.nep import files
from ...potentials.nep.model import Nep
from ...potentials.nep.nep_in import FLAGS, NepIn
from ...potentials.nep.population import owners, places_in
from ...potentials.nep.restart import read_restart
from ...potentials.nep.shape import Shape
from ...potentials.nep.zbl import NepZbl
from ...potentials.potential import Potential
from .distribution import Distribution
from .evolver import Data
from .losses import Array, Errors, Weights
from .outputs import Predictions, write_predictions, write_table
from .structures import Structures


class Directory:
    """A folder.

    Args:
        path: has nep.in and train.xyz, and test.xyz, zbl.in, nep.txt and nep.restart where they are
            asked for.
        settings: in place of nep.in.
        dtype: of the kernel in training; predictions are in float64.
        seed: of random numbers.
        data: folder of train.xyz and test.xyz, if another.

    Raises:
        ValueError: what cannot be read; says where.
    """

    def __init__(
        self,
        path: Path,
        settings: NepIn | None = None,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
        data: Path | None = None,
    ) -> None:
        self.path, self.dtype, self.seed = path, dtype, seed
        self._source = path if data is None else data
        self.settings = NepIn.read(path / "nep.in") if settings is None else settings
        self.shape = _shape(self.settings)

    @cached_property
    def descriptor(self) -> NepDensity:
        """That nep.in asks for."""
        settings = self.settings
        parameters = {
            "cutoff": [list(each) for each in settings.cutoff],
            "basis_size": list(settings.basis_size),
            "l_max": settings.l_max,
        }
        return NepDensity(parameters, settings.type)

    @cached_property
    def zbl(self) -> NepZbl | None:
        """The repulsion that nep.in or zbl.in asks for."""
        settings, pairs = self.settings, self._source / "zbl.in"
        near = [angular for _, angular in settings.cutoff]
        if pairs.is_file():
            rows = np.array(pairs.read_text(encoding="utf-8").split(), float).reshape(-1, 10)
            return NepZbl(settings.type, 0.0, 0.0, near, None, rows.tolist())
        if settings.zbl is None:
            return None
        inner = 0.0 if settings.zbl_factor else settings.zbl / 2
        return NepZbl(settings.type, inner, settings.zbl, near, settings.zbl_factor)

    @cached_property
    def train(self) -> Structures:
        """The frames of train.xyz."""
        return Structures(read_gpumd(self._source / "train.xyz"), self.descriptor, self.zbl)

    @cached_property
    def test(self) -> Structures | None:
        """The frames of test.xyz."""
        path = self._source / "test.xyz"
        return Structures(read_gpumd(path), self.descriptor, self.zbl) if path.is_file() else None

    @cached_property
    def scale(self) -> Array:
        """s, which stays: of the potential that is fine-tuned; of nep.txt where nep.in asks for it
        or nep.restart is there, whose numbers belong to it; or of the training frames. With eight
        digits, as nep.txt has it, so that a run that is stopped goes on as it would have."""
        settings, restart = self.settings, self.path / "nep.restart"
        source = self.path / "nep.txt"
        if settings.fine_tune:
            source = self.path / settings.fine_tune.potential
        elif not (settings.import_q_scaler or (restart.is_file() and source.is_file())):
            found = self.train.scale(self.shape, settings.initial_para)
            return np.array([f"{each:.7e}" for each in found], float)
        model = files.read(source, torch.device("cpu")).model
        assert isinstance(model, Nep)
        if model.shape.n_descriptors == self.shape.n_descriptors:
            return model.q_scaler.numpy()
        raise ValueError(
            f"{source}: expected a potential with {self.shape.n_descriptors} descriptors as nep.in "
            f"says, got {model.shape.n_descriptors}"
        )

    @cached_property
    def weights(self) -> Weights:
        """Of the loss."""
        own = self.settings
        n_variables = Nep(self.shape).num_params
        usual = math.sqrt(n_variables * 1e-6 / self.shape.n_elements)
        l1, l2 = (usual if each is None else each for each in (own.lambda_1, own.lambda_2))
        parts = (own.lambda_e, own.lambda_f, own.lambda_v, own.lambda_shear)
        return Weights(*parts, l1, l2, own.force_delta, own.type_weight)

    def distribution(self) -> Distribution:
        """Where the run begins: nep.restart, what is fine-tuned, or random."""
        settings, shape = self.settings, self.shape
        groups = owners(shape)
        start = Distribution.start(
            groups, shape.n_elements, self.seed, settings.initial_para, settings.sigma0
        )
        restart = self.path / "nep.restart"
        if restart.is_file():
            start.mean, start.sigma = read_restart(restart, len(groups))
        elif settings.fine_tune:
            self._fine_tune(start)
        return start

    def _fine_tune(self, start: Distribution) -> None:
        fine = self.settings.fine_tune
        assert fine is not None
        larger = files.read(self.path / fine.potential, torch.device("cpu")).model
        assert isinstance(larger, Nep)
        places = places_in(self.shape, larger.shape)
        mean, sigma = read_restart(self.path / fine.restart, larger.num_params)
        start.mean, start.sigma = mean[places], sigma[places]
        if not fine.radial:
            model = Nep(self.shape)
            start.sigma[-(model.radial.numel() + model.angular.numel()) :] = 0.0

    def data(self, frames: Structures) -> tuple[Data, Data]:
        """Frames as evolution takes them, with the weights of the loss and with none."""
        return frames.data(self.shape, self.scale, self.weights, self.dtype)

    def write_predictions(self, name: str, frames: Structures, parameters: Array) -> None:
        """The tables of some frames, "train" or "test"."""
        found = predictions(frames, self.shape, self.scale, parameters)
        write_predictions(self.path, name, frames, found)

    def potential(self, parameters: Array) -> Potential:
        """The potential of parameters."""
        model = Nep(self.shape)
        model.set_vector(torch.from_numpy(parameters))
        model.q_scaler.copy_(torch.from_numpy(self.scale))
        model.most_neighbors.copy_(torch.tensor(self._most_neighbors))
        return files.potential_of(model, self.descriptor, self.zbl)

    @cached_property
    def _most_neighbors(self) -> tuple[int, int]:
        return self.train.most_neighbors()

    def model(self) -> Nep:
        """That of nep.txt.

        Raises:
            ValueError: it is not what nep.in asks for.
        """
        model = files.read(self.path / "nep.txt", torch.device("cpu")).model
        assert isinstance(model, Nep)
        if model.shape != self.shape:
            raise ValueError(f"nep.txt: expected {self.shape} as in nep.in, got {model.shape}")
        return model

    def errors(self, frames: Structures) -> Array:
        """The root mean squares of errors of nep.txt over all of some frames: energies (eV an
        atom), forces (eV/Å), virials (eV an atom)."""
        model = self.model()
        plain = frames.data(self.shape, model.q_scaler.numpy(), Weights(), torch.float64)[1]
        return unshifted(plain.errors(model.vector().numpy()[None], 1.0))

    def predict(self) -> Array:
        """Write what nep.txt says of train.xyz, and give its errors."""
        model = self.model()
        parameters, scale = model.vector().numpy(), model.q_scaler.numpy()
        found = predictions(self.train, self.shape, scale, parameters)
        write_predictions(self.path, "train", self.train, found)
        if self.settings.output_descriptor:
            self._write_descriptors(model)
        return self.errors(self.train)

    def _write_descriptors(self, model: Nep) -> None:
        both = zip(self.train.fingerprints(), self.train.numbers, strict=True)
        with torch.no_grad():
            found = [(model.descriptors(f, z) * model.q_scaler).numpy() for f, z in both]
        if self.settings.output_descriptor == 1:
            found = [each.mean(0, keepdims=True) for each in found]
        write_table(self.path / "descriptor.out", np.concatenate(found), append=True)


def predictions(frames: Structures, shape: Shape, scale: Array, parameters: Array) -> Predictions:
    """Of one potential, in float64, its repulsion included."""
    kernel = frames.data(shape, scale, Weights(), torch.float64)[1].population
    found = kernel.evaluate(parameters[None], virials=True, forces=True)
    energies, forces, virials = frames.repulsion
    return Predictions(
        found.energies[:, 0] + energies,
        found.forces[:, :, 0] + forces,
        found.virials[:, :, 0] + virials,
    )


def unshifted(errors: Errors) -> Array:
    """The three root mean squares with what all energies are off by."""
    energy, force, virial = errors.rms()[:, 0]
    return np.array([math.hypot(energy, float(errors.shift[0])), force, virial])


def _shape(settings: NepIn) -> Shape:
    return Shape(
        elements=settings.type,
        n_max=settings.n_max,
        basis_size=settings.basis_size,
        l_max=settings.l_max,
        invariants=tuple(n for n, flag in zip(FLAGS, settings.flags, strict=True) if flag),
        neurons=settings.neuron,
        version=settings.version,
    )
