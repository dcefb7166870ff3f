"""Force calls in one pass against the kernels one after the other, and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from amptorch.kernels import networks, pair_jacobian, symmetry_functions
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.force_pass import ForcePass, Scaling, forces_and_virials
from amptorch.kernels.symmetry_functions import SymmetryFunctions

from ..systems import SYSTEMS
from ..tolerances import FINITE_DIFFERENCE, KERNEL
from .symmetry_function_cases import CASES
from .test_symmetry_functions import environment_of, functions_for

DTYPES = [torch.float64, torch.float32]
ACTIVATION = networks.Activation("tanh")


class Made:
    """A pass of random networks and scaling, and the same by the kernels that it is made of."""

    def __init__(
        self,
        functions: SymmetryFunctions,
        dtype: torch.dtype = torch.float64,
        one_network: bool = False,
        activation: networks.Activation = ACTIVATION,
    ) -> None:
        random = torch.Generator().manual_seed(3)

        def draw(*size: int) -> Tensor:
            return torch.randn(*size, generator=random, dtype=torch.float64).to(dtype) * 0.4

        n, n_species = functions.n_features, functions.n_species
        self.functions = functions
        self.shape = networks.Shape([n, 6, 5, 1], n_species, activation)
        self.factors, self.shifts = draw(n_species, n), draw(n_species, n)
        eye = torch.eye(n_species, dtype=dtype)
        self.shares = eye if one_network else eye + draw(n_species, n_species)
        self.parameters = [draw(*size) for size in self.shape.parameters]
        limits = (torch.full((n_species, n), sign * 0.3) for sign in (0, 1))
        scaling = Scaling(self.factors, self.shifts, *limits)
        self.once = ForcePass(functions, scaling, self.shares, self.shape, self.parameters)

    def in_stages(self, environment: Environment) -> tuple[Tensor, Tensor, Tensor]:
        """Fingerprints, energies and gradients of pairs."""
        species = environment.species
        fingerprints = symmetry_functions.forward(environment, self.functions)
        scaled = fingerprints * self.factors[species] + self.shifts[species]
        energies, slopes = networks.energies_and_slopes(
            self.shape, scaled, self.shares[species], self.parameters, True
        )
        gradients = slopes * self.factors[species]
        return (
            fingerprints,
            energies,
            symmetry_functions.vjp(environment, self.functions, gradients),
        )


def assert_same(found: Tensor, expected: Tensor, tolerance: float) -> None:
    assert found.shape == expected.shape
    if expected.numel():
        torch.testing.assert_close(
            found, expected, rtol=0, atol=tolerance * max(float(expected.abs().max()), 1e-3)
        )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_one_pass_is_the_kernels_one_after_the_other(
    system: str, case: str, dtype: torch.dtype
) -> None:
    environment = environment_of(system).to(dtype)
    made = Made(functions_for(environment, case), dtype)
    found = made.once.run(environment, True)
    results = (found.fingerprints, found.energies, found.gradients)
    # In float32 sums of terms that cancel are as wrong as their largest term.
    tolerance = KERNEL[dtype] * (1 if dtype == torch.float64 else 4)
    for ours, theirs in zip(results, made.in_stages(environment), strict=True):
        assert_same(ours, theirs, tolerance)


@pytest.mark.parametrize("activation", ["softplus", "silu", "gelu", "sigmoid"])
def test_all_activations_of_the_networks(activation: str) -> None:
    environment = environment_of("four_species")
    constants = (1.0, 20.0) if activation == "softplus" else ()
    chosen = networks.Activation(activation, constants)
    made = Made(functions_for(environment, "g2_g4_cosine"), activation=chosen)
    found = made.once.run(environment, True)
    _, energies, gradients = made.in_stages(environment)
    assert_same(found.energies, energies, KERNEL[torch.float64])
    assert_same(found.gradients, gradients, KERNEL[torch.float64])


@pytest.mark.parametrize("one_network", [True, False])
def test_more_atoms_than_a_tile_and_any_number_of_threads(one_network: bool) -> None:
    """Atoms of one element each see one network alone, or all; the sums are the same to the bit."""
    environment = concatenate([environment_of(name) for name in ("four_species",) * 7])
    made = Made(functions_for(environment, "uneven_cutoffs"), one_network=one_network)
    _, energies, gradients = made.in_stages(environment)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            found.append(made.once.run(environment, True))
        finally:
            torch.set_num_threads(1)
    assert_same(found[0].energies, energies, KERNEL[torch.float64])
    assert_same(found[0].gradients, gradients, KERNEL[torch.float64])
    for other in found[1:]:
        assert torch.equal(other.gradients, found[0].gradients)
        assert torch.equal(other.energies, found[0].energies)


def test_centres_that_keep_more_than_a_tile_has_room_for() -> None:
    """A dense cell, whose triples of one atom fill the memory for a tile."""
    atoms = SYSTEMS["fe_primitive"]()
    from .test_symmetry_functions import neighbors_of

    atoms.set_cell(atoms.cell * 0.55, scale_atoms=True)
    environment = concatenate([neighbors_of(atoms)] * 3)
    made = Made(functions_for(environment, "many_terms"))
    found = made.once.run(environment, True)
    _, energies, gradients = made.in_stages(environment)
    assert environment.n_pairs > 3 * 300
    assert_same(found.energies, energies, KERNEL[torch.float64])
    assert_same(found.gradients, gradients, KERNEL[torch.float64])


def test_atoms_outside_the_range_are_counted() -> None:
    environment = concatenate([environment_of(name) for name in SYSTEMS if name != "four_species"])
    made = Made(functions_for(environment, "g2_g4_cosine"))
    found = made.once.run(environment, True)
    outside = (found.fingerprints < 0) | (found.fingerprints > 0.3)
    assert 0 < found.n_outside < environment.n_atoms
    assert found.n_outside == int(outside.any(1).sum())


def test_energies_alone_are_those_with_gradients() -> None:
    environment = environment_of("four_species")
    made = Made(functions_for(environment, "weighted_and_not"))
    found, alone = (made.once.run(environment, gradients) for gradients in (True, False))
    assert torch.equal(alone.energies, found.energies)
    assert torch.equal(alone.fingerprints, found.fingerprints)
    assert len(alone.gradients) == 0


@pytest.mark.parametrize("case", ["g2_g4_cosine", "polynomial_real", "g5", "weighted_and_not"])
def test_gradients_are_the_slope_of_energies(case: str) -> None:
    environment = environment_of("nial_triclinic")
    made = Made(functions_for(environment, case))
    gradients = made.once.run(environment, True).gradients
    direction = torch.randn(gradients.shape, generator=torch.Generator().manual_seed(1)).double()
    step = 1e-5
    energies = [
        made.once.run(
            environment.with_vectors(environment.vectors + sign * step * direction), False
        )
        for sign in (1, -1)
    ]
    slope = float((energies[0].energies - energies[1].energies).sum()) / (2 * step)
    expected = float((gradients * direction).sum())
    assert slope == pytest.approx(expected, rel=FINITE_DIFFERENCE, abs=FINITE_DIFFERENCE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_forces_and_virials_are_sums_over_pairs(dtype: torch.dtype) -> None:
    parts = [
        environment_of(name).to(dtype) for name in ("nial_triclinic", "isolated_atom", "dimer")
    ]
    environment = concatenate(parts)
    random = torch.Generator().manual_seed(1)
    gradients = torch.randn(environment.vectors.shape, generator=random, dtype=dtype)
    sizes = [each.n_atoms for each in parts]
    first = np.cumsum([0, *sizes])
    forces, virials = map(torch.from_numpy, forces_and_virials(environment, gradients, first))
    exact = environment.to(torch.float64)
    torch.testing.assert_close(forces, pair_jacobian.forces(exact, gradients.double()))
    by_atom = pair_jacobian.virials(exact, gradients.double()).split(sizes)
    torch.testing.assert_close(virials, torch.stack([each.sum(0) for each in by_atom]))
