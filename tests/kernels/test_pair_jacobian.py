"""Products of pair Jacobians: kernel against reference, any derivative, forces, virials."""

from __future__ import annotations

import pytest
import torch

from amptorch.kernels import pair_jacobian
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.neighbors import find_neighbors
from amptorch.kernels.pair_jacobian import Frames
from amptorch.kernels.reference import pair_jacobian as reference
from tests.systems import SYSTEMS
from tests.tolerances import KERNEL

N_FEATURES = 7


def _environment(system: str, repeats: int = 1) -> Environment:
    atoms = SYSTEMS[system]().repeat(repeats)
    species = torch.unique(torch.tensor(atoms.numbers), return_inverse=True)[1]
    return find_neighbors(atoms.positions, atoms.cell.array, atoms.pbc, species.numpy(), 4.0)


def _case(system: str, dtype: torch.dtype = torch.float64, repeats: int = 1) -> tuple:
    """Environment, ragged touch table, blocks, and weights of features."""
    environment = _environment(system, repeats).to(dtype)
    random = torch.Generator().manual_seed(3)
    n_species = int(environment.species.max()) + 1
    touch = torch.full((n_species, n_species, 4), -1)
    for row in touch.view(-1, 4):
        count = int(torch.randint(1, 5, (), generator=random))
        row[:count] = torch.randperm(N_FEATURES, generator=random)[:count].sort().values
    values = torch.randn(environment.n_pairs, 4, 3, generator=random, dtype=torch.float64)
    weights = torch.randn(environment.n_atoms, N_FEATURES, generator=random, dtype=torch.float64)
    return environment, touch, values.to(dtype), weights.to(dtype)


def _changes(environment: Environment, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(4)
    shapes = (environment.n_atoms, 3), (environment.n_atoms, 3, 3)
    return tuple(torch.randn(s, generator=random, dtype=torch.float64).to(dtype) for s in shapes)


def _close(found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    largest = max(1.0, float(expected.abs().max())) if expected.numel() else 0.0
    torch.testing.assert_close(found, expected, rtol=0, atol=10 * KERNEL[dtype] * largest)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("with_virials", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
def test_kernel_agrees_with_reference(system: str, with_virials: bool, dtype: torch.dtype) -> None:
    environment, touch, values, weights = _case(system, dtype)
    forces, virials = _changes(environment, dtype)
    if not with_virials:
        virials = virials[:0]
    pulled = pair_jacobian.pull(Frames([values], [environment], touch), weights, with_virials)
    expected = reference.pull(values, environment, touch, weights, with_virials)
    for one, other in zip(pulled, expected, strict=True):
        _close(one, other, dtype)
    pushed = pair_jacobian.push(Frames([values], [environment], touch), forces, virials, N_FEATURES)
    other = reference.push(values, environment, touch, forces, virials, N_FEATURES)
    _close(pushed, other, dtype)


@pytest.mark.parametrize("with_virials", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_frames_apart_are_frames_joined(dtype: torch.dtype, with_virials: bool) -> None:
    """Also on what the kernel is not compiled for, which goes to the reference."""
    cases = [_case(name, dtype) for name in ("cuco_box", "isolated_atom", "nial_triclinic")]
    environments, tables, values, weights = zip(*cases, strict=True)
    touch = max(tables, key=len)
    joined = concatenate(environments)
    expected = reference.pull(torch.cat(values), joined, touch, torch.cat(weights), with_virials)
    found = pair_jacobian.pull(
        Frames(values, environments, touch), torch.cat(weights), with_virials
    )
    for one, other in zip(found, expected, strict=True):
        _close(one, other, torch.float64)
    back = pair_jacobian.push(Frames(values, environments, touch), *expected, N_FEATURES)
    pushed = reference.push(torch.cat(values), joined, touch, *expected, N_FEATURES)
    _close(back, pushed, torch.float64)


def test_gradients_of_any_order() -> None:
    environment, touch, values, weights = _case("water_molecule")
    forces, virials = _changes(environment, torch.float64)
    for tensor in (weights, forces, virials):
        tensor.requires_grad_()

    def pull(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return pair_jacobian.pull(Frames([values], [environment], touch), w**2, True)

    def push(f: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return pair_jacobian.push(Frames([values], [environment], touch), f**2, w**2, N_FEATURES)

    for function, arguments in ((pull, (weights,)), (push, (forces, virials))):
        assert torch.autograd.gradcheck(function, arguments)
        assert torch.autograd.gradgradcheck(function, arguments)


def test_forces_and_virial_of_a_pair_potential() -> None:
    """E = sum over pairs of r^2 / 2, each direction counted: g_ij = R_ij, so F_i = 2 sum R_ij.

    With one feature a neighbour, G_i = sum_j r_ij^2 / 2, the blocks are the vectors.
    """
    environment = _environment("nial_triclinic")
    n_species = int(environment.species.max()) + 1
    touch = torch.zeros((n_species, n_species, 1), dtype=torch.int64)
    weights = torch.ones((environment.n_atoms, 1), dtype=torch.float64)
    blocks = environment.vectors[:, None, :].contiguous()
    expected = torch.zeros((environment.n_atoms, 3), dtype=torch.float64)
    for i, vector in zip(environment.centers.tolist(), environment.vectors, strict=True):
        expected[i] += 2 * vector
    virial = environment.vectors.T @ environment.vectors
    for forces, virials in (
        pair_jacobian.pull(Frames([blocks], [environment], touch), weights, True),
        (
            pair_jacobian.forces(environment, environment.vectors),
            pair_jacobian.virials(environment, environment.vectors),
        ),
    ):
        torch.testing.assert_close(forces, expected)
        torch.testing.assert_close(virials.sum(0), virial)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_do_not_depend_on_threads(threads: int) -> None:
    environment, touch, values, weights = _case("four_species", repeats=2)
    assert environment.n_atoms >= 64, "must be cut in several parts"
    forces, virials = _changes(environment, torch.float64)

    def products() -> list[torch.Tensor]:
        pulled = pair_jacobian.pull(Frames([values], [environment], touch), weights, True)
        frames = Frames([values], [environment], touch)
        return [*pulled, pair_jacobian.push(frames, forces, virials, N_FEATURES)]

    before, once = torch.get_num_threads(), products()
    torch.set_num_threads(threads)
    try:
        again = products()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


def test_what_does_not_fit_is_refused() -> None:
    environment, touch, values, weights = _case("cuco_box")
    frames = Frames([values], [environment], touch)
    with pytest.raises(ValueError, match=r"expected torch.float64 on cpu .* got torch.float32"):
        pair_jacobian.pull(frames, weights.float(), False)
    for other in (values.float(), values.mT.contiguous().mT):
        frames = Frames([values, other], [environment] * 2, touch)
        with pytest.raises(ValueError, match=r"contiguous torch\.float64 in all frames"):
            pair_jacobian.pull(frames, weights.repeat(2, 1), False)
