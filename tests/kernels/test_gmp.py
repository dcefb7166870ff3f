"""Gaussian multipoles: the compiled kernel against the reference, finite differences and what must
hold by symmetry. The original's numbers: ``test_original_from_config.py``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from amptorch.descriptor.pseudodensities import load_pseudodensities, stack
from amptorch.kernels import gmp
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.gmp import OPERATORS, GaussianMultipoles
from amptorch.kernels.neighbors import find_neighbors
from amptorch.kernels.operators import flatten
from amptorch.kernels.reference.gmp import permutation_groups

from ..systems import CUTOFF, SYSTEMS
from ..tolerances import (
    FINITE_DIFFERENCE,
    KERNEL,
    SYMMETRY,
)
from . import fuzz

WELL_CONDITIONED = {torch.float64: 1e-3, torch.float32: 1e-2}
"""A root this much smaller than its terms has lost the digits that its derivative needs."""

REFERENCE = OPERATORS.reference


@dataclass(frozen=True)
class Case:
    """Rows of (order, group, sigma) and how they are meant."""

    rows: tuple[tuple[int, int, float], ...]
    solid: bool = True
    square: bool = True
    inverse_rs: float = 1.0

    def multipoles(self, symbols: list[str]) -> GaussianMultipoles:
        orders, groups, sigmas = zip(*self.rows, strict=True)
        widths = torch.tensor(sigmas, dtype=torch.float64)
        return GaussianMultipoles(
            orders=torch.tensor(orders),
            groups=torch.tensor(groups),
            sigmas=widths,
            prefactors=(widths * (2 * torch.pi) ** 0.5) ** -3,
            inverse_rs=torch.full_like(widths, self.inverse_rs),
            solid=self.solid,
            square=self.square,
            densities=stack(list(load_pseudodensities(symbols).values())),
            n_species=len(symbols),
            n_features=len(self.rows),
        )


def grid(orders: Any, sigmas: Any) -> tuple[tuple[int, int, float], ...]:
    return tuple((order, 0, sigma) for order in orders for sigma in sigmas)


GROUPS = ((0, 1, 0.5), (1, 1, 0.5), (2, 1, 0.6), (2, 2, 0.9), (3, 2, 0.6), (3, 3, 0.6), (5, 2, 0.9))

CASES = {
    "solid": Case(grid(range(4), (0.4, 0.8, 1.6))),
    "solid_roots": Case(grid((0, 1, 2, 3), (0.5, 1.2)), square=False),
    "solid_to_9": Case(grid((9, 0, 4, 5, 6, 7, 8), (0.9,))),
    "surface": Case(grid((0, 1, 2, 3), (0.5, 1.5)), solid=False, inverse_rs=0.8),
    "surface_roots": Case(grid((0, 1, 4), (0.7,)), solid=False, square=False),
    "surface_6": Case(grid((6, 1), (0.9,)), solid=False, inverse_rs=1.1),
    "groups": Case(GROUPS, solid=False, square=False),
    "groups_squared": Case(GROUPS, solid=False, inverse_rs=1.3),
    "solid_groups": Case(((2, 2, 0.6), (3, 3, 0.6), (4, 0, 0.6)), square=False),
}

DTYPES = [torch.float64, torch.float32]


@cache
def environment_of(name: str) -> tuple[Environment, list[str]]:
    return neighbors_of(SYSTEMS[name]())


def neighbors_of(atoms: Atoms, cutoff: float = CUTOFF) -> tuple[Environment, list[str]]:
    symbols = sorted(set(atoms.get_chemical_symbols()))
    species = [symbols.index(symbol) for symbol in atoms.get_chemical_symbols()]
    environment = find_neighbors(atoms.positions, atoms.cell.array, atoms.pbc, species, cutoff)
    return environment, symbols


def bounds(environment: Environment, multipoles: GaussianMultipoles) -> Tensor:
    """[n_atoms, n_features]: about what each feature would be if no two neighbours cancelled, the
    sum over neighbours of the norm that an atom has with this neighbour only."""
    n_pairs, n_atoms = environment.n_pairs, environment.n_atoms
    lone_pairs = Environment(
        environment.vectors.double(),
        torch.cat([torch.arange(n_pairs + 1), torch.full((n_atoms,), n_pairs)]),
        n_pairs + environment.neighbors,
        torch.cat([environment.species[environment.centers], environment.species]),
    )
    norms = REFERENCE.forward(lone_pairs, replace(multipoles, square=False)).abs()
    total = norms[n_pairs:].index_add(0, environment.centers, norms[:n_pairs])
    return total**2 if multipoles.square else total


@dataclass(frozen=True)
class Expected:
    """What the reference says in float64: G, dG/dR and the bounds of G."""

    features: Tensor
    blocks: Tensor
    scale: Tensor


def expect(environment: Environment, multipoles: GaussianMultipoles) -> Expected:
    features, blocks = REFERENCE.jacobian(environment, multipoles)
    return Expected(features, blocks, bounds(environment, multipoles))


@cache
def expected(system: str, case: str) -> Expected:
    environment, symbols = environment_of(system)
    return expect(environment, CASES[case].multipoles(symbols))


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def steady(wanted: Expected, square: bool, dtype: torch.dtype) -> Tensor:
    """[n_atoms, n_features]: whether the derivative of a feature keeps its digits, and is not
    taken as zero in this precision."""
    features = wanted.features
    smallest_root = torch.finfo(dtype).eps ** 0.5
    known = (features > WELL_CONDITIONED[dtype] * wanted.scale) & (features > 2 * smallest_root)
    return known | torch.tensor(square)


def per_pair(environment: Environment, values: Tensor) -> Tensor:
    return values[environment.centers]


def assert_close(actual: Tensor, wanted: Tensor, scale: Tensor, tolerance: float) -> None:
    """Equal to a tolerance relative to the value or to the scale, whichever is larger."""
    excess = (actual.double() - wanted).abs() - tolerance * wanted.abs().maximum(scale)
    if not (excess <= 0).all():  # also where it is NaN
        place = np.unravel_index(int(excess.argmax()), excess.shape)
        raise AssertionError(
            f"{place}: {actual[place]} instead of {wanted[place]}, "
            f"scale {scale.expand_as(wanted)[place]}, tolerance {tolerance}"
        )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernel_matches_reference(system: str, case: str, dtype: torch.dtype) -> None:
    environment, symbols = environment_of(system)
    multipoles = CASES[case].multipoles(symbols)
    check_operations(environment, multipoles, expected(system, case), dtype)


def check_operations(
    environment: Environment, multipoles: GaussianMultipoles, wanted: Expected, dtype: torch.dtype
) -> None:
    """Every operation, relative to what the terms of a feature add up to, derivatives per 0.2 Å,
    the width of the narrowest Gaussians."""
    given, tolerance = environment.to(dtype), KERNEL[dtype]
    known = steady(wanted, multipoles.square, dtype)
    gradient = random(*wanted.features.shape) * known
    changes = random(environment.n_pairs, 3)

    forward = gmp.forward(given, multipoles)
    features, blocks = gmp.jacobian(given, multipoles)
    pulled = gmp.vjp(given, multipoles, gradient.to(dtype))
    pushed = gmp.jvp(given, multipoles, changes.to(dtype))

    assert {tensor.dtype for tensor in (forward, features, blocks, pulled, pushed)} == {dtype}
    assert_close(forward, wanted.features, wanted.scale, tolerance)
    assert_close(features, wanted.features, wanted.scale, tolerance)
    steep = wanted.scale / 0.2
    kept = per_pair(environment, known)[:, :, None]
    terms = per_pair(environment, steep)[:, :, None]
    assert_close(blocks * kept, wanted.blocks * kept, terms, tolerance)
    wanted_pulled = (per_pair(environment, gradient)[:, :, None] * wanted.blocks).sum(1)
    terms = per_pair(environment, (gradient.abs() * steep).sum(1, keepdim=True))
    assert_close(pulled, wanted_pulled, terms, tolerance)
    slopes = (wanted.blocks * changes[:, None, :]).sum(2)
    wanted_pushed = torch.zeros_like(steep).index_add(0, environment.centers, slopes)
    terms = steep * environment.first.diff()[:, None]
    assert_close(pushed * known, wanted_pushed * known, terms, tolerance)


@st.composite
def fuzzed(draw: st.DrawFn) -> tuple[Environment, GaussianMultipoles]:
    environment, n_species, _ = draw(fuzz.environments())
    symbols = draw(st.permutations(["H", "C", "O", "Fe", "Pt"]))[:n_species]
    orders = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    groups = [draw(st.integers(0, len(permutation_groups(order)))) for order in orders]
    sigmas = [draw(st.sampled_from([0.25, 0.6, 1.3])) for _ in orders]
    case = Case(
        tuple(zip(orders, groups, sigmas, strict=True)),
        solid=draw(st.booleans()),
        square=draw(st.booleans()),
        inverse_rs=draw(st.sampled_from([0.7, 1.0, 1.4])),
    )
    if draw(st.booleans()):
        case = replace(case, rows=tuple((order, 0, sigma) for order, _, sigma in case.rows))
    return environment, case.multipoles(symbols)


@fuzz.MANY
@given(fuzzed())
def test_random_structures_and_multipoles(drawn: tuple[Environment, GaussianMultipoles]) -> None:
    check_operations(*drawn, expect(*drawn), torch.float64)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", ["water_molecule", "nial_triclinic", "fe_primitive"])
def test_finite_differences(system: str, case: str) -> None:
    environment, symbols = environment_of(system)
    multipoles = CASES[case].multipoles(symbols)
    step = 1e-5 * random(environment.n_pairs, 3)
    ahead, behind = (
        gmp.forward(environment.with_vectors(environment.vectors + sign * step), multipoles)
        for sign in (1, -1)
    )
    wanted = (ahead - behind) / 2e-5
    actual = gmp.jvp(environment, multipoles, step / 1e-5)
    scale = bounds(environment, multipoles) / 0.2
    known = steady(expected(system, case), multipoles.square, torch.float64)
    assert known.any()
    assert_close(actual * known, wanted * known, scale, FINITE_DIFFERENCE)


@pytest.mark.parametrize("name", ["solid", "solid_roots", "solid_to_9", "surface", "surface_6"])
@pytest.mark.parametrize("system", ["water_molecule", "nial_triclinic", "four_species"])
def test_order_norms_do_not_change_under_rotation(system: str, name: str) -> None:
    environment, symbols = environment_of(system)
    multipoles = CASES[name].multipoles(symbols)
    turn = torch.from_numpy(Rotation.random(random_state=3).as_matrix())
    turned = environment.with_vectors((environment.vectors @ turn.T).contiguous())
    scale = bounds(environment, multipoles)
    assert_close(
        gmp.forward(turned, multipoles), gmp.forward(environment, multipoles), scale, SYMMETRY
    )


def test_groups_change_under_rotation() -> None:
    environment, symbols = environment_of("water_molecule")
    multipoles = CASES["groups_squared"].multipoles(symbols)
    turn = torch.from_numpy(Rotation.from_euler("xyz", [0.5, 0.6, 0.7]).as_matrix())
    turned = environment.with_vectors((environment.vectors @ turn.T).contiguous())
    before, after = (gmp.forward(e, multipoles) for e in (environment, turned))
    ratio = (after / before).log().abs().amax(0)
    assert (ratio[:2] < 1e-9).all()
    assert (ratio[2:] > 1e-2).all()


@pytest.mark.parametrize("case", CASES)
def test_order_of_atoms_does_not_matter(case: str) -> None:
    atoms = SYSTEMS["four_species"]()
    order = np.random.default_rng(2).permutation(len(atoms))
    environment, symbols = neighbors_of(atoms)
    multipoles = CASES[case].multipoles(symbols)
    wanted = gmp.forward(environment, multipoles)[order]
    actual = gmp.forward(neighbors_of(atoms[order])[0], multipoles)
    assert_close(actual, wanted, bounds(environment, multipoles)[order], SYMMETRY)


@pytest.mark.parametrize("solid", [True, False])
def test_isolated_atom_has_the_overlap_with_itself(solid: bool) -> None:
    environment, symbols = environment_of("isolated_atom")
    multipoles = Case(grid((0, 1, 2, 3), (0.7,)), solid=solid).multipoles(symbols)
    height, beta = np.array(load_pseudodensities(symbols)[symbols[0]]).T
    alpha = 1 / (2 * 0.7**2)
    amplitude = (0.7 * np.sqrt(2 * np.pi)) ** -3
    overlap = (amplitude * height * (np.pi / (alpha + beta)) ** 1.5).sum()
    features = gmp.forward(environment, multipoles)[0].numpy()
    np.testing.assert_allclose(features[0], overlap**2, rtol=1e-14)
    assert (features[[1, 3]] == 0).all()
    assert (features[2] == 0) == solid


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_and_batches_do_not_change_a_bit(case: str, dtype: torch.dtype) -> None:
    names = ["four_species", "isolated_atom", "water_on_cu"]
    symbols = sorted({s for name in names for s in environment_of(name)[1]})
    frames = []
    for name in names:
        environment, own = environment_of(name)
        place = torch.tensor([symbols.index(symbol) for symbol in own])
        frames.append(replace(environment, species=place[environment.species]).to(dtype))
    batch, multipoles = concatenate(frames), CASES[case].multipoles(symbols)
    gradient = random(batch.n_atoms, multipoles.n_features).to(dtype)
    one = gmp.forward(batch, multipoles), gmp.vjp(batch, multipoles, gradient)
    apart = [gmp.forward(frame, multipoles) for frame in frames]
    torch.set_num_threads(3)
    try:
        several = gmp.forward(batch, multipoles), gmp.vjp(batch, multipoles, gradient)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one[0], several[0])
    assert torch.equal(one[1], several[1])
    assert torch.equal(one[0], torch.cat(apart))


@pytest.mark.parametrize("case", ["solid_roots", "surface_roots"])
@pytest.mark.parametrize("system", ["fe_primitive", "linear_co2", "isolated_atom"])
def test_derivatives_of_vanishing_roots_are_finite(system: str, case: str) -> None:
    environment, symbols = environment_of(system)
    multipoles = CASES[case].multipoles(symbols)
    vectors = environment.vectors.clone().requires_grad_()
    features = gmp.forward(environment.with_vectors(vectors), multipoles)
    vanishing = features.detach().abs() < 1e-9
    assert vanishing.any()
    weights = random(*features.shape).requires_grad_()
    (slope,) = torch.autograd.grad(features, vectors, weights, create_graph=True)
    second = torch.autograd.grad(slope, (vectors, weights), random(*slope.shape))
    assert all(torch.isfinite(tensor).all() for tensor in (slope, *second))
    assert (second[1][vanishing] == 0).all()


class TestAutograd:
    @pytest.fixture(autouse=True)
    def _inputs(self) -> None:
        environment, symbols = environment_of("water_molecule")
        self.environment = environment
        rows = ((0, 0, 0.5), (1, 0, 0.5), (3, 0, 0.9))
        self.multipoles = Case(rows, square=False).multipoles(symbols)
        self.vectors = environment.vectors.clone().requires_grad_()
        self.gradient = random(3, self.multipoles.n_features).requires_grad_()
        self.changes = random(environment.n_pairs, 3).requires_grad_()

    def forward(self, vectors: Tensor) -> Tensor:
        return gmp.forward(self.environment.with_vectors(vectors), self.multipoles)

    def vjp(self, vectors: Tensor, gradient: Tensor) -> Tensor:
        return gmp.vjp(self.environment.with_vectors(vectors), self.multipoles, gradient)

    def jvp(self, vectors: Tensor, changes: Tensor) -> Tensor:
        return gmp.jvp(self.environment.with_vectors(vectors), self.multipoles, changes)

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(self.forward, self.vectors)
        assert torch.autograd.gradcheck(self.vjp, (self.vectors, self.gradient))
        assert torch.autograd.gradcheck(self.jvp, (self.vectors, self.changes))

    def test_second_gradients(self) -> None:
        assert torch.autograd.gradgradcheck(self.forward, self.vectors)
        assert torch.autograd.gradgradcheck(self.vjp, (self.vectors, self.gradient))
        assert torch.autograd.gradgradcheck(self.jvp, (self.vectors, self.changes))

    @pytest.mark.parametrize("operation", ["forward", "jacobian", "vjp", "jvp"])
    def test_operators_are_well_formed(self, operation: str) -> None:
        """Second derivatives in the vectors run the reference, which cannot be traced."""
        extra = {"jacobian": self.multipoles.touch(), "vjp": self.gradient, "jvp": self.changes}
        vectors = self.vectors if operation == "forward" else self.environment.vectors
        inputs = flatten(self.environment.with_vectors(vectors), self.multipoles)
        arguments = (*inputs, extra[operation]) if operation in extra else inputs
        torch.library.opcheck(OPERATORS.compiled.operators[operation], arguments)


def test_other_precisions_run_on_the_reference() -> None:
    environment, symbols = environment_of("water_molecule")
    multipoles = CASES["solid"].multipoles(symbols)
    actual = gmp.forward(environment.to(torch.bfloat16), multipoles)
    assert actual.dtype == torch.bfloat16
    scale = bounds(environment, multipoles)
    assert_close(actual, gmp.forward(environment, multipoles), scale, 0.2)


@pytest.mark.parametrize(
    ("name", "wrong"), [("gradient", random(3, 5)), ("gradient", random(3, 12).float())]
)
def test_errors_name_the_argument(name: str, wrong: Tensor) -> None:
    environment, symbols = environment_of("water_molecule")
    with pytest.raises(ValueError, match=rf"^{name}: expected shape \(3, 12\)"):
        gmp.vjp(environment, CASES["solid"].multipoles(symbols), wrong)
