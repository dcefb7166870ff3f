"""What a file of an ACE potential holds, and the potential of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray

from ....descriptor.ace import Ace as Descriptor
from ....descriptor.ace import Bond
from ....preprocessing.scaling import NO_CONSTANT, baselines_of
from ....preprocessing.utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler
from ...potential import Potential
from ..embeddings import Embedding
from ..functions import Expansion, Function
from ..linear import LinearAce
from ..model import Ace, pair_places
from .text import Entry

Array = NDArray[np.float64]
# Names of radial functions in files, and ours.
RADIALS = {
    "SBessel": "sbessel",
    "ChebExpCos": "cheb_exp_cos",
    "ChebPow": "cheb_pow",
    "ChebLinear": "cheb_linear",
}
# Of tables of radial functions in other programs, Å.
SPLINE_BINS = 0.001


@dataclass(frozen=True)
class FileBond:
    """Of two elements.

    Attributes:
        bond: its values.
        radial: c [n_max, l_max + 1, n_radial]; l_max and n_max of this bond.
    """

    bond: Bond
    radial: Array


@dataclass(frozen=True)
class Contents:
    """Attributes:
    elements: chemical symbols.
    bonds: of pairs (a, b) of places among the elements, a <= b.
    embeddings, functions: of each element.
    coefficients: of each element [functions, densities].
    energies: of an atom of each element, eV.
    inner_cutoff: one of :data:`amptorch.kernels.core_repulsion.KINDS`.
    """

    elements: Sequence[str]
    bonds: Mapping[tuple[int, int], FileBond]
    embeddings: Sequence[Embedding]
    functions: Sequence[Sequence[Function]]
    coefficients: Sequence[Array]
    energies: Sequence[float]
    inner_cutoff: str

    def potential(self, device: torch.device) -> Potential:
        """The potential, in float64."""
        n_max, lmax, n_radial = np.max([each.radial.shape for each in self.bonds.values()], axis=0)
        functions = [list(each) for each in self.functions]
        expansion = Expansion(
            list(self.elements), functions, list(self.embeddings), self.inner_cutoff,
            int(n_max), int(lmax) - 1,
        )  # fmt: skip
        model = Ace(expansion, int(n_radial), int(lmax) - 1)
        with torch.no_grad():
            width = expansion.n_densities
            padded = [np.pad(c, ((0, 0), (0, width - c.shape[1]))) for c in self.coefficients]
            model.coefficients.copy_(torch.from_numpy(np.concatenate(padded)))
            model.radial.zero_()
            for (a, b), each in self.bonds.items():
                n, ell, k = each.radial.shape
                place = int(model.pairs[a, b])
                model.radial[place, :n, :ell, :k] = torch.from_numpy(each.radial)
        descriptor = self._descriptor(int(n_radial), int(lmax) - 1)
        return Potential(model.eval().to(device), descriptor, self._scalers(descriptor.n_features))

    def _descriptor(self, n_radial: int, l_max: int) -> Descriptor:
        bonds = {
            f"{self.elements[a]}-{self.elements[b]}": asdict(each.bond)
            for (a, b), each in self.bonds.items()
        }
        sizes = {"n_radial": n_radial, "l_max": l_max}
        parameters = {**sizes, "inner_cutoff": self.inner_cutoff, "bonds": bonds}
        return Descriptor(parameters, self.elements)

    def _scalers(self, n_features: int) -> dict[str, object]:
        numbers = [atomic_numbers[each] for each in self.elements]
        energies = dict(zip(numbers, map(float, self.energies), strict=True))
        return {
            "baseline": AtomicCorrectionScaler.from_state({"energies": energies}),
            "target": TargetScaler.of(0.0, 1.0),
            "feature": FeatureScaler.identity(numbers, n_features),
        }

    @classmethod
    def of(cls, potential: Potential) -> Contents:
        """What files hold of a potential.

        Raises:
            ValueError: files cannot say it: another model, or a mean of frames.
        """
        descriptor, given = potential.descriptor, potential.model
        model = given.as_ace() if isinstance(given, LinearAce) else given
        if not isinstance(model, Ace) or not isinstance(descriptor, Descriptor):
            raise ValueError(f"expected a potential of the family ace, got {type(model).__name__}")
        _check_not_scaled(potential)
        expansion = model.expansion
        radial = model.radial.detach().double().cpu().numpy()
        places = pair_places(len(expansion.elements))
        bonds = {}
        for a, first in enumerate(expansion.elements):
            for b, second in enumerate(expansion.elements[a:], start=a):
                bonds[a, b] = FileBond(descriptor.bond(first, second), radial[places[a, b]])
        scale = float(potential.scalers["target"].target_std)
        return cls(
            expansion.elements,
            bonds,
            [_scaled(each, scale) for each in expansion.embeddings],
            expansion.functions,
            _coefficients(model),
            _energies(potential, model),
            expansion.inner_cutoff,
        )


def _coefficients(model: Ace) -> list[Array]:
    """[functions, densities] of each element."""
    values, expansion = model.coefficients.detach().double().cpu().numpy(), model.expansion
    parts = zip(expansion.spans, expansion.embeddings, strict=True)
    return [values[first:last, : len(each.exponents)] for (first, last), each in parts]


def _scaled(embedding: Embedding, scale: float) -> Embedding:
    """The embedding that gives eV."""
    prefactors = [scale * each for each in embedding.prefactors]
    return Embedding(**{**asdict(embedding), "prefactors": prefactors})


def _energies(potential: Potential, model: Ace) -> list[float]:
    """Of an atom of each element, eV."""
    mean = float(potential.scalers["target"].target_mean)
    if abs(mean) > NO_CONSTANT:
        raise ValueError(
            f"{mean:.6g} eV stand for a frame of whatever size, which files of ACE cannot say: "
            'expected a potential trained with dataset: {"baseline": "linear"}'
        )
    energies = dict.fromkeys(potential.elements, 0.0)
    for baseline in baselines_of(potential.scalers):
        if not isinstance(baseline, AtomicCorrectionScaler):
            raise ValueError(
                f"files of ACE have energies of atoms alone, got the baseline {baseline.name!r}"
            )
        for element in energies:
            energies[element] += baseline.energies.get(atomic_numbers[element], 0.0)
    scale = float(potential.scalers["target"].target_std)
    for element, constant in zip(model.expansion.elements, model.constants.tolist(), strict=True):
        energies[element] += scale * constant
    return list(energies.values())


def _check_not_scaled(potential: Potential) -> None:
    numbers = torch.from_numpy(potential.descriptor.element_indices)
    factors, shifts = potential.scalers["feature"].affine(numbers)
    if bool((factors != 1).any() or shifts.any()):
        raise ValueError(
            "files of ACE have densities that are not scaled: expected a potential trained with "
            'dataset: {"scaling": {"type": "none"}}'
        )


def is_file(path: Path, suffixes: Sequence[str], mark: str) -> bool:
    """Whether a path is a file of one of these names that has a word in it."""
    if not path.is_file() or path.suffix.lower() not in suffixes:
        return False
    return mark in path.read_text(encoding="utf-8", errors="replace")


def read_embedding(
    entry: Entry, parameters: str, densities: str, core: tuple[float, float]
) -> Embedding:
    """That of an entry; names of its lists of prefactors and exponents in turn, and of their
    number, and cutoff and width of the core repulsion.

    Raises:
        ValueError: another number of parameters.
    """
    values, count = entry.numbers(parameters), int(entry.number(densities))
    if len(values) != 2 * count:
        raise ValueError(f"{entry.where}: expected {2 * count} {parameters}, got {len(values)}")
    return Embedding(values[::2].tolist(), values[1::2].tolist(), entry.get("npoti"), *core)
