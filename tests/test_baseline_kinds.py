"""ZBL, calculators of ASE and other potentials as baselines, from what a user writes."""

from __future__ import annotations

import pickle
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

import amptorch
from amptorch import AmpTorch, AtomsTrainer
from amptorch.cli import main
from amptorch.data.baseline import Baseline, content_key
from amptorch.data.targets import TargetReader
from amptorch.preprocessing import calculator_baseline
from amptorch.preprocessing.baselines import Wanted, from_state, to_state
from amptorch.store import build_store

from .made_potentials import COSINE, GAUSSIAN, alloy_frames, config, trained
from .snap import Golden, golden_cases
from .systems import SHARED, SYSTEMS
from .tolerances import FINITE_DIFFERENCE, GOLDEN_FINGERPRINT

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

CURVES = SHARED / "golden" / "snap" / "zbl_curves.npz"
ZBL = {"zbl": {"inner": 1.5, "outer": 3.6}}
ENDS = {
    "zbl": {"zbl": {"inner": 1.4, "outer": 3.3}},
    "nep_zbl": {"nep_zbl": {"inner": 1.4, "outer": 3.3}},
    "nep_zbl by type": {"nep_zbl": {"outer": 3.3, "share": 1.2}},
}
LJ = {"calculator": {"make": "ase.calculators.lj:LennardJones", "sigma": 2.3, "epsilon": 0.03}}


def with_stress(image: Atoms) -> Atoms:
    """The image with energy, forces and stress of EMT, as numbers."""
    image.calc = EMT()
    results = {
        name: image.calc.get_property(name, image) for name in ("energy", "forces", "stress")
    }
    image.calc = SinglePointCalculator(image, **results)
    return image


FRAMES = [with_stress(image) for image in alloy_frames(4)]


def fixed(setting: object) -> Baseline:
    found = Wanted.of(setting).fixed
    assert found is not None
    return found


def linear(
    frames: Any, folder: Path, baseline: object, stress: bool = True, **dataset: Any
) -> AtomsTrainer:
    """A linear potential fitted to frames above a baseline."""
    made = config(frames, folder, dataset={"baseline": baseline, **dataset})
    made["model"], made["optim"] = {"name": "linear"}, {"weights": {"stress": float(stress)}}
    trainer = AtomsTrainer(made)
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run that others build on."""
    run = linear(FRAMES, tmp_path_factory.mktemp("first"), [ZBL, "linear"])
    return Path(run.cp_dir)


@pytest.fixture(params=["zbl", "nep_zbl", "calculator", "potential", "sum"])
def setting(request, folder) -> Any:
    if request.param == "nep_zbl":
        return {"nep_zbl": 3.6}
    kinds = {"zbl": ZBL, "calculator": LJ, "potential": {"potential": str(folder)}}
    return kinds.get(request.param) or ["linear", *kinds.values()]


def labelled(kind: Baseline, images: list[Atoms]) -> list[Atoms]:
    """Images whose energies, forces and stresses are a baseline's."""
    found, made = kind.evaluate(images), []
    for k, image in enumerate(images):
        stress = full_3x3_to_voigt_6_stress(found.virials[k] / image.get_volume())
        results = {"energy": found.energy[k], "forces": found.forces[k], "stress": stress}
        made.append(image.copy())
        made[-1].calc = SinglePointCalculator(made[-1], **results)
    return made


@pytest.mark.skipif(not CURVES.exists(), reason=f"needs {CURVES.relative_to(SHARED.parent)}")
def test_zbl_is_that_of_lammps():
    with np.load(CURVES) as arrays:
        r, sets = arrays["r"], arrays["sets"]
        energies, forces = arrays["energy"], arrays["force"]
    for (one, other, inner, outer), energy, force in zip(sets, energies, forces, strict=True):
        pairs = [Atoms([int(one), int(other)], [(0, 0, 0), (0, 0, x)]) for x in r]
        found = fixed({"zbl": {"inner": inner, "outer": outer}}).evaluate(pairs)
        np.testing.assert_allclose(found.energy, energy, rtol=1e-12, atol=1e-12)
        on_second = np.array([each[1, 2] for each in found.forces])
        np.testing.assert_allclose(on_second, force, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("golden", golden_cases())
def test_zbl_of_a_frame_is_that_of_lammps(golden: Golden):
    arrays = golden.arrays
    if "zbl_inner_outer" not in arrays:
        return
    inner, outer = arrays["zbl_inner_outer"].tolist()
    found = fixed({"zbl": {"inner": inner, "outer": outer}}).evaluate([golden.atoms])
    for ours, name, sign in (
        (found.energy[0], "energy", 1),
        (found.forces[0], "forces", 1),
        (found.virials[0], "virial", -1),
    ):
        theirs = arrays[f"{name}_with_zbl"] - arrays[name]
        scale = np.abs(arrays[f"{name}_with_zbl"]).max()
        np.testing.assert_allclose(sign * ours, theirs, rtol=0, atol=GOLDEN_FINGERPRINT * scale)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_zbl_is_the_gradient_of_its_energy(name, end):
    image, kind = SYSTEMS[name](), fixed(ENDS[end])
    found = kind.evaluate([image])
    assert found.energies[0].sum() == pytest.approx(found.energy[0], rel=1e-14)
    random, step = np.random.default_rng(0), 1e-5
    way, strain = random.normal(size=(len(image), 3)), random.normal(size=(3, 3))
    moved, strained = [], []
    for sign in (1, -1):
        moved.append(image.copy())
        moved[-1].positions += sign * step * way
        strained.append(image.copy())
        turned = np.eye(3) + sign * step * strain
        strained[-1].set_cell(image.cell.array @ turned)
        strained[-1].positions = image.positions @ turned
    for images, slope in (
        (moved, -(found.forces[0] * way).sum()),
        (strained, (found.virials[0] * strain).sum()),
    ):
        up, down = kind.evaluate(images, forces=False).energy
        scale = max(1.0, abs(found.energy[0]))
        assert (up - down) / (2 * step) == pytest.approx(slope, abs=FINITE_DIFFERENCE * scale)


def test_what_a_baseline_says_alone_leaves_nothing(tmp_path, setting):
    """The model that is fitted to it is zero, and it is predicted."""
    kind = fixed(setting)
    images = labelled(kind, FRAMES)
    wanted = setting if isinstance(setting, list) else [setting]
    trainer = linear(images, tmp_path, wanted)
    assert float(trainer.model.coefficients.detach().abs().max()) < 1e-9
    found, expected = trainer.potential.predict(FRAMES), kind.evaluate(FRAMES)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-9)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-9)
    stresses = [image.get_stress() for image in images]
    np.testing.assert_allclose(found.stress, stresses, atol=1e-9)


def test_a_store_and_memory_are_the_same(tmp_path, setting):
    setup = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])
    images = labelled(fixed({"zbl": {}}), FRAMES)
    options = {"processes": 1, "verbose": False, "baseline": fixed(setting)}
    build_store(images, tmp_path / "a.lmdb", setup, torch.float64, **options)
    dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [str(tmp_path / "a.lmdb")]}
    stored = linear(None, tmp_path / "stored", setting, **dataset)
    trainer = linear(images, tmp_path / "memory", setting)
    found, expected = stored.potential.predict(FRAMES), trainer.potential.predict(FRAMES)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-12)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=1e-9, atol=1e-9)


def test_files_hold_it(tmp_path, setting):
    """Saved, in a checkpoint and pickled, also once what it was made of is gone."""
    trainer = linear(FRAMES, tmp_path, setting)
    expected = trainer.potential.predict(FRAMES)
    trainer.potential.save(tmp_path / "saved")
    again = fixed(setting)
    assert content_key(from_state(to_state(again))) == content_key(again)
    for each in (
        amptorch.load(tmp_path / "saved"),
        amptorch.load(trainer.cp_dir),
        pickle.loads(pickle.dumps(trainer.potential)),
    ):
        found = each.predict(FRAMES)
        np.testing.assert_array_equal(found.energy, expected.energy)
        np.testing.assert_array_equal(found.forces, expected.forces)
        np.testing.assert_array_equal(found.stress, expected.stress)


def test_forces_and_stress_are_gradients(tmp_path, setting):
    image = FRAMES[1].copy()
    image.calc = AmpTorch(linear(FRAMES, tmp_path, setting))
    forces, stress = image.get_forces(), image.get_stress(voigt=False)
    np.testing.assert_allclose(image.get_potential_energies().sum(), image.get_potential_energy())
    numeric = calculate_forces(image)
    np.testing.assert_allclose(forces[2], numeric, atol=2e-6)
    energies = []
    for sign in (1, -1):
        strained = image.copy()
        strained.set_cell(image.cell.array * (1 + sign * 1e-4 * np.eye(3)[0]), scale_atoms=True)
        strained.calc = image.calc
        energies.append(strained.get_potential_energy())
    slope = (energies[0] - energies[1]) / 2e-4 / image.get_volume()
    assert stress[0, 0] == pytest.approx(slope, rel=1e-5)


def calculate_forces(image: Atoms) -> list[float]:
    """Of atom 2, by central differences."""
    found = []
    for axis in range(3):
        energies = []
        for step in (1e-4, -1e-4):
            other = image.copy()
            other.positions[2, axis] += step
            other.calc = image.calc
            energies.append(other.get_potential_energy())
        found.append(-(energies[0] - energies[1]) / 2e-4)
    return found


def test_a_saved_potential_stands_alone(tmp_path):
    first = linear(FRAMES, tmp_path / "first", ZBL)
    second = linear(FRAMES, tmp_path, {"potential": first.cp_dir})
    expected = second.potential.predict(FRAMES)
    second.potential.save(tmp_path / "saved")
    shutil.rmtree(first.cp_dir)
    for each in (amptorch.load(tmp_path / "saved"), amptorch.load(second.cp_dir)):
        np.testing.assert_array_equal(each.predict(FRAMES).forces, expected.forces)
    # Of the potential that was built on the one that is gone, once more.
    third = linear(FRAMES, tmp_path / "third", {"potential": str(tmp_path / "saved")})
    assert content_key(third.fixed_baseline) != content_key(second.fixed_baseline)


def test_a_potential_without_forces_cannot_give_any(tmp_path):
    only = trained(FRAMES, tmp_path, model={"get_forces": False}, optim={"force_coefficient": 0.0})
    with pytest.raises(ValueError, match="baseline: potential: forces are asked for"):
        linear(FRAMES, tmp_path, {"potential": only.cp_dir})


@pytest.fixture
def nothing_kept(monkeypatch) -> None:
    monkeypatch.setattr(calculator_baseline, "_kept", OrderedDict())


class Counting(Calculator):
    """EMT that counts its calls, and knows no stress."""

    implemented_properties = ("energy", "forces")
    calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        type(self).calls += 1
        bare = atoms.copy()
        bare.calc = EMT()
        self.results = {"energy": bare.get_potential_energy(), "forces": bare.get_forces()}


def test_a_frame_is_calculated_once(tmp_path, nothing_kept):
    Counting.calls = 0
    place = f"{__name__}:Counting"
    images = alloy_frames(4)
    trainer = linear(images, tmp_path, {"calculator": place}, val_split=0.25, stress=False)
    found = trainer.potential.predict([*FRAMES, *FRAMES])
    assert Counting.calls == len(FRAMES)
    np.testing.assert_allclose(found.energy[0], FRAMES[0].get_potential_energy(), atol=1e-6)
    assert found.stress == [None] * 8  # rather than that of the model alone
    reader = TargetReader(stress=True, baseline=fixed({"calculator": place}))
    assert reader.read(labelled(fixed(ZBL), FRAMES)[0]).stress is None


def test_only_so_many_numbers_are_kept(monkeypatch, nothing_kept):
    monkeypatch.setattr(calculator_baseline, "KEPT", 9)
    Counting.calls, kind = 0, fixed({"calculator": f"{__name__}:Counting"})
    for images in (FRAMES[:3], FRAMES[1:3], FRAMES[:1]):
        kind.evaluate(images)
    assert Counting.calls == 4


def test_a_calculator_that_is_an_object(tmp_path):
    given = {"calculator": LennardJones(sigma=2.3, epsilon=0.03)}
    trainer = linear(FRAMES, tmp_path, [given, "linear"])
    other = linear(FRAMES, tmp_path, [LJ, "linear"])
    found, expected = trainer.potential.predict(FRAMES), other.potential.predict(FRAMES)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-12)
    text = (Path(trainer.cp_dir) / "config.yaml").read_text()
    kept = yaml.safe_load(text)["dataset"]["baseline"][0]["calculator"]
    assert kept["make"] == "ase.calculators.lj:LennardJones"
    assert kept["sigma"] == 2.3


def test_a_file_makes_no_calculator_unasked(tmp_path, monkeypatch, nothing_kept):
    """A command may be among the options of a calculator."""
    place = f"{__name__}:Counting"
    linear(FRAMES, tmp_path, {"calculator": place}, stress=False).potential.save(tmp_path / "a")
    with pytest.raises(ValueError, match=f"a file names the calculator '{place}'"):
        amptorch.load(tmp_path / "a").predict(FRAMES)
    monkeypatch.setenv("AMPTORCH_CALCULATORS", f"some:Other,{place}")
    amptorch.load(tmp_path / "a").predict(FRAMES)
    monkeypatch.delenv("AMPTORCH_CALCULATORS")
    monkeypatch.setattr(calculator_baseline, "_allowed", set())
    calculator_baseline.allow(place)
    amptorch.load(tmp_path / "a").predict(FRAMES)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {"zbl": {"inner": 2.0, "outer": 1.0}},
            "baseline: zbl: expected cutoffs 0 < inner < outer",
        ),
        ({"zbl": {"inner": 0}}, "baseline: zbl: expected cutoffs 0 < inner < outer"),
        ({"zbl": {"iner": 2.0}}, "baseline: zbl: .*'iner'"),
        ({"calculator": {"sigma": 1.0}}, "baseline: calculator: missing a required argument"),
        ({"calculator": "ase.calculators.lj:Nobody"}, "expected 'module:Class', got"),
        ({"calculator": "emt"}, "expected 'module:Class', got 'emt'"),
        ({"calculator": 3}, "a int cannot be written down"),
        (
            {"calculator": {"make": "ase.calculators.emt:EMT", "a": object()}},
            "cannot hold a object",
        ),
        ({"potential": "nowhere"}, "no such file or folder: nowhere"),
    ],
)
def test_settings_that_mean_nothing(setting, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Wanted.of(setting)


def test_a_calculator_that_fails_is_named():
    with pytest.raises(ValueError, match=r"baseline: ase\.calculators\.emt:EMT: .* for Fe"):
        fixed({"calculator": "ase.calculators.emt:EMT"}).evaluate([SYSTEMS["fe_primitive"]()])


def test_the_command_line(tmp_path, folder, capsys):
    """Trained, evaluated and trained further with baselines."""
    import ase.io

    ase.io.write(tmp_path / "a.extxyz", alloy_frames(12))
    sections = {
        "dataset": {
            "fp_scheme": "gaussian",
            "fp_params": GAUSSIAN,
            "baseline": ["linear", ZBL, LJ, {"potential": str(folder)}],
        },
        "model": {"num_layers": 2, "num_nodes": 3},
        "optim": {"epochs": 2, "batch_size": 4},
        "cmd": {"run_dir": str(tmp_path)},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(sections))
    data = str(tmp_path / "a.extxyz")
    options = ["--quiet", "--no-plots"]
    assert main(["train", data, str(tmp_path / "a.yaml"), *options]) == 0
    (run,) = (tmp_path / "checkpoints").iterdir()
    assert main(["evaluate", str(run), data, "--out", str(tmp_path / "evaluated")]) == 0
    further = [
        "finetune",
        str(run),
        data,
        "--set",
        "optim.epochs=1",
        "--set",
        f"cmd.run_dir={tmp_path}",
    ]
    assert main([*further, *options]) == 0
    runs = sorted((tmp_path / "checkpoints").iterdir())
    assert len(runs) == 2
    for each in runs:
        names = [part["name"] for part in to_state(amptorch.load(each).scalers["fixed"])]
        assert names == ["zbl", "calculator", "potential"]
