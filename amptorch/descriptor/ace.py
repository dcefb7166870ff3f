"""Neighbour densities in radial functions and harmonics ("ace"), of which ACE is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import Function

from ..errors import check_keys, is_number, nearest
from ..kernels import core_repulsion, spherical_expansion
from ..kernels.capability import in_cpp
from ..kernels.core_repulsion import CoreRepulsion
from ..kernels.environment import Environment
from ..kernels.registration import Context
from ..kernels.spherical_expansion import Rows, SphericalExpansion, count
from .base_descriptor import BaseDescriptor, Kernel
from .schemes import parameters_to_json

__all__ = ["Ace", "Bond"]

RADIALS = ("sbessel", "cheb_exp_cos", "cheb_pow", "cheb_linear")


@dataclass(frozen=True)
class Bond:
    """What two elements share, in whichever order; Å.

    Attributes:
        cutoff: rc.
        radial: kind of radial functions, see :mod:`amptorch.kernels.spherical_expansion`.
        steepness: lambda of the kinds that have one.
        width: D, over which ``cheb_exp_cos`` and the repulsion of kind zbl end.
        core_prefactor, core_exponent: a and b of the repulsion, see
            :mod:`amptorch.kernels.core_repulsion`.
        inner, inner_width: r_in and d_in.
    """

    cutoff: float
    radial: str = "sbessel"
    steepness: float = 5.25
    width: float = 0.01
    core_prefactor: float = 0.0
    core_exponent: float = 0.0
    inner: float = 0.0
    inner_width: float = 0.0

    def __post_init__(self) -> None:
        if self.radial not in RADIALS:
            hint = nearest(str(self.radial), RADIALS)
            raise ValueError(f"fp_params: unknown radial {self.radial!r}; {hint}")
        for name, value in asdict(self).items():
            if name != "radial" and not is_number(value):
                raise ValueError(f"fp_params: expected {name} to be a number, got {value!r}")
        if self.cutoff <= 0:
            raise ValueError(f"fp_params: expected cutoff > 0, got {self.cutoff!r}")
        for name in ("width", "inner", "inner_width"):
            if getattr(self, name) < 0:
                raise ValueError(f"fp_params: expected {name} >= 0, got {getattr(self, name)!r}")


OF_BONDS = tuple(Bond.__dataclass_fields__)
KEYS = ("n_radial", "l_max", "inner_cutoff", "bonds", *OF_BONDS)


@dataclass(frozen=True)
class Parameters:
    """Of both kernels.

    Attributes:
        expansion: columns A of the fingerprint.
        core: its last two columns.
    """

    expansion: SphericalExpansion
    core: CoreRepulsion

    @property
    def n_features(self) -> int:
        """Columns of both."""
        return self.expansion.n_features + self.core.n_features

    def touch(self) -> Tensor:
        """[n_species, n_species, n_touched]"""
        core = self.core.touch() + self.expansion.n_features
        return torch.cat([self.expansion.touch(), core], 2)


def forward(environment: Environment, parameters: Parameters) -> Tensor:
    """[n_atoms, n_features]"""
    expansion = spherical_expansion.forward(environment, parameters.expansion)
    return torch.cat([expansion, core_repulsion.forward(environment, parameters.core)], 1)


def jacobian(environment: Environment, parameters: Parameters) -> tuple[Tensor, Tensor]:
    """Refused: see :mod:`amptorch.kernels.spherical_expansion`."""
    return spherical_expansion.jacobian(environment, parameters.expansion)


def vjp(environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
    """dE/dR_ij [n_pairs, 3]"""
    if in_cpp(gradient) and not environment.vectors.requires_grad:
        pulled: Tensor = _Pull.apply(gradient, environment, parameters)
        return pulled
    return _vjp_of_columns(environment, parameters, gradient)


class _Kept(Context):
    """What a backward needs of its forward."""

    environment: Environment
    parameters: Parameters


class _Pull(Function):
    """``vjp`` without copies of columns, where vectors are constants."""

    @staticmethod
    def forward(
        ctx: _Kept, gradient: Tensor, environment: Environment, parameters: Parameters
    ) -> Tensor:
        ctx.environment, ctx.parameters = environment, parameters
        pulled = Rows(environment, parameters.expansion).vjp(gradient)
        if parameters.core.acts:
            own = gradient[:, parameters.expansion.n_features :]
            pulled += core_repulsion.vjp(environment, parameters.core, own)
        return pulled

    @staticmethod
    def backward(ctx: _Kept, changes: Tensor) -> tuple[Tensor, None, None]:
        environment, parameters = ctx.environment, ctx.parameters
        core = core_repulsion.jvp(environment, parameters.core, changes)
        if torch.is_grad_enabled():
            expansion = spherical_expansion.jvp(environment, parameters.expansion, changes)
            return torch.cat([expansion, core], 1), None, None
        features = changes.new_empty(environment.n_atoms, parameters.n_features)
        Rows(environment, parameters.expansion).jvp(changes, features)
        features[:, parameters.expansion.n_features :] = core
        return features, None, None


def _vjp_of_columns(environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
    n = parameters.expansion.n_features
    pulled = spherical_expansion.vjp(environment, parameters.expansion, gradient[:, :n])
    if not parameters.core.acts:
        return pulled
    return pulled + core_repulsion.vjp(environment, parameters.core, gradient[:, n:])


class Ace(BaseDescriptor):
    """Radial functions times real spherical harmonics, summed over the neighbours of an element
    (:mod:`amptorch.kernels.spherical_expansion`), then the two numbers of a core repulsion
    (:mod:`amptorch.kernels.core_repulsion`).

    ``cutoff`` (Å) is required. ``n_radial`` and ``l_max``, 15 and 3 by default, say how many
    functions there are; ``inner_cutoff`` is "density", "distance" (default) or "zbl". The rest are
    those of :class:`Bond`, for all pairs of elements; ``bonds`` has other ones for some, by
    symbols: ``{"Al-Ni": {"cutoff": 5.0}}``.

    Args:
        fp_params: a dict with keys in ``KEYS``; it is not changed.
        elements: chemical symbols.
    """

    scheme = "ace"
    descriptor_type = "Ace"
    scaled = False
    stored = False
    kernel: ClassVar[Kernel] = SimpleNamespace(forward=forward, jacobian=jacobian, vjp=vjp)

    def __init__(self, fp_params: Mapping[str, Any], elements: Sequence[str]) -> None:
        super().__init__(elements)
        check_keys(fp_params, KEYS, "fp_params")
        self.fp_params = parameters_to_json(fp_params)
        self.n_radial = self._whole("n_radial", 15, 1)
        self.l_max = self._whole("l_max", 3, 0)
        self.inner_cutoff = fp_params.get("inner_cutoff", "distance")
        if self.inner_cutoff not in core_repulsion.KINDS:
            hint = nearest(str(self.inner_cutoff), core_repulsion.KINDS)
            raise ValueError(f"fp_params: unknown inner_cutoff {self.inner_cutoff!r}; {hint}")
        self.bonds = self._bonds()
        self.cutoff = max(bond.cutoff for bond in self.bonds.values())
        self.prepare_descriptor_parameters()
        self.has_energies = self.parameters.core.acts

    def bond(self, first: str, second: str) -> Bond:
        """That of two elements."""
        return (
            self.bonds[first, second]
            if (first, second) in self.bonds
            else self.bonds[second, first]
        )

    def _whole(self, name: str, default: int, least: int) -> int:
        value = self.fp_params.get(name, default)
        if not (isinstance(value, int) and value >= least):
            raise ValueError(
                f"fp_params: expected {name} to be a whole number >= {least}, got {value!r}"
            )
        return value

    def _bonds(self) -> dict[tuple[str, str], Bond]:
        common = {key: value for key, value in self.fp_params.items() if key in OF_BONDS}
        own = {
            tuple(sorted(key.split("-"))): v for key, v in self.fp_params.get("bonds", {}).items()
        }
        found = {}
        for pair in combinations_with_replacement(self.elements, 2):
            values = own.pop(tuple(sorted(pair)), {})
            check_keys(values, OF_BONDS, "fp_params: bonds")
            both = {**common, **values}
            if "cutoff" not in both:
                raise ValueError(f"fp_params: expected a cutoff for {'-'.join(pair)}, found none")
            found[pair] = Bond(**both)
        if own:
            raise ValueError(f"fp_params: bonds of elements that are not here: {sorted(own)}")
        return found

    def _parameters(self) -> Parameters:
        bonds = [[self.bond(a, b) for b in self.elements] for a in self.elements]
        kinds = [[spherical_expansion.KINDS.index(bond.radial) for bond in row] for row in bonds]
        parts = torch.tensor([[self.n_radial, 0, self.l_max]])
        values = [[self._values(bond) for bond in row] for row in bonds]
        core = [
            [
                [b.cutoff, b.width, b.core_prefactor, b.core_exponent, b.inner, b.inner_width]
                for b in row
            ]
            for row in bonds
        ]
        n_species = len(self.elements)
        return Parameters(
            SphericalExpansion(
                parts=parts,
                kinds=torch.tensor([kinds]),
                values=torch.tensor([values], dtype=torch.float64),
                n_species=n_species,
                n_features=n_species * count(parts),
            ),
            CoreRepulsion(
                kind=core_repulsion.KINDS.index(self.inner_cutoff),
                charges=torch.from_numpy(self.element_indices),
                values=torch.tensor(core, dtype=torch.float64),
            ),
        )

    def _values(self, bond: Bond) -> list[float]:
        """Of radial functions."""
        inner = {"zbl": (0.0, 0.0), "density": (bond.inner - bond.inner_width, 0.0)}
        ends = inner.get(self.inner_cutoff, (bond.inner, bond.inner_width))
        return [bond.cutoff, bond.steepness, bond.width, *ends]

    def settings(self) -> dict[str, Any]:
        parameters = self.parameters
        return {
            "elements": self.elements,
            "n_radial": self.n_radial,
            "l_max": self.l_max,
            "kinds": parameters.expansion.kinds,
            "values": parameters.expansion.values,
            "inner_cutoff": self.inner_cutoff,
            "core": parameters.core.values,
        }
