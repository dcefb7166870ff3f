"""Many potentials at once: golden numbers, and each member as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

from amptorch.kernels.neighbors import find_neighbors
from amptorch.kernels.nep_population import Geometry, Population
from amptorch.potentials.loading import load
from amptorch.potentials.nep.model import Nep
from amptorch.potentials.nep.population import population_shape
from amptorch.potentials.nep.shape import INVARIANTS, Shape

from ..nep import golden_cases
from ..tolerances import GOLDEN_ENERGY, GOLDEN_FORCES

SIX = ((0, 1, 2, 0, 1, 2), (0, 1, 2, 1, 2, 0))
# Of sums over some hundred terms that cancel to a tenth.
FLOAT32 = 1e-4


def environment_of(descriptor, numbers, positions, cell):
    places = {atomic_numbers[each]: k for k, each in enumerate(descriptor.elements)}
    species = [places[z] for z in numbers.tolist()]
    return find_neighbors(positions, cell, [True] * 3, species, descriptor.cutoff)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("text", "numbers"), golden_cases())
def test_golden_numbers_from_nep_txt(text, numbers, dtype):
    potential, golden = load(text), np.load(numbers)
    descriptor, model = potential.descriptor, potential.model
    environment = environment_of(descriptor, *(golden[k] for k in ("numbers", "positions", "cell")))
    geometry = Geometry.of([environment], descriptor.parameters.values[..., 0], dtype)
    n_atoms = len(golden["numbers"])
    zeros, ones = np.zeros((n_atoms, 3)), np.ones(n_atoms)
    kernel = Population(
        population_shape(model.shape), geometry, model.q_scaler.numpy(), zeros, ones
    )
    own = model.vector().numpy()
    found = kernel.evaluate(np.stack([2 * own, own, 0 * own]), virials=True, forces=True)
    energy, forces, virial = (golden[k] for k in ("energy", "forces", "virial"))
    if "fixed" in potential.scalers:
        from ase import Atoms

        image = Atoms(golden["numbers"], golden["positions"], cell=golden["cell"], pbc=True)
        given = potential.scalers["fixed"].evaluate([image])
        energy = energy - given.energy[0]
        forces, virial = forces - given.forces[0], virial + given.virials[0]
    large = max(1.0, np.abs(golden["forces"]).max())
    exact = dtype == torch.float64
    of_energy, of_forces = (GOLDEN_ENERGY, GOLDEN_FORCES) if exact else (FLOAT32, FLOAT32)
    assert found.energies[0, 1] == pytest.approx(energy, rel=of_energy, abs=of_energy * large)
    np.testing.assert_allclose(found.forces[:, :, 1], forces, atol=of_forces * large)
    np.testing.assert_allclose(
        found.virials[0, :, 1], virial[SIX], atol=of_forces * max(large, np.abs(virial).max())
    )
    assert found.force_errors[0, 1] == pytest.approx((forces**2).sum(), rel=10 * of_forces)


def crystal(n_species: int):
    """Frames of several sizes, some denser than there are radial functions."""
    random = np.random.default_rng(5)
    frames = []
    for n, length in ((1, 2.6), (9, 5.5), (17, 7.0)):
        species = random.integers(0, n_species, n)
        cell = length * np.eye(3) + random.uniform(-0.2, 0.2, (3, 3))
        places = random.uniform(0, 1, (n, 3)) @ cell
        frames.append(find_neighbors(places, cell, [True] * 3, species, 5.0))
    return frames


@pytest.mark.parametrize("version", [3, 4, 5])
def test_members_and_frames_as_if_they_were_alone(version):
    """With all invariants: energies are the model's, forces their slopes by autograd."""
    shape = Shape(("Cu", "Ag"), (3, 2), (4, 5), 4, INVARIANTS, (6, 3), version)
    torch.manual_seed(0)
    model = Nep(shape)
    model.q_scaler.uniform_(0.02, 0.1)
    rows = []
    for _ in range(5):
        model.randomize()
        rows.append(model.vector().numpy())
    members = np.array(rows)
    frames = crystal(2)
    cutoffs = torch.tensor(
        [[[5.0, 4.5], [4.5, 4.0]], [[4.0, 3.8], [3.8, 3.6]]], dtype=torch.float64
    )
    geometry = Geometry.of(frames, cutoffs, torch.float64)
    n_atoms = int(geometry.sizes.sum())
    random = np.random.default_rng(1)
    targets, weights = random.normal(size=(n_atoms, 3)), random.uniform(size=n_atoms)
    scale = model.q_scaler.numpy()
    kernel = Population(population_shape(shape), geometry, scale, targets, weights)
    found = kernel.evaluate(members, np.array([2, 0]), virials=True, forces=True)
    assert not found.forces[1:10].any()
    whole = kernel.evaluate(members)
    np.testing.assert_array_equal(whole.energies[[2, 0]], found.energies)
    for p, row in enumerate(members):
        model.set_vector(torch.from_numpy(row))
        alone = kernel.evaluate(members[p : p + 1])
        np.testing.assert_array_equal(alone.energies[:, 0], whole.energies[:, p])
        for place, frame in ((0, 2), (1, 0)):
            energy, forces = by_autograd(model, frames[frame], cutoffs)
            first = geometry.first_atoms[frame]
            own = slice(first, first + len(forces))
            assert found.energies[place, p] == pytest.approx(energy, rel=1e-10)
            large = max(1.0, np.abs(forces).max())
            np.testing.assert_allclose(found.forces[own, :, p], forces, atol=1e-10 * large)
            squares = (weights[own, None] * (forces - targets[own]) ** 2).sum()
            assert found.force_errors[place, p] == pytest.approx(squares, rel=1e-9)


def by_autograd(model, environment, cutoffs):
    from amptorch.kernels import pair_jacobian, spherical_expansion
    from amptorch.kernels.reference import spherical_expansion as reference

    shape = model.shape
    radial, angular = (k + 1 for k in shape.basis_size)
    parts = torch.tensor([[radial, 0, 0], [angular, 1, shape.l_max]])
    values = torch.zeros(2, 2, 2, 3, dtype=torch.float64)
    values[..., 0] = cutoffs
    expansion = spherical_expansion.SphericalExpansion(
        parts, torch.zeros(2, 2, 2, dtype=torch.int64), values, 2, shape.n_features
    )
    vectors = environment.vectors.clone().requires_grad_()
    fingerprint = reference.forward(environment.with_vectors(vectors), expansion)
    numbers = torch.tensor([29, 47])[environment.species]
    energy = model.atomic_energies(fingerprint, numbers).sum()
    (slopes,) = torch.autograd.grad(energy, vectors)
    return float(energy.detach()), pair_jacobian.forces(environment, slopes).numpy()


def test_the_number_of_threads_changes_nothing():
    shape = Shape(("Cu", "Ag"), (2, 2), (3, 3), 3, ("222",), (5,))
    model = Nep(shape, dtype=torch.float32)
    model.randomize()
    cutoffs = torch.full((2, 2, 2), 4.5, dtype=torch.float64)
    geometry = Geometry.of(crystal(2), cutoffs, torch.float32)
    n_atoms = int(geometry.sizes.sum())
    arrays = (model.q_scaler.numpy(), np.zeros((n_atoms, 3)), np.ones(n_atoms))
    members = model.vector().numpy()[None] * np.linspace(0.5, 1, 11)[:, None]
    found = [
        Population(population_shape(shape), geometry, *arrays, threads=n).evaluate(members)
        for n in (1, 3)
    ]
    np.testing.assert_array_equal(found[0].energies, found[1].energies)
    np.testing.assert_array_equal(found[0].force_errors, found[1].force_errors)


def test_another_number_of_parameters_is_refused():
    shape = Shape(("Cu", "Ag"), (2, 2), (3, 3), 3, ("222",), (5,))
    geometry = Geometry.of(crystal(2), torch.full((2, 2, 2), 4.0).double(), torch.float64)
    n_atoms = int(geometry.sizes.sum())
    kernel = Population(
        population_shape(shape),
        geometry,
        np.ones(shape.n_descriptors),
        np.zeros((n_atoms, 3)),
        np.ones(n_atoms),
    )
    with pytest.raises(ValueError, match=rf"members: expected \[P, {Nep(shape).num_params}\]"):
        kernel.evaluate(np.zeros((2, 7)))
