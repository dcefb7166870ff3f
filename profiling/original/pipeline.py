"""The original as one side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray
from torch import Tensor

from amptorch.config import Config
from amptorch.descriptor.Gaussian import Gaussian

from ..stages import Side
from . import cache, known
from .collate import collate
from .fingerprints import Descriptor
from .record import Record, convert
from .scaling import FeatureScaler, TargetScaler
from .training import Records, make_net, make_networks, seed_all


class Original(Side):
    """The data path of AMPTorch, see ``profiling.original``."""

    name = "original"

    def __init__(self, config: dict[str, Any], elements: Sequence[str]) -> None:
        self.settings = Config.from_dict(config)
        known.check(self.settings)
        self.elements = list(elements)
        self.descriptor = self.describe()

    def describe(self) -> Descriptor:
        dataset = self.settings.dataset
        # Of the package only the parameters: a table of functions for each element.
        described = Gaussian(dataset.fp_params, self.elements, **dataset.cutoff_params)
        return Descriptor(
            described.descriptor_setup, described.descriptor_set.cutoff_function.gamma
        )

    def neighbors(self, images: Sequence[Atoms]) -> Any:
        return [self.descriptor.neighbors(image) for image in images]

    def fingerprints(self, images: Sequence[Atoms]) -> Any:
        return [self.descriptor.fingerprints(image) for image in images]

    def convert(self, images: Sequence[Atoms]) -> list[Record]:
        return [convert(image, self.descriptor) for image in images]

    def fit(self, records: Sequence[Record]) -> tuple[FeatureScaler, TargetScaler]:
        return FeatureScaler(records, self.settings.dataset.scaling), TargetScaler(records)

    def scaled(self, records: Sequence[Record]) -> list[Record]:
        dtype = self.settings.cmd.torch_dtype
        return [self.targets.scaled(self.features.scaled(each)).to(dtype) for each in records]

    def write(
        self, images: Sequence[Atoms], records: Sequence[Any], scaled: Sequence[Any], path: Path
    ) -> None:
        cache.write(scaled, path)

    def read(self, path: Path) -> list[Record]:
        file = cache.RecordFile(path)
        records = [file[place] for place in range(len(file))]
        file.close()
        return records

    def load(self, images: Iterable[Atoms], file: Path | None = None) -> None:
        seed_all(self.settings.cmd.seed)
        records = [convert(image, self.descriptor) for image in images]
        self.features, self.targets = self.fit(records)
        for place, record in enumerate(records):  # in place: never all of them twice
            (records[place],) = self.scaled([record])
        if file is None:
            self.dataset = Records(records)
        else:
            cache.write(records, file)
            self.dataset = cache.RecordFile(file)
        networks = make_networks(
            self.settings, self.descriptor.elements, self.descriptor.n_features
        )
        self.net = make_net(self.settings, networks, self.targets)

    def predict(self, images: Sequence[Atoms]) -> tuple[list[float], list[NDArray]]:
        self.net.module_.eval()
        energies, forces = [], []
        for image in images:
            record = convert(image, self.descriptor, targets=False)
            batch, _ = collate(self.scaled([record]))
            energy, force = (part.detach().double() for part in self.net.infer(batch))
            energies.append(float(self.targets.energies(energy)))
            forces.append(self.targets.forces(force).numpy())
        return energies, forces

    def calculator(self) -> Calculator:
        return OriginalCalculator(self)

    def sparse(self, record: Record) -> tuple[Tensor, Tensor]:
        return record.fingerprint, record.primes


class OriginalCalculator(Calculator):
    """Energy (eV) and forces (eV/Å) by :meth:`Original.predict`."""

    implemented_properties = ("energy", "forces")

    def __init__(self, side: Original) -> None:
        super().__init__()
        self.side = side

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        energies, forces = self.side.predict([self.atoms])
        self.results.update(energy=energies[0], forces=forces[0])
