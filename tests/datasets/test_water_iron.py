"""The committed sample of water on iron and the parts of its generator that need no LAMMPS."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import datasets.water_iron as water_iron
from datasets.water_iron import conditions, trajectory
from datasets.water_iron.conditions import SYSTEMS, draw_conditions
from datasets.water_iron.reaxff import ELEMENTS, charge_parameters
from datasets.water_iron.structure import build_structure
from datasets.water_iron.trajectory import ATTEMPTS, UnsoundFrame, check_frame, run_trajectory


@pytest.fixture(scope="module")
def sample():
    return water_iron.load()


def test_sample_has_the_documented_size(sample):
    sizes = [len(atoms) for atoms in sample]
    assert len(sample) == 400
    assert (min(sizes), max(sizes)) == (35, 164)
    assert 80 < np.mean(sizes) < 95
    assert water_iron.SAMPLE.stat().st_size <= 2_000_000


def test_sample_energies_and_forces_are_sound(sample):
    for atoms in sample:
        check_frame(atoms)
        assert atoms.get_forces().shape == (len(atoms), 3)
        assert -4.5 < atoms.get_potential_energy() / len(atoms) < -2.5
        assert np.abs(atoms.get_forces().sum(axis=0)).max() < 0.01


def test_sample_frames_are_periodic_iron_and_water(sample):
    for atoms in sample:
        symbols = list(atoms.symbols)
        assert atoms.pbc.all()
        assert symbols.count("H") == 2 * symbols.count("O") > 0
        assert set(symbols) == set(ELEMENTS)


def test_sample_groups_name_facet_coverage_and_temperature(sample):
    facets = set()
    for atoms in sample:
        facet, n_water, temperature = re.fullmatch(
            r"Fe(\d+)-(\d+)w-(\d+)K", atoms.info["group"]
        ).groups()
        assert int(n_water) == list(atoms.symbols).count("O")
        assert 300 <= int(temperature) <= 1500
        facets.add(facet)
    assert facets == {"100", "110"}


def test_neighbouring_frames_are_from_different_trajectories(sample):
    trajectories = [atoms.info["trajectory"] for atoms in sample]
    for start in range(0, 400, len(SYSTEMS)):
        assert sorted(trajectories[start : start + len(SYSTEMS)]) == list(range(len(SYSTEMS)))


def test_load_returns_the_first_frames(sample):
    first = water_iron.load(3)
    assert len(first) == 3
    assert first[2] == sample[2]


@pytest.mark.parametrize("n", [0, -1, 401])
def test_load_refuses_counts_the_sample_cannot_give(n):
    with pytest.raises(ValueError, match="n "):
        water_iron.load(n)


def test_split_deals_every_frame_once():
    frames = [Atoms("H", info={"number": i}) for i in range(10)]
    train, test = water_iron.split(frames, 3, seed=1)
    assert (len(train), len(test)) == (7, 3)
    assert sorted(atoms.info["number"] for atoms in train + test) == list(range(10))
    assert water_iron.split(frames, 3, seed=1) == (train, test)


@pytest.mark.parametrize("n_test", [0, 10])
def test_split_refuses_an_empty_part(n_test):
    with pytest.raises(ValueError, match="n_test"):
        water_iron.split([Atoms("H")] * 10, n_test)


def test_checksum_tells_a_changed_file(tmp_path):
    checksums = tmp_path / "SHA256SUMS"
    checksums.write_text(f"{'0' * 64}  data\n")
    data = tmp_path / "data"
    data.write_text("changed")
    with pytest.raises(ValueError, match="does not match"):
        water_iron.verify_checksum(data, checksums)
    with pytest.raises(ValueError, match="no checksum"):
        water_iron.verify_checksum(checksums, checksums)


def test_systems_span_the_wanted_sizes():
    sizes = [system.n_atoms for system in SYSTEMS]
    assert (min(sizes), max(sizes)) == (conditions.FEWEST_ATOMS, conditions.MOST_ATOMS)
    assert len(set(SYSTEMS)) == len(SYSTEMS)


def test_a_block_of_trajectories_visits_each_system_once():
    for block in range(2):
        start = block * len(SYSTEMS)
        drawn = {draw_conditions(5, start + i).system for i in range(len(SYSTEMS))}
        assert drawn == set(SYSTEMS)


def test_conditions_depend_on_seed_trajectory_and_attempt():
    first, again = draw_conditions(1, 2), draw_conditions(1, 2)
    assert first.group == again.group
    np.testing.assert_array_equal(first.strain, again.strain)
    for other in (draw_conditions(2, 2), draw_conditions(1, 3), draw_conditions(1, 2, attempt=1)):
        assert not np.array_equal(first.strain, other.strain)
    assert draw_conditions(1, 2, attempt=1).system == first.system


def test_strain_stays_within_its_limit_and_shears():
    strains = [draw_conditions(0, i).strain for i in range(200)]
    principal = np.linalg.eigvalsh(strains)
    assert np.abs(principal).max() <= conditions.LARGEST_STRAIN
    assert np.abs(principal).max() > 0.9 * conditions.LARGEST_STRAIN
    assert max(abs(strain[0, 1]) for strain in strains) > 0.02


@pytest.mark.parametrize("number", range(6))
def test_structure_has_the_system_in_a_cell_for_lammps(number):
    drawn = draw_conditions(3, number)
    atoms = build_structure(drawn)
    cell = atoms.cell.array
    assert len(atoms) == drawn.system.n_atoms
    assert atoms.pbc.all()
    assert cell[0, 1] == cell[0, 2] == cell[1, 2] == 0
    assert atoms.positions[:, 2].min() == pytest.approx(drawn.vacuum / 2)
    assert atoms.positions[:, 2].max() == pytest.approx(cell[2, 2] - drawn.vacuum / 2)
    assert build_structure(drawn) == atoms


def test_structure_carries_the_strain():
    drawn = draw_conditions(3, 0)
    cell = build_structure(drawn).cell.array[:2]
    n, m, _ = drawn.system.repeats
    across = {"100": 1.0, "110": np.sqrt(0.5)}[drawn.system.facet]
    unstrained = conditions.LATTICE_CONSTANT * np.diag([n, m * across, 0])[:2]
    expected = unstrained @ (np.eye(3) + drawn.strain)
    np.testing.assert_allclose(cell @ cell.T, expected @ expected.T, rtol=1e-5)


def test_water_starts_intact_and_apart():
    atoms = build_structure(draw_conditions(1, 3))
    iron = atoms.numbers == 26
    distances = atoms.get_all_distances(mic=True)
    assert distances[iron][:, ~iron].min() >= 2.0
    bonds = np.flatnonzero(atoms.numbers == 8)
    np.testing.assert_allclose([distances[i, i + 1] for i in bonds], 0.969, atol=0.001)


def frame_with(energy=-1.0, force=0.0, distance=1.0):
    atoms = Atoms("H2", [[1, 1, 1], [1, 1, 1 + distance]], cell=[5, 5, 5], pbc=True)
    forces = np.array([[0, 0, -force], [0, 0, force]])
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def test_a_sound_frame_passes():
    check_frame(frame_with(force=59.0, distance=0.7))


@pytest.mark.parametrize(
    "flaw", [{"energy": np.nan}, {"force": np.inf}, {"force": 61.0}, {"distance": 0.5}]
)
def test_an_unsound_frame_is_told(flaw):
    with pytest.raises(UnsoundFrame):
        check_frame(frame_with(**flaw))


def test_a_rejected_snapshot_starts_the_next_attempt(monkeypatch):
    def snapshots(drawn):
        if drawn.group != draw_conditions(1, 2, attempt=2).group:
            yield frame_with(energy=1.0)
            raise UnsoundFrame("too hot")
        while True:
            yield frame_with(energy=2.0)

    monkeypatch.setattr(trajectory, "snapshots", snapshots)
    frames = run_trajectory(1, 2, 4)
    assert [frame.get_potential_energy() for frame in frames] == [1.0, 1.0, 2.0, 2.0]
    assert [frame.info["rejected"] for frame in frames] == [0, 1, 1, 0]
    assert {frame.info["trajectory"] for frame in frames} == {2}


def test_a_trajectory_that_always_fails_says_why(monkeypatch):
    def snapshots(drawn):
        raise UnsoundFrame("too hot")

    monkeypatch.setattr(trajectory, "snapshots", snapshots)
    with pytest.raises(RuntimeError, match=f"failed {ATTEMPTS} times: too hot"):
        run_trajectory(1, 2, 1)


def test_charge_parameters_come_from_the_force_field():
    rows = []
    for number, element in enumerate(("C", "H", "O", "Fe"), start=1):
        rows += [f" {element} 1 1 1 1 1 0.{number} 1 1", f" 1 1 1 1 1 {number}.0 {number}0.0 1"]
    lines = [line.split() for line in charge_parameters("\n".join(rows)).splitlines()]
    scale = 23.02 * 14.4 / 332.06371
    assert [line[0] for line in lines] == ["1", "2", "3"]
    values = np.array([line[1:] for line in lines], dtype=float)
    expected = [[n * scale, 20 * n * scale, n / 10] for n in (4, 3, 2)]
    np.testing.assert_allclose(values, expected)
