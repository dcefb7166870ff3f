"""Bispectrum components: the compiled kernel against the reference, finite differences and what must
hold by symmetry. LAMMPS' numbers: ``tests/descriptor/test_snap.py``."""

from __future__ import annotations

from collections.abc import Sequence
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

from amptorch.descriptor import Snap
from amptorch.kernels import bispectrum
from amptorch.kernels.bispectrum import OPERATORS, Bispectrum
from amptorch.kernels.clebsch_gordan import coupling, couplings, thirds, triples
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.operators import flatten

from ..systems import CUTOFF, SYSTEMS
from ..tolerances import FINITE_DIFFERENCE, KERNEL, SYMMETRY
from . import force_training, fuzz

REFERENCE = OPERATORS.reference
DTYPES = [torch.float64, torch.float32]

VARIED = {"radelem": [0.5, 0.45, 0.4, 0.55], "wj": [1.0, 0.7, -0.4, 1.2]}
INNER = {"switchinnerflag": 1, "sinner": [1.6, 1.4, 1.2, 2.2], "dinner": [0.8, 0.6, 0.4, 0.1]}

CASES: dict[str, dict[str, Any]] = {
    "2j0": {"twojmax": 0},
    "2j4": {"twojmax": 4, "rcutfac": CUTOFF},
    "2j5": {"twojmax": 5, "bzeroflag": 0},
    "2j6": {"twojmax": 6},
    "varied": {"twojmax": 4, "bnormflag": 1, **VARIED},
    "no_switch": {"twojmax": 3, "switchflag": 0},
    "inner": {"twojmax": 4, **VARIED, **INNER},
    "rmin0": {"twojmax": 3, "rmin0": 1.5, "rfac0": 0.9},
    "beyond_pi": {"twojmax": 2, "rfac0": 1.3},
    "chemical": {"twojmax": 2, "chemflag": 1, **VARIED},
    "chemical_all": {"twojmax": 3, "chemflag": 1, "wselfallflag": 1, "bnormflag": 1, "rmin0": 0.4},
}


def snap(case: str, symbols: list[str], **changes: Any) -> Snap:
    given = {"rcutfac": 4.2, **CASES[case], **changes}
    lists = {key: value[: len(symbols)] for key, value in given.items() if isinstance(value, list)}
    return Snap({**given, **lists}, symbols)


def symbols_of(atoms: Atoms) -> list[str]:
    return sorted(set(atoms.get_chemical_symbols()))


@cache
def prepared(system: str, case: str) -> tuple[Environment, Bispectrum]:
    atoms = SYSTEMS[system]()
    descriptor = snap(case, symbols_of(atoms))
    return descriptor.environment(atoms), descriptor.parameters


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def spread(environment: Environment, parameters: Bispectrum, blocks: Tensor) -> Tensor:
    """[n_pairs, n_features, 3] of blocks of touched features only."""
    columns = parameters.touch()[
        environment.species[environment.centers], environment.neighbor_species
    ]
    full = blocks.new_zeros(environment.n_pairs, parameters.n_features, 3)
    return full.scatter(1, columns[:, :, None].expand(-1, -1, 3), blocks)


def assert_close(actual: Tensor, wanted: Tensor, scale: float, tolerance: float) -> None:
    """Equal to a tolerance relative to the largest value, or to the scale if that is larger."""
    largest = max([scale, *wanted.abs().flatten().tolist()])
    torch.testing.assert_close(actual.double(), wanted, rtol=0, atol=tolerance * largest)


@dataclass(frozen=True)
class Expected:
    """What the reference says in float64, and how large it is about before terms cancel."""

    features: Tensor
    gradient: Tensor
    pulled: Tensor
    changes: Tensor
    pushed: Tensor
    size: float
    total: float


def expect(environment: Environment, parameters: Bispectrum) -> Expected:
    gradient = random(environment.n_atoms, parameters.n_features)
    changes = random(environment.n_pairs, 3)
    features = REFERENCE.forward(environment, replace(parameters, zero=False))
    size = float(features.abs().max())
    terms = int(environment.first.diff().max()) + parameters.n_features
    return Expected(
        REFERENCE.forward(environment, parameters),
        gradient,
        REFERENCE.vjp(environment, parameters, gradient),
        changes,
        REFERENCE.jvp(environment, parameters, changes),
        size,
        size * (1 + terms) ** 0.5,
    )


def check_operations(
    environment: Environment, parameters: Bispectrum, dtypes: Sequence[torch.dtype] = DTYPES
) -> None:
    """Every operation against the reference."""
    wanted = expect(environment, parameters)
    for dtype in dtypes:
        check_against(wanted, environment, parameters, dtype)


def check_against(
    wanted: Expected,
    environment: Environment,
    parameters: Bispectrum,
    dtype: torch.dtype,
    kernels: Any = bispectrum,
) -> None:
    """The Jacobian by its products with random vectors from either side."""
    given, tolerance = environment.to(dtype), KERNEL[dtype]
    forward = kernels.forward(given, parameters)
    features, blocks = kernels.jacobian(given, parameters)
    pulled = kernels.vjp(given, parameters, wanted.gradient.to(dtype))
    pushed = kernels.jvp(given, parameters, wanted.changes.to(dtype))

    assert {tensor.dtype for tensor in (forward, features, blocks, pulled, pushed)} == {dtype}
    assert torch.equal(forward, features)
    assert_close(forward, wanted.features, wanted.size, tolerance)
    assert_close(pulled, wanted.pulled, wanted.total, tolerance)
    assert_close(pushed, wanted.pushed, wanted.total, tolerance)
    slopes, centers = spread(environment, parameters, blocks.double()), environment.centers
    products = (wanted.gradient[centers][:, :, None] * slopes).sum(1)
    assert_close(products, wanted.pulled, wanted.total, tolerance)
    products = (slopes * wanted.changes[:, None]).sum(2)
    sums = torch.zeros_like(wanted.pushed).index_add(0, centers, products)
    assert_close(sums, wanted.pushed, wanted.total, tolerance)


FEW = ("water_molecule", "nial_triclinic", "four_species", "pair_at_cutoff")
EVERYWHERE = ("2j4", "chemical")


@pytest.mark.parametrize(
    ("system", "case"),
    [(system, case) for case in CASES for system in (SYSTEMS if case in EVERYWHERE else FEW)],
)
def test_kernel_matches_reference(system: str, case: str) -> None:
    check_operations(*prepared(system, case))


@pytest.mark.parametrize("case", ["2j5", "inner", "chemical"])
def test_whole_jacobian(case: str) -> None:
    environment, parameters = prepared("water_molecule", case)
    _, wanted = REFERENCE.jacobian(environment, parameters)
    _, blocks = bispectrum.jacobian(environment, parameters)
    assert_close(blocks, wanted, 0.0, KERNEL[torch.float64])


@st.composite
def fuzzed(draw: st.DrawFn) -> tuple[Environment, Bispectrum]:
    environment, n_species, cutoff = draw(fuzz.environments())
    case = draw(st.sampled_from(sorted(CASES)))
    # Some pairs lie beyond the cutoff of their elements.
    changes = {"twojmax": draw(st.integers(0, 3)), "rcutfac": cutoff / 1.1, "rmin0": 0.2}
    return environment, snap(case, ["H", "C", "O", "Fe"][:n_species], **changes).parameters


@given(fuzzed())
def test_random_structures_and_parameters(drawn: tuple[Environment, Bispectrum]) -> None:
    check_operations(*drawn, [torch.float64])


@pytest.mark.parametrize("twojmax", [1, 8, 14])
@pytest.mark.parametrize("system", ["water_molecule", "fe_primitive"])
def test_finite_differences(system: str, twojmax: int) -> None:
    atoms = SYSTEMS[system]()
    descriptor = snap("varied", symbols_of(atoms), twojmax=twojmax)
    environment, parameters = descriptor.environment(atoms), descriptor.parameters
    direction = random(environment.n_pairs, 3)
    ahead, behind = (
        bispectrum.forward(
            environment.with_vectors(environment.vectors + step * direction), parameters
        )
        for step in (1e-5, -1e-5)
    )
    wanted = (ahead - behind) / 2e-5
    actual = bispectrum.jvp(environment, parameters, direction)
    assert_close(actual, wanted, 0.0, FINITE_DIFFERENCE)
    gradient = random(*wanted.shape)
    pulled = bispectrum.vjp(environment, parameters, gradient)
    torch.testing.assert_close(
        (pulled * direction).sum(), (gradient * actual).sum(), rtol=1e-11, atol=0
    )


@pytest.mark.parametrize("case", ["2j6", "2j5", "inner", "chemical"])
@pytest.mark.parametrize("system", ["water_molecule", "nial_triclinic", "four_species"])
def test_components_do_not_change_under_rotation(system: str, case: str) -> None:
    environment, parameters = prepared(system, case)
    turn = torch.from_numpy(Rotation.random(random_state=3).as_matrix())
    turned = environment.with_vectors((environment.vectors @ turn.T).contiguous())
    wanted = bispectrum.forward(environment, parameters)
    assert_close(bispectrum.forward(turned, parameters), wanted, 0.0, SYMMETRY)


@pytest.mark.parametrize("case", ["2j6", "varied", "chemical"])
def test_order_and_place_of_atoms_do_not_matter(case: str) -> None:
    atoms = SYSTEMS["four_species"]()
    descriptor = snap(case, symbols_of(atoms))
    order = np.random.default_rng(2).permutation(len(atoms))
    moved = atoms[order]
    moved.translate((1.3, -0.7, 4.9))
    moved.wrap()
    wanted = descriptor.fingerprints(descriptor.environment(atoms))
    actual = descriptor.fingerprints(descriptor.environment(moved))
    assert_close(actual, wanted[order], 0.0, SYMMETRY)


def test_lowest_component_is_the_cube_of_the_density() -> None:
    environment, parameters = prepared("nial_triclinic", "varied")
    r = environment.vectors.norm(dim=1)
    species = environment.neighbor_species
    cutoff = parameters.pairs[environment.species[environment.centers], species, 0]
    near = torch.where(r < cutoff, (1 + torch.cos(torch.pi * r / cutoff)) / 2, 0.0)
    density = torch.ones(environment.n_atoms, dtype=torch.float64).index_add(
        0, environment.centers, near * parameters.weights[species]
    )
    actual = bispectrum.forward(environment, parameters)[:, 0]
    torch.testing.assert_close(actual, density**3 - 1, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalized", [0, 1])
def test_an_atom_without_neighbours(normalized: int) -> None:
    atoms = SYSTEMS["isolated_atom"]()
    descriptor = snap("2j4", ["Fe"], bnormflag=normalized)
    environment = descriptor.environment(atoms)
    assert (descriptor.fingerprints(environment).abs() < 1e-14).all()
    plain = bispectrum.forward(environment, replace(descriptor.parameters, zero=False))
    wanted = [1.0 if normalized else j + 1.0 for _, _, j in triples(4)]
    np.testing.assert_allclose(plain[0].numpy(), wanted, rtol=1e-14)
    features, blocks = descriptor.jacobian(environment)
    assert features.shape == (1, 14)
    assert blocks.shape == (0, 14, 3)


PLACES = {
    "on the axes": [(0, 0, 2), (0, 0, -2), (0, 1.5, 0), (0, -1.5, 0), (2.5, 0, 0), (-2.5, 0, 0)],
    "at rmin0": [(0, 0, 1.0), (0.6, 0.0, 0.8), (0, -1.0, 0)],
    "at the cutoff": [(0, 0, 4.2), (0, 4.2 - 1e-12, 0), (4.2 + 1e-12, 0, 0), (4.2, 4.2, 0)],
    "at the switches": [(0, 0, 0.8), (0, 2.4, 0), (1.6, 0, 0), (0.5, 0, 0)],
}


@pytest.mark.parametrize("places", PLACES)
def test_nothing_is_not_a_number(places: str) -> None:
    vectors = torch.tensor(PLACES[places], dtype=torch.float64)
    n = len(vectors)
    environment = Environment(
        vectors,
        torch.tensor([0] + [n] * (n + 1)),
        torch.arange(1, n + 1),
        torch.zeros(n + 1, dtype=torch.int64),
    )
    for changes in ({"rmin0": 1.0}, {"rmin0": 1.0, **INNER}):
        parameters = snap("2j5", ["H"], **changes).parameters
        check_operations(environment, parameters, [torch.float64])
        second = force_training.gradients(OPERATORS, environment, parameters)
        assert all(torch.isfinite(tensor).all() for tensor in second)


@pytest.mark.parametrize("case", ["2j6", "inner", "chemical"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_and_batches_do_not_change_a_bit(case: str, dtype: torch.dtype) -> None:
    images = [SYSTEMS[name]() for name in ("four_species", "isolated_atom", "water_on_cu")]
    descriptor = snap(case, sorted({symbol for atoms in images for symbol in symbols_of(atoms)}))
    parameters = descriptor.parameters
    frames = [environment.to(dtype) for environment in descriptor.environments(images)]
    batch = concatenate(frames)
    gradient = random(batch.n_atoms, parameters.n_features).to(dtype)

    def results() -> tuple[Tensor, ...]:
        return (
            bispectrum.vjp(batch, parameters, gradient),
            bispectrum.jvp(batch, parameters, batch.vectors),
            *bispectrum.jacobian(batch, parameters),
        )

    one = results()
    torch.set_num_threads(3)
    try:
        several = results()
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(*pair) for pair in zip(one, several, strict=True))
    apart = torch.cat([bispectrum.forward(frame, parameters) for frame in frames])
    assert torch.equal(apart, one[2])


class TestAutograd:
    @pytest.fixture(autouse=True, params=["inner", "chemical"])
    def _inputs(self, request: pytest.FixtureRequest) -> None:
        atoms = SYSTEMS["water_molecule"]()
        descriptor = snap(request.param, symbols_of(atoms), twojmax=1)
        self.environment, self.parameters = descriptor.environment(atoms), descriptor.parameters
        self.vectors = self.environment.vectors.clone().requires_grad_()
        self.gradient = random(3, self.parameters.n_features).requires_grad_()
        self.changes = random(self.environment.n_pairs, 3).requires_grad_()

    def forward(self, vectors: Tensor) -> Tensor:
        return bispectrum.forward(self.environment.with_vectors(vectors), self.parameters)

    def vjp(self, vectors: Tensor, gradient: Tensor) -> Tensor:
        return bispectrum.vjp(self.environment.with_vectors(vectors), self.parameters, gradient)

    def jvp(self, vectors: Tensor, changes: Tensor) -> Tensor:
        return bispectrum.jvp(self.environment.with_vectors(vectors), self.parameters, changes)

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(self.forward, self.vectors)
        assert torch.autograd.gradcheck(self.vjp, (self.vectors, self.gradient))
        assert torch.autograd.gradcheck(self.jvp, (self.vectors, self.changes))
        assert torch.autograd.gradgradcheck(self.forward, self.vectors)

    @pytest.mark.parametrize("operation", ["forward", "jacobian", "vjp", "jvp"])
    def test_operators_are_well_formed(self, operation: str) -> None:
        """Second derivatives in the vectors run the reference, which cannot be traced."""
        extra = {"jacobian": self.parameters.touch(), "vjp": self.gradient, "jvp": self.changes}
        vectors = self.vectors if operation == "forward" else self.environment.vectors
        inputs = flatten(self.environment.with_vectors(vectors), self.parameters)
        arguments = (*inputs, extra[operation]) if operation in extra else inputs
        torch.library.opcheck(OPERATORS.compiled.operators[operation], arguments)


def test_training_on_forces_goes_through_the_kernels() -> None:
    environment, parameters = prepared("linear_co2", "chemical")
    wanted = force_training.gradients(REFERENCE, environment, parameters)
    actual = force_training.gradients(OPERATORS, environment, parameters)
    force_training.assert_close(actual, wanted)


def test_other_precisions_run_on_the_reference() -> None:
    environment, parameters = prepared("water_molecule", "varied")
    actual = bispectrum.forward(environment.to(torch.bfloat16), parameters)
    assert actual.dtype == torch.bfloat16
    assert_close(actual, bispectrum.forward(environment, parameters), 0.0, 0.05)


@pytest.mark.parametrize("wrong", [random(3, 5), random(3, 14).float()])
def test_errors_name_the_gradient(wrong: Tensor) -> None:
    environment, parameters = prepared("water_molecule", "varied")
    with pytest.raises(ValueError, match=r"^gradient: expected shape \(3, 14\)"):
        bispectrum.vjp(environment, parameters, wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twojmax": 15}, "twojmax: expected 0 to 14, got 15"),
        ({"twojmax": 3}, r"couplings: expected shape \(\d+,\) and torch.float64, got shape"),
        ({"weights": torch.ones(2)}, r"weights: expected shape \(2,\) and torch.float64"),
        ({"n_features": 13}, "n_features: expected 14, got 13"),
    ],
)
def test_errors_name_the_parameter(changes: dict[str, Any], message: str) -> None:
    _, parameters = prepared("water_molecule", "varied")
    with pytest.raises(ValueError, match=f"^{message}"):
        replace(parameters, **changes)


@pytest.mark.parametrize("highest", [0, 5, 14])
def test_couplings_are_orthogonal(highest: int) -> None:
    j1, j2 = highest, highest // 2
    whole = torch.cat([coupling(j1, j2, j).flatten(0, 1) for j in thirds(j1, j2, 2 * highest)], 1)
    identity = torch.eye((j1 + 1) * (j2 + 1), dtype=torch.float64)
    torch.testing.assert_close(whole.T @ whole, identity, rtol=0, atol=1e-14)
    assert len(couplings(highest)) >= len(triples(highest))
