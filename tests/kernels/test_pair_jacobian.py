"""Products of pair Jacobians: kernel against reference, operators under autograd, forces, virials."""

from __future__ import annotations

import pytest
import torch

from amptorch.kernels import pair_jacobian
from amptorch.kernels.environment import Environment
from amptorch.kernels.neighbors import find_neighbors
from amptorch.kernels.reference import pair_jacobian as reference
from tests.systems import SYSTEMS
from tests.tolerances import KERNEL

N_FEATURES = 7


def _environment(system: str) -> Environment:
    atoms = SYSTEMS[system]()
    species = torch.unique(torch.tensor(atoms.numbers), return_inverse=True)[1]
    return find_neighbors(atoms.positions, atoms.cell.array, atoms.pbc, species.numpy(), 4.0)


def _case(system: str, dtype: torch.dtype = torch.float64) -> tuple:
    """Environment, ragged touch table, blocks, weights of features and changes of vectors."""
    environment = _environment(system).to(dtype)
    random = torch.Generator().manual_seed(3)
    n_species = int(environment.species.max()) + 1
    touch = torch.full((n_species, n_species, 4), -1)
    for row in touch.view(-1, 4):
        count = int(torch.randint(1, 5, (), generator=random))
        row[:count] = torch.randperm(N_FEATURES, generator=random)[:count].sort().values
    values = torch.randn(environment.n_pairs, 4, 3, generator=random, dtype=torch.float64)
    weights = torch.randn(environment.n_atoms, N_FEATURES, generator=random, dtype=torch.float64)
    changes = torch.randn(environment.n_pairs, 3, generator=random, dtype=torch.float64)
    return environment, touch, values.to(dtype), weights.to(dtype), changes.to(dtype)


def _columns(environment: Environment, touch: torch.Tensor) -> torch.Tensor:
    return touch[environment.species[environment.centers], environment.neighbor_species]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("system", SYSTEMS)
def test_kernel_agrees_with_reference(system: str, dtype: torch.dtype) -> None:
    environment, touch, values, weights, changes = _case(system, dtype)
    columns, centers = _columns(environment, touch), environment.centers
    pulled = pair_jacobian.vjp(values, environment, touch, weights)
    expected = reference.vjp(values, columns, centers, weights)
    torch.testing.assert_close(pulled, expected, rtol=0, atol=10 * KERNEL[dtype])
    pushed = pair_jacobian.jvp(values, environment, touch, changes, N_FEATURES)
    expected = reference.jvp(values, columns, centers, changes, environment.n_atoms, N_FEATURES)
    torch.testing.assert_close(pushed, expected, rtol=0, atol=100 * KERNEL[dtype])


@pytest.mark.parametrize("system", ["cuco_box", "nial_triclinic", "isolated_atom"])
def test_half_precision_goes_to_the_reference(system: str) -> None:
    environment, touch, values, weights, _ = _case(system, torch.bfloat16)
    pulled = pair_jacobian.vjp(values, environment, touch, weights)
    exact = reference.vjp(
        values.double(), _columns(environment, touch), environment.centers, weights.double()
    )
    torch.testing.assert_close(pulled.double(), exact, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("system", ["cuco_box", "nial_triclinic", "isolated_atom"])
def test_operators_fit_torch(system: str) -> None:
    environment, touch, values, weights, changes = _case(system)
    weights.requires_grad_()
    changes.requires_grad_()
    indices = (environment.first, environment.neighbors, environment.species, touch)
    torch.library.opcheck(pair_jacobian._vjp, (values, *indices, weights))
    torch.library.opcheck(pair_jacobian._jvp, (values, *indices, changes, N_FEATURES))


def test_gradients_of_any_order() -> None:
    environment, touch, values, weights, changes = _case("water_molecule")
    weights.requires_grad_()
    changes.requires_grad_()

    def pull(w: torch.Tensor) -> torch.Tensor:
        return pair_jacobian.vjp(values, environment, touch, w**2)

    def push(v: torch.Tensor) -> torch.Tensor:
        return pair_jacobian.jvp(values, environment, touch, v**2, N_FEATURES)

    for function, argument in ((pull, weights), (push, changes)):
        assert torch.autograd.gradcheck(function, argument)
        assert torch.autograd.gradgradcheck(function, argument)


def test_forces_and_virial_of_a_pair_potential() -> None:
    """E = sum over pairs of r^2 / 2, each direction counted: g_ij = R_ij, so F_i = 2 sum R_ij."""
    environment = _environment("nial_triclinic")
    forces = pair_jacobian.forces(environment, environment.vectors)
    expected = torch.zeros_like(forces)
    for i, vector in zip(environment.centers.tolist(), environment.vectors, strict=True):
        expected[i] += 2 * vector
    torch.testing.assert_close(forces, expected)
    frames = torch.zeros(environment.n_atoms, dtype=torch.int64)
    virial = pair_jacobian.virials(environment, environment.vectors, frames, 1)[0]
    torch.testing.assert_close(virial, environment.vectors.T @ environment.vectors)


@pytest.mark.parametrize("threads", [1, 2])
def test_results_do_not_depend_on_threads(threads: int) -> None:
    environment, touch, values, weights, _ = _case("nial_triclinic")
    before = torch.get_num_threads()
    once = pair_jacobian.vjp(values, environment, touch, weights)
    torch.set_num_threads(threads)
    try:
        again = pair_jacobian.vjp(values, environment, touch, weights)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(once, again)
