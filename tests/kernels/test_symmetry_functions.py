"""Symmetry functions: the compiled kernel against the reference, finite differences and what must
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

from amptorch.kernels import symmetry_functions
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.neighbors import find_neighbors
from amptorch.kernels.operators import flatten
from amptorch.kernels.symmetry_functions import OPERATORS, SymmetryFunctions

from ..systems import CUTOFF, SYSTEMS
from ..tolerances import (
    FINITE_DIFFERENCE,
    KERNEL,
    SYMMETRY,
)
from . import finite_differences, fuzz
from .symmetry_function_cases import CASES, G2, Case, angular

REFERENCE = OPERATORS.reference
DTYPES = [torch.float64, torch.float32]


@cache
def environment_of(name: str) -> Environment:
    return neighbors_of(SYSTEMS[name]())


def neighbors_of(atoms: Atoms, cutoff: float = CUTOFF) -> Environment:
    _, species = np.unique(atoms.numbers, return_inverse=True)
    return find_neighbors(atoms.positions, atoms.cell.array, atoms.pbc, species, cutoff)


def functions_for(environment: Environment, case: str) -> SymmetryFunctions:
    return CASES[case].functions(int(environment.species.max()) + 1)


@dataclass(frozen=True)
class Expected:
    """What the reference says in float64, its Jacobian projected on random directions."""

    features: Tensor
    gradient: Tensor
    changes: Tensor
    pulled: Tensor
    pushed: Tensor


def expect(environment: Environment, functions: SymmetryFunctions) -> Expected:
    gradient = random(environment.n_atoms, functions.n_features)
    changes = random(environment.n_pairs, 3)
    return Expected(
        REFERENCE.forward(environment, functions),
        gradient,
        changes,
        REFERENCE.vjp(environment, functions, gradient),
        REFERENCE.jvp(environment, functions, changes),
    )


@cache
def expected(system: str, case: str) -> Expected:
    environment = environment_of(system)
    return expect(environment, functions_for(environment, case))


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(
    actual: Tensor,
    wanted: Tensor,
    tolerance: float,
    terms: Tensor | None = None,
    weight: float = 1.0,
) -> None:
    """Equal to a tolerance relative to the largest value of the feature (the second axis), or to
    a hundredth of the largest of all, or of the ``weight`` of a close neighbour. Where terms
    cancel, ``terms`` is the sum of their magnitudes and takes the place of the values."""
    assert actual.shape == wanted.shape
    if not wanted.numel():
        return
    sizes = wanted.abs() if terms is None else terms
    others = [axis for axis in range(wanted.dim()) if axis != 1]
    scale = sizes.amax(others, keepdim=True).clamp(min=0.01 * max(weight, float(sizes.max())))
    excess = (actual.double() - wanted).abs() - tolerance * scale
    if not (excess <= 0).all():  # also where it is NaN
        place = np.unravel_index(int(excess.argmax()), excess.shape)
        raise AssertionError(
            f"{place}: {actual[place]} instead of {wanted[place]}, tolerance {tolerance} "
            f"relative to {scale.expand_as(wanted)[place]}"
        )


def spread(environment: Environment, functions: SymmetryFunctions, blocks: Tensor) -> Tensor:
    """dG/dR [n_pairs, n_features, 3] from blocks that hold the touched features."""
    touch = functions.touch()[
        environment.species[environment.centers], environment.neighbor_species
    ]
    full = torch.zeros(environment.n_pairs, functions.n_features + 1, 3, dtype=blocks.dtype)
    columns = torch.where(touch < 0, functions.n_features, touch)
    full.scatter_add_(1, columns[:, :, None].expand_as(blocks), blocks)
    assert (full[:, -1] == 0).all()
    return full[:, :-1]


def pull(environment: Environment, slopes: Tensor, gradient: Tensor) -> Tensor:
    return (gradient[environment.centers][:, :, None] * slopes).sum(1)


def push(environment: Environment, slopes: Tensor, changes: Tensor) -> Tensor:
    zeros = slopes.new_zeros(environment.n_atoms, slopes.shape[1])
    return zeros.index_add(0, environment.centers, (slopes * changes[:, None, :]).sum(2))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernel_matches_reference(system: str, case: str, dtype: torch.dtype) -> None:
    environment = environment_of(system)
    functions = functions_for(environment, case)
    check_operations(environment, functions, expected(system, case), dtype)


def check_operations(
    environment: Environment, functions: SymmetryFunctions, wanted: Expected, dtype: torch.dtype
) -> None:
    given, tolerance = environment.to(dtype), KERNEL[dtype]
    forward = symmetry_functions.forward(given, functions)
    features, blocks = symmetry_functions.jacobian(given, functions)
    pulled = symmetry_functions.vjp(given, functions, wanted.gradient.to(dtype))
    pushed = symmetry_functions.jvp(given, functions, wanted.changes.to(dtype))

    assert {tensor.dtype for tensor in (forward, features, blocks, pulled, pushed)} == {dtype}
    slopes = spread(environment, functions, blocks.double())
    terms = push(environment, slopes.abs(), wanted.changes.abs())
    weight = float(functions.values[:, 5].abs().max())
    for actual, expected_value, summands in (
        (forward, wanted.features, None),
        (features, wanted.features, None),
        (pull(environment, slopes, wanted.gradient), wanted.pulled, None),
        (pulled, wanted.pulled, None),
        (push(environment, slopes, wanted.changes), wanted.pushed, terms),
        (pushed, wanted.pushed, terms),
    ):
        assert_close(actual, expected_value, tolerance, summands, weight)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", ["water_molecule", "nial_triclinic", "fe_primitive"])
def test_finite_differences(system: str, case: str) -> None:
    environment = environment_of(system)
    functions = functions_for(environment, case)
    direction = random(environment.n_pairs, 3)
    wanted = finite_differences.along(
        lambda vectors: symmetry_functions.forward(environment.with_vectors(vectors), functions),
        environment.vectors,
        direction,
    )
    assert_close(
        symmetry_functions.jvp(environment, functions, direction), wanted, FINITE_DIFFERENCE
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", ["water_molecule", "nial_triclinic", "four_species"])
def test_rotation_changes_nothing(system: str, case: str) -> None:
    environment = environment_of(system)
    functions = functions_for(environment, case)
    turn = torch.from_numpy(Rotation.random(random_state=3).as_matrix())
    turned = environment.with_vectors((environment.vectors @ turn.T).contiguous())
    wanted = symmetry_functions.forward(environment, functions)
    assert_close(symmetry_functions.forward(turned, functions), wanted, SYMMETRY)


@pytest.mark.parametrize("case", CASES)
def test_order_of_atoms_does_not_matter(case: str) -> None:
    atoms = SYSTEMS["four_species"]()
    order = np.random.default_rng(2).permutation(len(atoms))
    environment = neighbors_of(atoms)
    functions = functions_for(environment, case)
    wanted = symmetry_functions.forward(environment, functions)[order]
    actual = symmetry_functions.forward(neighbors_of(atoms[order]), functions)
    assert_close(actual, wanted, SYMMETRY)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_and_batches_do_not_change_a_bit(case: str, dtype: torch.dtype) -> None:
    names = ["four_species", "isolated_atom", "water_on_cu", "fe_primitive"]
    frames = [environment_of(name).to(dtype) for name in names]
    batch = concatenate(frames)
    functions = functions_for(batch, case)
    gradient = random(batch.n_atoms, functions.n_features).to(dtype)
    changes = random(batch.n_pairs, 3).to(dtype)

    def run(environment: Environment) -> tuple[Tensor, ...]:
        return (
            symmetry_functions.forward(environment, functions),
            *symmetry_functions.jacobian(environment, functions),
            symmetry_functions.vjp(environment, functions, gradient),
            symmetry_functions.jvp(environment, functions, changes),
        )

    one = run(batch)
    torch.set_num_threads(3)
    try:
        several = run(batch)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(one, several, strict=True))
    apart = [symmetry_functions.forward(frame, functions) for frame in frames]
    assert torch.equal(one[0], torch.cat(apart))


def n2p2_cutoff(number: int, x: np.ndarray) -> np.ndarray:
    """The functions as n2p2 documents them, of x from 0 to 1."""
    return [
        np.ones_like(x),
        0.5 * (np.cos(np.pi * x) + 1),
        np.tanh(1 - x) ** 3,
        (np.tanh(1 - x) / np.tanh(1)) ** 3,
        np.exp(1 - 1 / (1 - x**2)),
        (2 * x - 3) * x**2 + 1,
        ((15 - 6 * x) * x - 10) * x**3 + 1,
        (x * (x * (20 * x - 70) + 84) - 35) * x**4 + 1,
        (x * (x * ((315 - 70 * x) * x - 540) + 420) - 126) * x**5 + 1,
    ][number]


@pytest.mark.parametrize("backend", [symmetry_functions, REFERENCE], ids=["kernel", "reference"])
@pytest.mark.parametrize("number", range(9))
def test_cutoff_functions(number: int, backend: Any) -> None:
    """Values of a lone pair; slopes by finite differences."""
    alpha, distances = 0.25, np.array([0.3, 1.2, 1.5001, 2.0, 3.3, 4.7, 5.5, 5.99, 6.0, 6.2])
    inner = 0.0 if number in (0, 2, 3) else alpha
    x = np.clip((distances / CUTOFF - inner) / (1 - inner), 0.0, 1.0 - 1e-9)
    wanted = np.where(distances < CUTOFF, n2p2_cutoff(number, x), 0.0)
    case = Case(g2=((CUTOFF, 0.0, 0.0, 0.0),), cutoff_type=number, alpha=alpha)
    functions = case.functions(1)

    def features(distances: np.ndarray) -> tuple[Tensor, Tensor]:
        frames = [neighbors_of(Atoms("H2", [(0, 0, 0), (0, 0, r)]), 7.0) for r in distances]
        environment = concatenate(frames)
        found = backend.forward(environment, functions)
        slopes = backend.vjp(environment, functions, torch.ones_like(found))
        return found[::2, 0], -slopes[1::2, 2]

    found, slopes = features(distances)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    step = 1e-5
    inside = np.abs(distances - CUTOFF) > 2 * step
    change = (features(distances + step)[0] - features(distances - step)[0]) / (2 * step)
    np.testing.assert_allclose(slopes[inside], change[inside], atol=1e-8)


@pytest.mark.parametrize(
    "case", ["g2_g4_cosine", "polynomial", "g5", "cosine_inner", "tanh", "poly4_inner"]
)
def test_smooth_at_the_cutoff(case: str) -> None:
    """Value and slope of a pair that leaves go to zero, the value with the square of the gap."""

    def at(distance: float) -> tuple[Tensor, Tensor]:
        atoms = Atoms("CuOO", [(0, 0, 0), (distance, 0, 0), (0, 2.0, 0)])
        environment = neighbors_of(atoms, CUTOFF + 1)
        functions = functions_for(environment, case)
        features, blocks = symmetry_functions.jacobian(environment, functions)
        slopes = spread(environment, functions, blocks)[0, :, 0]
        return features[0], slopes

    beyond, slopes_beyond = at(CUTOFF + 0.1)
    assert (slopes_beyond == 0).all()
    for gap in (1e-2, 1e-4, 1e-6):
        features, slopes = at(CUTOFF - gap)
        assert float((features - beyond).abs().max()) < 2 * gap**2 + 1e-14
        assert 0 < float(slopes.abs().max()) < 4 * gap


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", ["linear_co2", "isolated_atom", "dimer", "pair_at_cutoff"])
def test_derivatives_are_finite(system: str, case: str) -> None:
    """First and second ones, at angles of 0 and pi, at the cutoff, without neighbours."""
    environment = environment_of(system)
    functions = functions_for(environment, case)
    vectors = environment.vectors.clone().requires_grad_()
    features = symmetry_functions.forward(environment.with_vectors(vectors), functions)
    gradient = random(*features.shape).requires_grad_()
    (slope,) = torch.autograd.grad(features, vectors, gradient, create_graph=True)
    second = torch.autograd.grad(slope, (vectors, gradient), random(*slope.shape))
    assert all(torch.isfinite(tensor).all() for tensor in (features, slope, *second))


@st.composite
def fuzzed(draw: st.DrawFn) -> tuple[Environment, SymmetryFunctions]:
    environment, n_species, cutoff = draw(fuzz.environments())
    values = st.tuples(
        st.sampled_from([cutoff, 0.8 * cutoff]),
        st.sampled_from([0.0, 0.01, 0.5, 20.0]),
        st.sampled_from([1.0, 2.0, 3.0, 5.0, 1.5, 7.25]),
        st.sampled_from([1.0, -1.0]),
    )
    uneven = draw(st.booleans())
    fewest = 2 if uneven else 1, 0, 0  # of two functions the first element keeps one
    sets = [tuple(draw(st.lists(values, min_size=low, max_size=3))) for low in fewest]
    gamma = draw(st.sampled_from([0.0, 2.0, 3.0, 5.5]))
    functions = Case(*sets, gamma=gamma, uneven=uneven).functions(n_species)
    return environment, _merged(functions, draw(st.integers(0, 5)))


def _merged(functions: SymmetryFunctions, n_features: int) -> SymmetryFunctions:
    """Functions with weights that share ``n_features`` features in no order; as they are for 0."""
    if not n_features:
        return functions
    kinds, values = functions.kinds.clone(), functions.values.clone()
    kinds[:, 1] %= n_features
    values[:, 5] = 1 + random(len(values)).abs()
    return replace(functions, kinds=kinds, values=values, n_features=n_features)


@fuzz.MANY
@given(fuzzed())
def test_random_structures_and_functions(drawn: tuple[Environment, SymmetryFunctions]) -> None:
    check_operations(*drawn, expect(*drawn), torch.float64)


class TestAutograd:
    @pytest.fixture(autouse=True)
    def _inputs(self) -> None:
        self.environment = environment_of("water_molecule")
        case = Case(G2[:1], angular([0.01], [1.0, 2.5])[:3], angular([0.1], [3.0]))
        self.functions = case.functions(2)
        self.vectors = self.environment.vectors.clone().requires_grad_()
        self.gradient = random(3, self.functions.n_features).requires_grad_()
        self.changes = random(self.environment.n_pairs, 3).requires_grad_()

    def forward(self, vectors: Tensor) -> Tensor:
        return symmetry_functions.forward(self.environment.with_vectors(vectors), self.functions)

    def vjp(self, vectors: Tensor, gradient: Tensor) -> Tensor:
        environment = self.environment.with_vectors(vectors)
        return symmetry_functions.vjp(environment, self.functions, gradient)

    def jvp(self, vectors: Tensor, changes: Tensor) -> Tensor:
        environment = self.environment.with_vectors(vectors)
        return symmetry_functions.jvp(environment, self.functions, changes)

    def test_gradients(self) -> None:
        assert torch.autograd.gradcheck(self.forward, self.vectors, fast_mode=True)
        assert torch.autograd.gradcheck(self.vjp, (self.vectors, self.gradient), fast_mode=True)
        assert torch.autograd.gradcheck(self.jvp, (self.vectors, self.changes), fast_mode=True)

    def test_second_gradients(self) -> None:
        assert torch.autograd.gradgradcheck(self.forward, self.vectors, fast_mode=True)
        assert torch.autograd.gradgradcheck(self.vjp, (self.vectors, self.gradient), fast_mode=True)
        assert torch.autograd.gradgradcheck(self.jvp, (self.vectors, self.changes), fast_mode=True)

    @pytest.mark.parametrize("operation", ["forward", "jacobian", "vjp", "jvp"])
    def test_operators_are_well_formed(self, operation: str) -> None:
        """Second derivatives in the vectors run the reference, which cannot be traced."""
        extra = {"jacobian": self.functions.touch(), "vjp": self.gradient, "jvp": self.changes}
        vectors = self.vectors if operation == "forward" else self.environment.vectors
        inputs = flatten(self.environment.with_vectors(vectors), self.functions)
        arguments = (*inputs, extra[operation]) if operation in extra else inputs
        torch.library.opcheck(OPERATORS.compiled.operators[operation], arguments)


class TestWrongInputs:
    functions = CASES["g2_g4_cosine"].functions(2)

    def test_tables(self) -> None:
        with pytest.raises(ValueError, match=r"kinds: expected shape .* got .*float64"):
            replace(self.functions, kinds=self.functions.kinds.double())
        with pytest.raises(ValueError, match=r"values: expected shape \(\d+, 6\)"):
            replace(self.functions, values=self.functions.values[:, :3])

    def test_gradient(self) -> None:
        environment = environment_of("water_molecule")
        with pytest.raises(ValueError, match=r"gradient: expected shape"):
            symmetry_functions.vjp(environment, self.functions, random(2, 2))
        changes = random(environment.n_pairs, 3).float()
        with pytest.raises(ValueError, match=r"changes: expected shape .* got .*float32"):
            symmetry_functions.jvp(environment, self.functions, changes)


def test_half_precision_runs_on_the_reference() -> None:
    environment = environment_of("water_molecule")
    functions = functions_for(environment, "g2_g4_cosine")
    wanted = symmetry_functions.forward(environment, functions)
    actual = symmetry_functions.forward(environment.to(torch.bfloat16), functions)
    assert actual.dtype == torch.bfloat16
    assert_close(actual, wanted, 0.05)
