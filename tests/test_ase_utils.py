"""The ASE calculator: relaxation, dynamics, stress, and what it warns of."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

from amptorch import AmpTorch, Potential
from amptorch.ase_utils import AMPtorch
from amptorch.preprocessing import ExtrapolationWarning

from .made_potentials import SCHEMES, alloy_frames, cuco_frames, trained

FRAMES = alloy_frames(10)


@pytest.fixture(scope="module", params=["gaussian_cosine", "gmpordernorm"])
def trainer(request, tmp_path_factory):
    scheme, fp_params, cutoff_params = SCHEMES[request.param]
    dataset = {"fp_scheme": scheme, "fp_params": fp_params, "cutoff_params": cutoff_params}
    folder = tmp_path_factory.mktemp("trained")
    return trained(FRAMES, folder, dataset=dataset, optim={"epochs": 60, "force_coefficient": 0.3})


def warm_up(image: Atoms) -> None:
    """Momenta of 300 K."""
    width = np.sqrt(image.get_masses() * units.kB * 300)
    image.set_momenta(np.random.default_rng(0).normal(size=(len(image), 3)) * width[:, None])


@pytest.mark.parametrize("calculator", [AmpTorch, AMPtorch])
def test_results_are_the_predictions(trainer, calculator):
    predicted = trainer.predict(FRAMES[:2])
    for k in range(2):
        image = FRAMES[k].copy()
        image.calc = calculator(trainer)
        assert image.get_potential_energy() == pytest.approx(predicted["energy"][k], abs=1e-10)
        np.testing.assert_allclose(image.get_forces(), predicted["forces"][k], atol=1e-10)
        np.testing.assert_allclose(image.get_stress(), predicted["stress"][k], atol=1e-12)


def test_results_are_kept_until_something_moves(trainer, monkeypatch):
    image = FRAMES[0].copy()
    image.calc = trainer.get_calc()
    calls = []
    evaluate = Potential.evaluate
    monkeypatch.setattr(Potential, "evaluate", lambda *a, **k: calls.append(1) or evaluate(*a, **k))
    image.get_potential_energy()
    image.get_forces()
    image.get_stress()
    assert len(calls) == 1
    image.positions[0, 0] += 0.01
    image.get_forces()
    assert len(calls) == 2


@pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")
def test_dynamics_conserve_energy(trainer):
    """The drift over 60 fs is far below the kinetic energy that is exchanged."""
    image = FRAMES[0].copy()
    image.calc = AmpTorch(trainer)
    warm_up(image)
    dynamics = VelocityVerlet(image, timestep=0.5 * units.fs)
    total, kinetic = [], []
    for _ in range(40):
        dynamics.run(3)
        total.append(image.get_total_energy())
        kinetic.append(image.get_kinetic_energy())
    assert np.ptp(kinetic) > 0.02
    assert np.ptp(total) < 0.03 * np.ptp(kinetic)


@pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")
def test_the_error_of_dynamics_goes_with_the_square_of_the_step(trainer):
    """As it does for forces that are the slope of the energy, and only for those."""
    spread = []
    for step in (0.5, 0.25):
        image = FRAMES[0].copy()
        image.calc = AmpTorch(trainer)
        warm_up(image)
        dynamics = VelocityVerlet(image, timestep=step * units.fs)
        energies = []
        for _ in range(int(20 / step)):
            dynamics.run(1)
            energies.append(image.get_total_energy())
        spread.append(np.ptp(energies))
    assert 3.0 < spread[0] / spread[1] < 5.0


@pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")
def test_relaxation_of_a_cell_uses_the_stress(trainer):
    image = FRAMES[1].copy()
    image.calc = AmpTorch(trainer)
    before, stress = image.get_potential_energy(), np.abs(image.get_stress()).max()
    BFGS(FrechetCellFilter(image), logfile=None).run(fmax=0.02, steps=15)
    assert image.get_potential_energy() < before
    assert np.abs(image.get_stress()).max() < stress


def test_no_stress_without_a_cell(tmp_path):
    frames = cuco_frames(4)
    trainer = trained(frames, tmp_path)
    image = frames[1].copy()
    image.set_cell(None)
    image.pbc = False
    image.positions -= [[0, 0, 0]] * 3
    image.calc = trainer.get_calc()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        image.get_forces()
        with pytest.raises(PropertyNotImplementedError):
            image.get_stress()


def test_a_model_without_forces_says_so(tmp_path):
    sections = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}}
    trainer = trained(FRAMES, tmp_path, **sections)
    image = FRAMES[0].copy()
    image.calc = trainer.get_calc()
    assert np.isfinite(image.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError, match="trained with get_forces False"):
        image.get_forces()


def test_extrapolation_warns_once_and_counts(trainer):
    calculator = AmpTorch(trainer)
    image = FRAMES[0].copy()
    image.calc = calculator
    image.get_potential_energy()
    assert calculator.n_outside == 0
    image.set_cell(image.cell * 0.9, scale_atoms=True)
    with pytest.warns(ExtrapolationWarning, match="4 atoms in 1 of 1 images"):
        image.get_potential_energy()
    image.positions[0, 0] += 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image.get_potential_energy()
    assert calculator.n_outside == 8


def strained_walk(image: Atoms, steps: int = 12):
    """States of a system that shakes in a cell that breathes, shears, and once is another."""
    random = np.random.default_rng(2)
    for step in range(steps):
        strain = np.eye(3) + random.normal(0.0, 0.01, (3, 3))
        image.set_cell(image.cell.array @ strain, scale_atoms=True)
        image.positions += random.normal(0.0, 0.05, (len(image), 3))
        if step == steps // 2:
            image.wrap()
            image.numbers[:] = image.numbers[::-1].copy()
        yield image


@pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")
def test_neighbours_that_are_kept_give_what_new_ones_give(trainer):
    kept, anew = FRAMES[0].copy(), FRAMES[0].copy()
    kept.calc, anew.calc = AmpTorch(trainer, skin=0.8), AmpTorch(trainer, skin=0)
    for one, other in zip(strained_walk(kept), strained_walk(anew), strict=True):
        assert one.get_potential_energy() == pytest.approx(other.get_potential_energy(), abs=1e-11)
        np.testing.assert_allclose(one.get_forces(), other.get_forces(), atol=1e-10)
        np.testing.assert_allclose(one.get_stress(), other.get_stress(), atol=1e-12)
    assert 1 < kept.calc._neighbors.n_built < 12
    assert anew.calc._neighbors.n_built == 0


def test_a_calculator_may_change_its_atoms(trainer):
    calculator = AmpTorch(trainer)
    images = [*FRAMES[:3], FRAMES[0].repeat((2, 1, 1))]
    for image, energy in zip(images, trainer.predict(images)["energy"], strict=True):
        assert calculator.get_potential_energy(image) == pytest.approx(energy, abs=1e-10)


@pytest.mark.parametrize("skin", [-0.1, float("inf"), float("nan")])
def test_a_skin_is_a_length(trainer, skin):
    with pytest.raises(ValueError, match="skin: expected a length >= 0"):
        AmpTorch(trainer, skin=skin)
