"""Folders of n2p2: what n2p2 itself predicts with them, and potentials that go there and back."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
import pytest
import torch
from ase import Atoms

import amptorch
from amptorch import Potential
from amptorch.cli import main
from amptorch.data.n2p2 import write_n2p2_frames
from amptorch.data.reading import load_images
from amptorch.data.units import Units
from amptorch.potentials.networks.n2p2.functions import Function
from amptorch.preprocessing import AtomicCorrectionScaler
from amptorch.preprocessing.baselines import Sum
from amptorch.preprocessing.pair_baseline import ZBL

from ...made_potentials import GAUSSIAN, GAUSSIAN_G5, GMP, alloy_frames, trained
from ...systems import SHARED
from ...tolerances import GOLDEN_ENERGY, GOLDEN_FINGERPRINT, GOLDEN_FORCES, ROUND_TRIP

GOLDEN = SHARED / "golden" / "n2p2"
CASES = (
    [case["name"] for case in json.loads((GOLDEN / "index.json").read_text())]
    if (GOLDEN.is_dir())
    else []
)
REFUSED = "compact_20_to_25"
ATOMIC = {"length_unit": "Bohr", "energy_unit": "Hartree"}

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs shared/golden/n2p2")
pytestmark = [
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning"),
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.scaling.NotAdditiveWarning"),
]


def close(found: Any, wanted: Any, tolerance: float) -> None:
    """Relative to the largest number of all."""
    largest = max(np.abs(each).max() for each in wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * largest)


def in_order(potential: Potential, number: int) -> list[int]:
    """Columns of an element's functions in n2p2's order."""
    table = potential.descriptor.descriptor_setup[ase.data.chemical_symbols[number]]
    functions = [Function.of_row(row, Units()) for row in table]
    return sorted(range(len(functions)), key=functions.__getitem__)


def fingerprints(potential: Potential, image: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """G and scaled G as n2p2 has them: in its order, nan where an element has fewer."""
    found = potential.descriptor.fingerprints(potential.descriptor.environment(image))
    factors, shifts = potential.scalers["feature"].affine(torch.tensor(image.numbers))
    both = np.full((2, *found.shape), np.nan)
    for atom, number in enumerate(image.numbers):
        columns = in_order(potential, number)
        for to, values in zip(both, (found, found * factors + shifts), strict=True):
            to[atom, : len(columns)] = values[atom, columns]
    return both[0], both[1]


@pytest.mark.parametrize("name", [name for name in CASES if name != REFUSED])
@needs_golden
def test_what_n2p2_predicts(name: str) -> None:
    potential = amptorch.load(GOLDEN / name)
    images = load_images(GOLDEN / name / "input.data")
    found = potential.predict(images)
    with np.load(GOLDEN / name / "expected.npz") as wanted:
        count = sum(key.startswith("energy_") for key in wanted)
        assert count == len(images)

        def every(what: str) -> list[np.ndarray]:
            return [wanted[f"{what}_{index}"] for index in range(count)]

        close(found.energy, every("energy"), GOLDEN_ENERGY)
        close(found.forces, every("forces"), GOLDEN_FORCES)
        e0 = potential.scalers["baseline"].energies
        atomic = [
            energies - [e0[number] for number in image.numbers]
            for energies, image in zip(found.energies, images, strict=True)
        ]
        largest = max(np.abs(each).max() for each in (*every("energy"), *every("atomic_energy")))
        for one, other in zip(atomic, every("atomic_energy"), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=GOLDEN_ENERGY * largest)
        for image, unscaled in zip(images, every("G"), strict=True):
            largest = np.nanmax(np.abs(unscaled))
            np.testing.assert_allclose(
                fingerprints(potential, image)[0], unscaled, atol=GOLDEN_FINGERPRINT * largest
            )
        if (
            name != "cutoff_8"
        ):  # whose polynomial n2p2 sums up to a rounding of 1e-11 of its largest
            for image, scaled in zip(images, every("G_scaled"), strict=True):
                largest = np.nanmax(np.abs(scaled))
                np.testing.assert_allclose(
                    fingerprints(potential, image)[1], scaled, atol=GOLDEN_FINGERPRINT * largest
                )


@needs_golden
def test_compact_functions_are_refused_by_line() -> None:
    message = r"input.nn, line 11: symmetry functions of type 20 .* are not supported"
    with pytest.raises(ValueError, match=message):
        amptorch.load(GOLDEN / REFUSED)


@needs_golden
def test_pruned_settings(tmp_path: Path) -> None:
    """What ``nnp-prune`` comments out is not there, and ``scaling.data`` has it no more."""
    folder = shutil.copytree(GOLDEN / "cutoff_1", tmp_path / "pruned")
    shutil.copy(folder / "pruned_range_0.05.nn", folder / "input.nn")
    with pytest.raises(ValueError, match=r"scaling.data, line \d+: expected .* got"):
        amptorch.load(folder)


@needs_golden
def test_units() -> None:
    """A network in Bohr and Hartree gives eV and eV/Å, and frames are read in the same units."""
    folder = GOLDEN / "public_mlearn_si"
    images = load_images(folder / "input.data")
    for image in images:
        image.set_cell(image.cell * ase.units.Bohr, scale_atoms=True)
    found = amptorch.load(folder, **ATOMIC).predict(images)
    with np.load(folder / "expected.npz") as wanted:
        energies = [wanted[f"energy_{k}"] * ase.units.Hartree for k in range(2)]
        forces = [wanted[f"forces_{k}"] * ase.units.Hartree / ase.units.Bohr for k in range(2)]
    close(found.energy, energies, GOLDEN_ENERGY)
    close(found.forces, forces, GOLDEN_FORCES)


def assert_same(one: Potential, other: Potential, images: list[Atoms]) -> None:
    found, wanted = one.predict(images), other.predict(images)
    close(found.energy, wanted.energy, ROUND_TRIP)
    close(found.energies, wanted.energies, ROUND_TRIP)
    close(found.forces, wanted.forces, 10 * ROUND_TRIP)


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("three_elements_all_types", {}),
        ("weighted_12_13", {"length_unit": "nm"}),
        ("activation_e_t_out_s", {"energy_unit": "kcal/mol"}),
        ("normalised_atom_energy", ATOMIC),
        ("public_mlearn_si", ATOMIC),
        ("syntax", {}),
    ],
)
@needs_golden
def test_there_and_back(name: str, units: dict[str, str], tmp_path: Path) -> None:
    potential = amptorch.load(GOLDEN / name, **units)
    images = load_images(GOLDEN / name / "input.data")
    for image in images:
        factor = Units.of(**units).length
        image.set_cell(image.cell * factor, scale_atoms=False)
        image.positions *= factor
    potential.export(tmp_path / "again", "n2p2", **units)
    again = amptorch.load(tmp_path / "again", **units)
    assert_same(again, potential, images)
    again.save(tmp_path / "saved")
    assert_same(amptorch.load(tmp_path / "saved"), potential, images)


FRAMES = alloy_frames(5)
ADDITIVE = {"baseline": "linear", "target_scaling": "forces"}
UNEVEN = {
    "Pd": {**GAUSSIAN["default"], "cutoff": 4.5},
    "default": {"G2": {"etas": [0.05, 4.0], "rs_s": [0.0, 1.0]}, "cutoff": 5.5},
}
SHIFTED = {
    "default": {
        "G4": {"etas": [0.5], "zetas": [1.0, 2.5], "gammas": [1.0], "rs_s": [0.0, 1.5]},
        "G5": {"etas": [0.05], "zetas": [1.0], "gammas": [-1.0], "rs_s": [1.0]},
        "cutoff": 5.0,
    }
}
WEIGHTED = {
    "default": {
        name: {**functions, "weighted": True} if name != "cutoff" else functions
        for name, functions in GAUSSIAN["default"].items()
    }
}
MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "a mixed mask": {},
    "one network": {"model": {"name": "singlenn", "activation": torch.nn.Softplus}},
    "batch normalization": {"model": {"batchnorm": True, "dropout": True}},
    "no hidden layers": {"model": {"num_layers": 0}},
    "one scale for all": {"dataset": {"scaling": {"type": "standardize", "elementwise": False}}},
    "uneven, of several cutoffs": {"dataset": {"fp_params": UNEVEN}},
    "uneven, one network": {"dataset": {"fp_params": UNEVEN}, "model": {"name": "singlenn"}},
    "g5": {"dataset": {"fp_params": GAUSSIAN_G5}},
    "weighted": {"dataset": {"fp_params": WEIGHTED}},
    "polynomial": {"dataset": {"cutoff_params": {"cutoff_func": "Polynomial", "gamma": 2.0}}},
    "shifted, exp": {
        "dataset": {
            "fp_params": SHIFTED,
            "cutoff_params": {"cutoff_func": "exp", "alpha": 0.2},
        }
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_a_trained_potential_there_and_back(name: str, run_dir: Path) -> None:
    """With its element mask, which mixes networks once it is trained."""
    sections = {**MODELS[name], "optim": {"epochs": 2}}
    sections["dataset"] = {**ADDITIVE, **sections.get("dataset", {})}
    potential = trained(FRAMES, run_dir, **sections).potential
    if potential.model.arguments["elements"] and name == "a mixed mask":
        weights = potential.model.element_mask.mask.weight[[29, 46]]
        assert (weights[[0, 1], [1, 0]] != 0).all()
    potential.export(run_dir / "n2p2", "n2p2", **ATOMIC)
    again = amptorch.load(run_dir / "n2p2", **ATOMIC)
    assert_same(again, potential, alloy_frames(3, seed=7))


def test_a_mean_of_frames(run_dir: Path, capsys) -> None:
    trainer = trained(FRAMES, run_dir)
    command = ["export", str(trainer.cp_dir), "--to", "n2p2", "out"]
    assert main(command) == 1
    assert "expected frame_size" in capsys.readouterr().err
    assert main([*command, "--frame-size", "4", "--length-unit", "bohr"]) == 0
    assert "out: n2p2, in bohr and eV" in capsys.readouterr().out
    again = amptorch.load("out", length_unit="Bohr")
    assert_same(again, trainer.potential, FRAMES)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"model": {"activation": torch.nn.SiLU}},
            "activation SiLU cannot be exported: n2p2 has Identity, Tanh",
        ),
        (
            {"dataset": {"cutoff_params": {"cutoff_func": "Polynomial", "gamma": 3.0}}},
            "exported with gamma 2 only, got 3",
        ),
        (
            {
                "dataset": {
                    "fp_params": {
                        "default": {
                            **WEIGHTED["default"],
                            "G5": {**GAUSSIAN_G5["default"]["G5"], "weighted": True},
                        }
                    }
                }
            },
            "element-weighted G5 cannot be exported",
        ),
        (
            {"dataset": {"fp_scheme": "gmp", "fp_params": GMP}},
            "n2p2 has symmetry functions, expected a potential of them, got GMP",
        ),
    ],
)
def test_what_cannot_be_exported(sections, message, run_dir: Path) -> None:
    sections = {**sections, "dataset": {**ADDITIVE, **sections.get("dataset", {})}}
    potential = trained(FRAMES, run_dir, optim={"epochs": 1}, **sections).potential
    with pytest.raises(ValueError, match=message):
        potential.export("out", "n2p2")
    assert not Path("out").exists()
    with pytest.raises(ValueError, match=r"unknown format 'n2p'.*did you mean 'n2p2'"):
        potential.export("out", "n2p")


def test_given_baselines(run_dir: Path) -> None:
    """Energies of elements are those of atoms; others are refused."""
    potential = trained(FRAMES, run_dir, dataset=ADDITIVE).potential
    given = AtomicCorrectionScaler.from_settings({"Cu": -3.5, "Pd": 0.25})
    for name, kind in (("one", given), ("two", Sum([given, given]))):
        both = replace(potential, scalers={**potential.scalers, "fixed": kind})
        both.export(name, "n2p2")
        assert_same(amptorch.load(name), both, FRAMES)
    other = replace(potential, scalers={**potential.scalers, "fixed": Sum([given, ZBL()])})
    with pytest.raises(
        ValueError, match="n2p2 has energies of atoms alone, got the baseline 'zbl'"
    ):
        other.export("out", "n2p2")


def test_units_are_not_for_what_has_its_own(run_dir: Path) -> None:
    trained(FRAMES, run_dir, dataset=ADDITIVE).potential.save("saved")
    with pytest.raises(ValueError, match="length_unit, energy_unit: a saved potential is in Å"):
        amptorch.load("saved", energy_unit="Hartree")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a person could have written."""
    files = {
        "input.nn": [
            "number_of_elements 1",
            "elements H",
            "cutoff_type 1",
            "scale_symmetry_functions",
            "global_hidden_layers_short 1",
            "global_nodes_short 2",
            "global_activation_short t l",
            "symfunction_short H 2 H 0.5 0.0 6.0",
            "symfunction_short H 2 H 0.1 0.0 6.0",
        ],
        "scaling.data": ["1 1 0.0 2.0 1.0 0.5", "1 2 0.0 4.0 1.0 0.5"],
        "weights.001.data": ["1.0", "0.0", "0.0", "1.0", "0.0", "0.5", "2.0", "3.0", "0.25"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_network_by_hand(folder: Path) -> None:
    """Two neurons, each of one function of a dimer; the functions stand in the file out of order."""
    r = 1.5
    inside = (1 + np.cos(np.pi * r / 6)) / 2
    wide, narrow = (np.exp(-eta * r**2) * inside for eta in (0.1, 0.5))
    atom = 2 * np.tanh(wide / 2) + 3 * np.tanh(narrow / 4 + 0.5) + 0.25
    found = amptorch.load(folder).predict([Atoms("H2", [(0, 0, 0), (0, 0, r)])])
    assert found.energy[0] == pytest.approx(2 * atom, rel=1e-14)


def test_an_activation_of_the_output_is_not_left_out(folder: Path) -> None:
    dimer = [Atoms("H2", [(0, 0, 0), (0, 0, 1.5)])]
    linear = amptorch.load(folder).predict(dimer).energies[0]
    text = (folder / "input.nn").read_text().replace("short t l", "short t t")
    (folder / "input.nn").write_text(text)
    found = amptorch.load(folder).predict(dimer).energies[0]
    np.testing.assert_allclose(found, np.tanh(linear), rtol=1e-14)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("input.nn", "elements H\n", "elements H H\n", "line 2: expected distinct elements"),
        ("input.nn", "elements H\n", "elements H O\n", "line 1: expected 2, the number of"),
        ("input.nn", "elements H\n", "elements Hx\n", "line 2: expected distinct elements"),
        ("input.nn", "cutoff_type 1", "", "the keyword cutoff_type is missing"),
        ("input.nn", "cutoff_type 1", "cutoff_type 9", "line 3: expected a type from 0 to 8"),
        ("input.nn", "cutoff_type 1", "cutoff_type 1 1.5", "alpha in"),
        ("input.nn", "cutoff_type 1", "cutoff_type 1\ncutoff_type 2", "line 4: cutoff_type stands"),
        ("input.nn", "cutoff_type 1", "nnp_type 4G-HDNNP", "line 3: expected nnp_type 2G-HDNNP"),
        ("input.nn", "H 2 H 0.5", "H 4 H 0.5", "line 8: expected a symmetry function of type 2, 3"),
        ("input.nn", "H 2 H 0.5", "H 2 O 0.5", "line 8: element 'O' is not one of H"),
        ("input.nn", "0.5 0.0 6.0", "x 0.0 6.0", "line 8: expected a number, got 'x'"),
        ("input.nn", "0.5 0.0 6.0", "0.5 0.0", "line 8: symfunction_short needs 6 arguments"),
        ("input.nn", "0.5 0.0 6.0", "0.5 0.0 -6", "line 8: expected a cutoff > 0 and eta"),
        ("input.nn", "2 H 0.5 0.0", "3 H H 0.5 1 0.5", "line 8: expected zeta >= 1"),
        ("input.nn", "2 H 0.5 0.0", "2 H 0.1 0.0", "line 9: the same function as .*line 8"),
        ("input.nn", "t l", "t q", "line 7: expected activations of l t s"),
        ("input.nn", "t l", "t", "line 7: global_activation_short needs 2 arguments"),
        ("input.nn", "symfunction_short H 2 H 0.1", "symfunction H 2 H 0.1", "mean the same"),
        ("input.nn", "global_nodes", "element_nodes_short H 2\nglobal_nodes", "is not supported"),
        ("input.nn", "cutoff_type", "atom_energy O 1\ncutoff_type", "line 3: 'O' is not one of H"),
        ("scaling.data", "1 2 ", "1 3 ", "line 2: expected element 1, function 2"),
        ("scaling.data", "1 2 0.0 4.0 1.0 0.5\n", "", "expected 2 functions, got 1"),
        ("scaling.data", "4.0 1.0 0.5\n", "4.0 1.0 0.5\n1 3 0 1 2 3\n", "line 3: expected no more"),
        ("scaling.data", "0.0 4.0", "4.0 4.0", "function 2 of H has no spread"),
        ("scaling.data", "0.0 4.0", "zero 4.0", "line 2: expected two indices and numbers"),
        ("weights.001.data", "0.25\n", "", "expected 9 weights and biases .* got 8"),
        ("weights.001.data", "0.25", "y", "line 9: expected a number, got 'y'"),
    ],
)
def test_files_that_are_refused(folder: Path, file, old, new, message) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        amptorch.load(folder)


def test_a_file_that_is_missing(folder: Path) -> None:
    (folder / "weights.001.data").unlink()
    with pytest.raises(FileNotFoundError, match=r"no weights\.001\.data"):
        amptorch.load(folder)


def test_training_on_frames_in_other_units(run_dir: Path) -> None:
    """The same run, whatever the units of the file."""
    write_n2p2_frames("input.data", FRAMES, **ATOMIC)
    dataset = {**ADDITIVE, "raw_data": "input.data", **ATOMIC}
    one = trained(FRAMES, run_dir, dataset=ADDITIVE).potential
    other = trained(FRAMES, run_dir, dataset=dataset).potential
    assert_same(other, one, FRAMES)


@pytest.mark.skipif(not (SHARED / "data" / "water_iron").is_dir(), reason="needs shared/data")
def test_water_on_iron(run_dir: Path) -> None:
    frames = load_images(SHARED / "data" / "water_iron" / "train.traj")[:3]
    dataset = {"fp_params": {"auto": {"size": "small"}}, "scaling": {"type": "standardize"}}
    model = {"hidden_layers": [12, 12]}
    trainer = trained(
        frames, run_dir, dataset={**ADDITIVE, **dataset}, model=model, optim={"epochs": 2}
    )
    trainer.potential.export("out", "n2p2", **ATOMIC)
    assert_same(amptorch.load("out", **ATOMIC), trainer.potential, frames)
