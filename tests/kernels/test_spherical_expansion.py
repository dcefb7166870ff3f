"""Spherical expansions: the compiled kernel against the reference, finite differences, scipy's
harmonics and what must hold by symmetry. Numbers of other programs: ``tests/potentials/nep``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import sph_harm_y
from torch import Tensor

from amptorch.kernels import spherical_expansion
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.neighbors import find_neighbors
from amptorch.kernels.operators import flatten
from amptorch.kernels.reference.spherical_expansion import harmonics, radial
from amptorch.kernels.spherical_expansion import (
    HIGHEST_L,
    KINDS,
    OPERATORS,
    SphericalExpansion,
    count,
)

from ..systems import SYSTEMS
from ..tolerances import FINITE_DIFFERENCE, KERNEL, SYMMETRY
from . import finite_differences, force_training, fuzz

REFERENCE = OPERATORS.reference
DTYPES = [torch.float64, torch.float32]

PARTS = {
    "nep": [[5, 0, 0], [4, 1, 4]],
    "ace": [[7, 0, 3]],
    "inner": [[5, 0, 2]],
    "highest": [[2, 1, HIGHEST_L]],
    "one": [[1, 0, 0]],
    "small": [[2, 0, 1]],
    "some": [[9, 2, 2], [3, 0, 5]],
}


def expansion(
    parts: str, kind: str | None, n_species: int, cutoff: float = 4.2
) -> SphericalExpansion:
    """With values that differ from pair to pair, and of all kinds without a ``kind``."""
    table = torch.tensor(PARTS[parts])
    random = np.random.default_rng(7)
    shape = (len(table), n_species, n_species)
    kinds = torch.from_numpy(random.integers(0, len(KINDS), shape))
    if kind is not None:
        kinds = torch.full(shape, KINDS.index(kind))
    values = torch.from_numpy(
        np.stack(
            [
                cutoff * random.uniform(0.6, 1.0, shape),
                random.uniform(1.5, 5.0, shape),
                random.uniform(0.01, 1.0, shape),
            ],
            -1,
        )
    )
    if parts == "inner":
        ends = [random.uniform(1.5, 3.0, shape), random.uniform(0.3, 1.2, shape)]
        values = torch.cat([values, torch.from_numpy(np.stack(ends, -1))], -1)
    return SphericalExpansion(table, kinds, values, n_species, n_species * count(table))


def prepared(system: str, parts: str, kind: str | None) -> tuple[Environment, SphericalExpansion]:
    atoms = SYSTEMS[system]()
    elements, species = np.unique(atoms.numbers, return_inverse=True)
    environment = find_neighbors(atoms.positions, atoms.cell.array, atoms.pbc, species, 4.2)
    return environment, expansion(parts, kind, len(elements))


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Tensor, wanted: Tensor, tolerance: float) -> None:
    """Equal to a tolerance relative to the largest value."""
    largest = max(wanted.abs().flatten().tolist(), default=0.0)
    torch.testing.assert_close(actual.double(), wanted.double(), rtol=0, atol=tolerance * largest)


def check_operations(
    environment: Environment, parameters: SphericalExpansion, dtypes: list[torch.dtype] = DTYPES
) -> None:
    gradient = random(environment.n_atoms, parameters.n_features)
    changes = random(environment.n_pairs, 3)
    for dtype in dtypes:
        given = environment.to(dtype)
        for operation, arguments in (("forward", ()), ("vjp", (gradient,)), ("jvp", (changes,))):
            wanted = getattr(REFERENCE, operation)(environment, parameters, *arguments)
            arguments = [each.to(dtype) for each in arguments]
            actual = getattr(spherical_expansion, operation)(given, parameters, *arguments)
            assert actual.dtype == dtype
            assert_close(actual, wanted, KERNEL[dtype])


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("system", ["water_molecule", "nial_triclinic", "four_species"])
def test_kernel_matches_reference(system: str, parts: str, kind: str | None) -> None:
    check_operations(*prepared(system, parts, kind))


@pytest.mark.parametrize("system", SYSTEMS)
def test_kernel_matches_reference_on_all_systems(system: str) -> None:
    check_operations(*prepared(system, "nep", "nep"))


@st.composite
def fuzzed(draw: st.DrawFn) -> tuple[Environment, SphericalExpansion]:
    environment, n_species, cutoff = draw(fuzz.environments())
    parts = draw(st.sampled_from(sorted(PARTS)))
    kind = draw(st.sampled_from([*KINDS, None]))
    return environment, expansion(parts, kind, n_species, cutoff)


@given(fuzzed())
def test_random_structures_and_parameters(drawn: tuple[Environment, SphericalExpansion]) -> None:
    check_operations(*drawn, [torch.float64])


@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences(kind: str) -> None:
    environment, parameters = prepared("water_molecule", "ace", kind)
    direction = random(environment.n_pairs, 3)
    wanted = finite_differences.along(
        lambda vectors: spherical_expansion.forward(environment.with_vectors(vectors), parameters),
        environment.vectors,
        direction,
    )
    pushed = spherical_expansion.jvp(environment, parameters, direction)
    assert_close(pushed, wanted, FINITE_DIFFERENCE)
    gradient = random(*wanted.shape)
    pulled = spherical_expansion.vjp(environment, parameters, gradient)
    torch.testing.assert_close(
        (pulled * direction).sum(), (gradient * pushed).sum(), rtol=1e-11, atol=0
    )


def test_harmonics_are_those_of_scipy() -> None:
    units = torch.nn.functional.normalize(random(20, 3), dim=1)
    x, y, z = units.numpy().T
    theta, phi = np.arccos(z), np.arctan2(y, x)
    columns = []
    for order in range(HIGHEST_L + 1):
        for m in range(-order, order + 1):
            # Without the phase (-1)^m of Condon and Shortley.
            value = (-1) ** m * sph_harm_y(order, abs(m), theta, phi)
            part = value.imag if m < 0 else value.real
            columns.append(part * (2**0.5 if m else 1))
    np.testing.assert_allclose(
        harmonics(units, HIGHEST_L).numpy(), np.stack(columns, 1), rtol=0, atol=1e-13
    )


# Those of ChebLinear are cut off.
@pytest.mark.parametrize("kind", [each for each in KINDS if each != "cheb_linear"])
def test_radial_functions_end_at_the_cutoff(kind: str) -> None:
    r = torch.tensor([0.5, 2.9999999, 3.0, 3.5], dtype=torch.float64)
    values = torch.tensor([[3.0, 2.0, 0.5]], dtype=torch.float64).expand(4, -1)
    found = radial(kind, r, values, 6)
    assert (found[0] != 0).any()
    assert (found[1].abs() < 1e-6).all()
    assert (found[2:] == 0).all()


def test_bessel_functions_are_orthonormal() -> None:
    r = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000 * 3.0
    values = torch.tensor([[3.0, 0.0, 0.0]], dtype=torch.float64).expand(len(r), -1)
    found = radial("sbessel", r, values, 6) * r[:, None]
    overlap = found.T @ found * (3.0 / 20000)
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-6)


def test_sums_over_m_do_not_change_under_rotation() -> None:
    environment, parameters = prepared("four_species", "highest", "nep")
    turn, _ = torch.linalg.qr(random(3, 3))
    turned = environment.with_vectors((environment.vectors @ turn.T).contiguous())

    def norms(given: Environment) -> Tensor:
        columns = spherical_expansion.forward(given, parameters).unflatten(
            1, (-1, HIGHEST_L**2 + 2 * HIGHEST_L)
        )
        degrees = torch.tensor(
            [order for order in range(1, HIGHEST_L + 1) for _ in range(2 * order + 1)]
        )
        sums = columns.new_zeros(*columns.shape[:2], HIGHEST_L + 1)
        return sums.index_add(2, degrees, columns**2)

    assert_close(norms(turned), norms(environment), SYMMETRY)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_and_batches_do_not_change_a_bit(dtype: torch.dtype) -> None:
    frames = [prepared("four_species", "nep", "nep")[0].to(dtype) for _ in range(3)]
    batch, parameters = concatenate(frames), expansion("nep", "nep", 4)
    gradient = random(batch.n_atoms, parameters.n_features).to(dtype)

    def results() -> tuple[Tensor, ...]:
        return (
            spherical_expansion.forward(batch, parameters),
            spherical_expansion.vjp(batch, parameters, gradient),
            spherical_expansion.jvp(batch, parameters, batch.vectors),
        )

    one = results()
    torch.set_num_threads(3)
    try:
        several = results()
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(*pair) for pair in zip(one, several, strict=True))
    apart = torch.cat([spherical_expansion.forward(frame, parameters) for frame in frames])
    assert torch.equal(apart, one[0])


class TestAutograd:
    @pytest.fixture(autouse=True)
    def _inputs(self) -> None:
        self.environment, self.parameters = prepared("water_molecule", "small", "nep")
        self.vectors = self.environment.vectors.clone().requires_grad_()
        self.gradient = random(3, self.parameters.n_features).requires_grad_()
        self.changes = random(self.environment.n_pairs, 3).requires_grad_()

    def of(self, operation: str, vectors: Tensor, *rest: Tensor) -> Tensor:
        environment = self.environment.with_vectors(vectors)
        return getattr(spherical_expansion, operation)(environment, self.parameters, *rest)

    def test_gradients(self) -> None:
        check = torch.autograd.gradcheck
        assert check(lambda r: self.of("forward", r), self.vectors)
        assert check(lambda r, g: self.of("vjp", r, g), (self.vectors, self.gradient))
        assert check(lambda r, v: self.of("jvp", r, v), (self.vectors, self.changes))
        assert torch.autograd.gradgradcheck(lambda r: self.of("forward", r), self.vectors)

    @pytest.mark.parametrize("operation", ["forward", "vjp", "jvp"])
    def test_operators_are_well_formed(self, operation: str) -> None:
        """Second derivatives in the vectors run the reference, which cannot be traced."""
        extra = {"vjp": [self.gradient], "jvp": [self.changes]}.get(operation, [])
        vectors = self.vectors if operation == "forward" else self.environment.vectors
        inputs = flatten(self.environment.with_vectors(vectors), self.parameters)
        torch.library.opcheck(OPERATORS.compiled.operators[operation], (*inputs, *extra))


def test_training_on_forces_goes_through_the_kernels() -> None:
    environment, parameters = prepared("linear_co2", "ace", None)
    wanted = force_training.gradients(REFERENCE, environment, parameters)
    actual = force_training.gradients(OPERATORS, environment, parameters)
    force_training.assert_close(actual, wanted)


def test_there_is_no_jacobian() -> None:
    with pytest.raises(ValueError, match=r"^jacobian: spherical_expansion makes none"):
        spherical_expansion.jacobian(*prepared("water_molecule", "nep", "nep"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": torch.ones(2, 3)}, "parts: expected shape .* and torch.int64"),
        ({"parts": torch.tensor([[0, 0, 0], [4, 1, 4]])}, "parts: expected 1 to 64 functions"),
        ({"parts": torch.tensor([[1, 0, 9], [4, 1, 4]])}, "parts: expected 0 <= l_min"),
        ({"kinds": torch.full((2, 2, 2), 5)}, "kinds: expected 0 to 4"),
        ({"values": torch.zeros(2, 2, 2, 3, dtype=torch.float64)}, "values: expected cutoffs > 0"),
        ({"n_features": 13}, "n_features: expected 202, got 13"),
    ],
)
def test_errors_name_the_parameter(changes: dict[str, Any], message: str) -> None:
    _, parameters = prepared("water_molecule", "nep", "nep")
    with pytest.raises(ValueError, match=f"^{message}"):
        replace(parameters, **changes)
