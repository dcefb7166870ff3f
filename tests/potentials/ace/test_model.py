"""ACE: the compiled kernels against plain torch, finite differences and symmetry, and linear fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from scipy.spatial.transform import Rotation

import amptorch
from amptorch import AtomsTrainer
from amptorch.data.frame import collate
from amptorch.descriptor import Ace
from amptorch.kernels.product_graph import ProductGraph
from amptorch.potentials.ace.embeddings import KINDS
from amptorch.potentials.ace.settings import AceSettings
from amptorch.potentials.model import LinearModel
from amptorch.preprocessing import AtomsToData

from ...ace import BONDS, potential_of
from ...kernels.finite_differences import STEP
from ...tolerances import FINITE_DIFFERENCE, KERNEL, SYMMETRY

# Batches with fewer atoms of an element than vectors have lanes, and with more.
COPIES = (1, 5)
# Of the core repulsion, so that atoms of "core" are inside its step.
IN_CORE = {"core_cutoff": 2.0, "core_width": 1.9}


def salt() -> Atoms:
    frame = bulk("NaCl", "rocksalt", a=4.6, cubic=True)
    frame.rattle(0.15, seed=2)
    return frame


def batch_of(descriptor, frames):
    converter = AtomsToData(descriptor, fprimes=True, derivatives="on_the_fly")
    return collate(converter.convert_all(frames, True))


@pytest.mark.parametrize(
    ("name", "bonds"),
    [*(("ace", each) for each in BONDS), ("linear_ace", "plain"), ("linear_ace", "core")],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("copies", COPIES)
def test_the_kernel_is_the_model_in_torch(bonds, name, dtype, copies):
    potential = potential_of(BONDS[bonds], name, dtype=dtype)
    batch = batch_of(potential.descriptor, copies * [salt(), salt()[:5]]).to(dtype)
    with torch.no_grad():
        energies, slopes = potential.model.atomic_energies_and_gradient(batch, True)
    expected, gradient = potential.model.by_autograd(batch.fingerprint, batch.atomic_numbers, True)
    # Without a repulsion its columns are constants.
    last = -2 if bonds == "plain" else None
    for found, exact in ((energies, expected), (slopes[:, :last], gradient[:, :last])):
        assert found.dtype == dtype
        assert (found - exact).abs().max() <= 10 * KERNEL[dtype] * exact.abs().max()


@pytest.mark.parametrize("bonds", BONDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copies", COPIES)
def test_gradients_in_parameters_are_those_of_autograd(bonds, dtype, kind, copies):
    potential = potential_of(BONDS[bonds], dtype=dtype)
    own = potential.model.expansion.embeddings
    own[:] = [replace(each, kind=kind, **IN_CORE) for each in own]
    frames = copies * [salt(), salt()[:5]]
    model, batch = potential.model, batch_of(potential.descriptor, frames).to(dtype)
    generator = torch.Generator().manual_seed(5)
    weights, changes = (
        torch.randn(size, generator=generator).to(dtype)
        for size in (batch.num_nodes, batch.fingerprint.shape)
    )
    compiled = model.atomic_energies_and_gradient(batch, True)
    plain = model.by_autograd(batch.fingerprint, batch.atomic_numbers, True)
    found, expected = (
        torch.autograd.grad((weights * energies).sum() + (changes * slopes).sum(), parameters)
        for (energies, slopes), parameters in (
            (each, [*model.parameters()]) for each in (compiled, plain)
        )
    )
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= 10 * KERNEL[dtype] * other.abs().max()


@pytest.mark.parametrize("bonds", BONDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_pairs_have_the_gradients_that_moving_pairs_have(bonds, dtype):
    """Where vectors are constants rows of slopes are read as they lie."""
    descriptor = potential_of(BONDS[bonds]).descriptor
    constant = descriptor.environment(salt()).to(dtype)
    moving = constant.with_vectors(constant.vectors.clone().requires_grad_())
    generator = torch.Generator().manual_seed(3)
    slopes, again = (
        torch.randn(constant.n_atoms, descriptor.n_features, generator=generator).to(dtype)
        for _ in range(2)
    )
    slopes.requires_grad_()
    changes = torch.randn(constant.vectors.shape, generator=generator).to(dtype).requires_grad_()
    results = []
    for environment in (constant, moving):
        pairs = descriptor.vjp(environment, slopes)
        (once,) = torch.autograd.grad(pairs, slopes, changes, retain_graph=True)
        (kept,) = torch.autograd.grad(pairs, slopes, changes, create_graph=True)
        (twice,) = torch.autograd.grad(kept, changes, again)
        results.append((pairs, once, kept, twice))
    for one, other in zip(*results, strict=True):
        assert (one - other).abs().max() <= 10 * KERNEL[dtype] * other.abs().max()


@pytest.mark.parametrize("bonds", BONDS)
def test_forces_and_stresses_are_derivatives(bonds):
    potential, frame = potential_of(BONDS[bonds]), salt()
    found = potential.predict([frame])
    moved = []
    for sign in (1, -1):
        for atom, axis in ((0, 0), (5, 2)):
            other = frame.copy()
            other.positions[atom, axis] += sign * STEP
            moved.append(other)
        strained = frame.copy()
        strain = np.eye(3)
        strain[0, 1] = sign * STEP
        strained.set_cell(frame.cell.array @ strain, scale_atoms=True)
        moved.append(strained)
    energies = np.array(potential.predict(moved).energy)
    slopes = (energies[:3] - energies[3:]) / (2 * STEP)
    forces = found.forces[0]
    expected = [-forces[0, 0], -forces[5, 2], found.stress[0][5] * frame.get_volume()]
    scale = max(np.abs(forces).max(), np.abs(slopes).max())
    np.testing.assert_allclose(slopes, expected, rtol=0, atol=10 * FINITE_DIFFERENCE * scale)


def test_rotations_inversion_and_permutations_change_nothing():
    potential, frame = potential_of(BONDS["core"]), salt()
    turn = Rotation.random(random_state=1).as_matrix()
    order = np.random.default_rng(1).permutation(len(frame))
    others = []
    for matrix in (turn, -turn):
        other = frame[order]
        other.set_cell(frame.cell.array @ matrix.T)
        other.positions = frame.positions[order] @ matrix.T
        others.append(other)
    one = potential.predict([frame])
    for matrix, other in zip((turn, -turn), others, strict=True):
        found = potential.predict([other])
        scale = np.abs(one.forces[0]).max()
        assert abs(found.energy[0] - one.energy[0]) <= SYMMETRY * np.abs(one.energies[0]).sum() * 10
        expected = one.forces[0][order] @ matrix.T
        np.testing.assert_allclose(found.forces[0], expected, rtol=0, atol=100 * SYMMETRY * scale)


@pytest.mark.parametrize("bonds", ["plain", "inner"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("powers", "highest"), [(None, 2), ((-0.5, 1.0, 0.1), 5)])
def test_rows_are_what_each_coefficient_alone_gives(bonds, dtype, powers, highest):
    own = {"l_max": 5, **BONDS[bonds]}
    potential = potential_of(own, "linear_ace", dtype=dtype, powers=powers)
    assert potential.model.expansion.l_max == highest
    batch = batch_of(potential.descriptor, [salt(), salt()[:5]]).to(dtype)
    found = potential.model.rows(batch)
    expected = LinearModel.rows(potential.model, batch)
    for name in ("energies", "forces", "virials"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one - other).abs().max() <= KERNEL[dtype] * other.abs().max()
    assert potential.model.rows(batch, forces=False).forces is None
    without = potential.model.rows(batch, virials=False)
    assert without.virials is None
    assert torch.equal(without.forces, found.forces)


@pytest.mark.parametrize("bonds", ["plain", "core"])
def test_a_linear_fit_finds_the_potential_that_made_the_data(bonds, tmp_path):
    frames = []
    for seed in range(12):
        frame = bulk("Si", cubic=True)
        frame.rattle(0.3, seed=seed)
        frames.append(frame)
    truth = potential_of(BONDS[bonds], "linear_ace", elements=("Si",), functions=12)
    found = truth.predict(frames)
    for k, frame in enumerate(frames):
        values = {name: getattr(found, name)[k] for name in ("energy", "forces", "stress")}
        frame.calc = SinglePointCalculator(frame, **values)
    config = {
        "model": {"name": "linear_ace", "functions": 12},
        "optim": {"fit": "least_squares", "solver": "svd", "weights": {"stress": 1.0}},
        "dataset": {
            "raw_data": frames,
            "fp_scheme": "ace",
            "fp_params": truth.descriptor.fp_params,
            "elements": ["Si"],
            "baseline": "linear",
            "target_scaling": {"plain": "forces", "core": "none"}[bonds],
            "save_fps": False,
        },
        "cmd": {"run_dir": str(tmp_path), "verbose": False, "dtype": "torch.DoubleTensor"},
    }
    trainer = AtomsTrainer(config)
    trainer.train()
    again = trainer.potential.predict(frames)
    np.testing.assert_allclose(again.forces[0], found.forces[0], atol=1e-7)
    trainer.potential.export(tmp_path / "si.yace", "yace")
    exported = amptorch.load(tmp_path / "si.yace").predict(frames[:1])
    assert exported.energy[0] == pytest.approx(again.energy[0], abs=1e-9)
    np.testing.assert_allclose(exported.forces[0], again.forces[0], atol=1e-9)


def test_rows_of_scaled_fingerprints_are_refused():
    potential = potential_of({}, "linear_ace")
    batch = batch_of(potential.descriptor, [salt()])
    batch.primes = batch.primes.scaled(torch.full_like(batch.fingerprint, 2.0))
    with pytest.raises(ValueError, match="not scaled"):
        potential.model.rows(batch)


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="functions"):
        AceSettings(functions=0)
    with pytest.raises(ValueError, match="densities"):
        AceSettings(densities=(-1.0,))
    with pytest.raises(ValueError, match="n_radial >= 8"):
        potential_of({"n_radial": 2}, functions=60)
    with pytest.raises(ValueError, match="radial"):
        Ace({"cutoff": 4.0, "radial": "bessel"}, ["Si"])
    with pytest.raises(ValueError, match="not linear"):
        potential_of(BONDS["zbl"], "linear_ace")
    with pytest.raises(ValueError, match="not here"):
        Ace({"cutoff": 4.0, "bonds": {"Si-O": {"cutoff": 3.0}}}, ["Si"])


def test_a_graph_multiplies_out_to_its_products():
    leaves = [1.0, 2.0, 3.0, 5.0, 7.0]
    wanted = [(1,), (1, 1), (1, 2), (2, 3, 4), (1, 1, 2), (1, 1, 2, 2), (1, 2, 3, 4), (1,) * 6]
    graph = ProductGraph(len(leaves))
    graph.add_all(wanted)
    values = list(leaves)
    for left, right in graph.nodes:
        values.append(values[left] * values[right])
    found = [values[left] * values[right] for left, right in graph.terms]
    assert found == [float(np.prod([leaves[k] for k in each])) for each in wanted]
