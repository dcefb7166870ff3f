"""The commands around training, as a user types them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase.calculators.singlepoint import SinglePointCalculator

import amptorch
from amptorch.cli import COMMANDS, main
from amptorch.files.checkpoint import torch_load
from amptorch.uncertainty import Committee

from ..made_potentials import alloy_frames

FEW = ("--no-plots", "--quiet", "--set", "optim.epochs=3")

pytestmark = pytest.mark.filterwarnings("ignore:extrapolation")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with frames, and the run of a potential that was trained on them."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ase.io.write("a.extxyz", alloy_frames(16))
        ase.io.write("new.extxyz", alloy_frames(4, seed=1))
        assert main(["train", "a.extxyz", *FEW, "--set", "cmd.run_dir=made"]) == 0
        (run,) = (folder / "made" / "checkpoints").iterdir()
        run.rename("run")
    return folder


@pytest.fixture
def folder(home: Path, run_dir: Path) -> Path:
    return Path(shutil.copytree(home, run_dir, dirs_exist_ok=True))


def latest(folder: Path) -> Path:
    return max((folder / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)


class TestInit:
    def test_writes_what_train_takes(self, folder, capsys):
        assert main(["init", "a.extxyz", "-o", "c.yaml", "--set", "optim.epochs=1"]) == 0
        text = Path("c.yaml").read_text()
        config = yaml.safe_load(text)
        assert config["dataset"]["raw_data"] == "a.extxyz"
        assert config["optim"]["epochs"] == 1
        assert "  # energies then add up over atoms\n  baseline: linear\n" in text
        assert main(["train", "c.yaml", "--no-plots", "--quiet"]) == 0
        written = yaml.safe_load((latest(folder) / "config.yaml").read_text())
        assert written["dataset"] == config["dataset"]

    def test_writes_over_nothing(self, folder, capsys):
        Path("config.yaml").write_text("mine")
        assert main(["init", "a.extxyz"]) == 2
        assert "--force writes over it" in capsys.readouterr().err
        assert Path("config.yaml").read_text() == "mine"


class TestData:
    def test_what_there_is(self, folder, capsys):
        frames = alloy_frames(12)
        frames.append(frames[3].copy())
        frames[-1].calc = SinglePointCalculator(
            frames[-1], energy=frames[3].get_potential_energy(), forces=frames[3].get_forces()
        )
        frames[5].calc.results["energy"] += 40.0
        frames[7].calc.results["forces"] = 500.0 * frames[7].get_forces()
        for number, frame in enumerate(frames):
            frame.info["group"] = f"g{number % 2}"
        ase.io.write("d.extxyz", frames)
        assert main(["data", "d.extxyz"]) == 0
        said = capsys.readouterr().out
        assert "13 images; energies of 13 (energy), forces of 13 (forces)" in said
        assert "duplicates: 1, frames 3, 12" in said
        assert "outliers of energy: 1, frames 5 (+" in said
        assert "outliers of force: 1, frames 7 (" in said
        assert "elements: 26 of Cu, 26 of Pd" in said
        assert [line.split()[:2] for line in said.splitlines() if line[:2] in ("g0", "g1")] == [
            ["g0", "7"],
            ["g1", "6"],
        ]
        assert "shortest distances (Å): Cu-Cu " in said
        assert "memory of training: about " in said

    def test_names_that_were_found(self, folder, capsys):
        frames = alloy_frames(2)
        for frame in frames:
            frame.info["REF_energy"] = frame.get_potential_energy()
            frame.calc = None
        ase.io.write("d.extxyz", frames)
        assert main(["data", "d.extxyz"]) == 0
        assert "names: energy=REF_energy" in capsys.readouterr().out


class TestPredict:
    def test_the_numbers_are_those_of_the_potential(self, folder, capsys):
        assert main(["predict", "run", "new.extxyz", "-o", "out.extxyz", "--quiet"]) == 0
        frames = ase.io.read("out.extxyz", ":")
        expected = amptorch.load("run").predict(ase.io.read("new.extxyz", ":"))
        # Means of float32 members against their network, which holds all of them.
        for k, frame in enumerate(frames):
            assert frame.get_potential_energy() == pytest.approx(expected.energy[k], abs=1e-5)
            np.testing.assert_allclose(frame.get_forces(), expected.forces[k], atol=1e-5)
            np.testing.assert_allclose(frame.get_stress(), expected.stress[k], atol=1e-5)
            np.testing.assert_allclose(
                frame.get_potential_energies(), expected.energies[k], atol=1e-5
            )
            assert 0 <= frame.info["outside"] <= len(frame)
        of_members = Committee(["run"]).predict(ase.io.read("new.extxyz", ":"))
        stds = [frame.info["energy_std"] for frame in frames]
        np.testing.assert_allclose(stds, of_members["energy_std"], rtol=1e-6)
        assert min(stds) > 0
        assert "out.extxyz: 4 frames" in capsys.readouterr().out

    def test_what_is_no_run(self, folder, capsys):
        assert main(["predict", "nun", "new.extxyz", "-o", "out.extxyz"]) == 1
        assert "no such file or folder: nun" in capsys.readouterr().err


class TestFinetune:
    def test_it_keeps_scalers_and_descriptor_and_frozen_layers(self, folder):
        arguments = ["finetune", "run", "new.extxyz", "--old", "a.extxyz", "--share", "0.5"]
        assert main([*arguments, "--freeze", "1", *FEW]) == 0
        made = latest(folder)
        before, after = torch_load("run/params.pt"), torch_load(made / "params.pt")
        frozen = [name for name in before if ".model_net.0." in name]
        other = [name for name in before if ".model_net.2.weight" in name]
        assert frozen
        assert all((before[name] == after[name]).all() for name in frozen)
        assert all((before[name] != after[name]).any() for name in other)
        scalers = [torch_load(each / "normalizers.pt") for each in (Path("run"), made)]
        assert scalers[0]["target"].target_std == scalers[1]["target"].target_std
        state = torch_load(made / "resume.pt")
        assert state["epochs"] == 3  # begun anew
        assert state["optimizer"]["param_groups"][0]["initial_lr"] == pytest.approx(0.3 * 0.031)

    @pytest.mark.parametrize(
        ("arguments", "status", "text"),
        [
            (["--freeze", "3"], 2, "--freeze: expected 0 to 2 layers, got 3"),
            (["--old", "a.extxyz", "--share", "-1"], 2, "--share: expected a number >= 0, got -1"),
        ],
    )
    def test_bad_arguments(self, folder, capsys, arguments, status, text):
        assert main(["finetune", "run", "new.extxyz", *arguments, *FEW]) == status
        assert text in capsys.readouterr().err


class TestCommittee:
    def test_members_query_and_predictions(self, folder, capsys):
        quick = ("--quiet", "--set", "optim.epochs=1")
        assert main(["committee", "a.extxyz", "-n", "2", "--out", "c", *quick]) == 0
        assert (
            main(["committee", "--out", "c", "--pool", "new.extxyz", "--select", "2", "--quiet"])
            == 0
        )
        asked = ase.io.read("c/query.extxyz", ":")
        assert main(["predict", "c", "new.extxyz", "-o", "out.extxyz", "--quiet"]) == 0
        frames = ase.io.read("out.extxyz", ":")
        worst = [np.linalg.norm(frame.arrays["forces_std"], axis=1).max() for frame in frames]
        order = np.argsort(worst)[::-1][:2]
        assert [frame.info["frame"] for frame in asked] == list(order)
        assert asked[0].info["disagreement"] == pytest.approx(worst[order[0]], abs=1e-5)
        assert asked[0].calc is None
        members = list((folder / "c" / "checkpoints").iterdir())
        energies = [amptorch.load(each).predict(frames).energy for each in members]
        stds = [frame.info["energy_std"] for frame in frames]
        np.testing.assert_allclose(stds, np.std(energies, 0), atol=1e-6)

    def test_a_run_with_members_is_one(self, folder):
        assert main(["committee", "--out", "run", "--pool", "new.extxyz", "--quiet"]) == 0
        asked = ase.io.read("run/query.extxyz", ":")
        doubts = [frame.info["disagreement"] for frame in asked]
        assert len(doubts) == 4
        assert doubts == sorted(doubts, reverse=True)
        assert doubts[-1] > 0

    def test_what_is_no_committee(self, folder, capsys):
        assert main(["committee", "--out", "none", "--pool", "new.extxyz"]) == 2
        assert "expected data, as none is no committee yet" in capsys.readouterr().err


class TestChecks:
    def test_relax(self, folder, capsys):
        arguments = ["relax", "run", "new.extxyz", "-o", "r.extxyz", "--steps", "2", "--quiet"]
        status = main([*arguments, "--fmax", "1e-9"])
        assert status == 1
        assert main([*arguments, "--fmax", "1e9", "--cell"]) == 0
        assert "largest force" in capsys.readouterr().out
        assert Path("r.png").is_file()
        assert len(ase.io.read("r.extxyz")) == 4

    def test_md_conserves_energy(self, folder, capsys):
        """Whatever the potential: forces are the slope of its energy."""
        arguments = [
            "md",
            "run",
            "new.extxyz",
            "-o",
            "m.traj",
            "--steps",
            "40",
            "--timestep",
            "0.5",
        ]
        assert main([*arguments, "--quiet"]) == 0
        said = capsys.readouterr().out
        spread = float(said.partition("spread of the total energy: ")[2].split()[0])
        assert spread < 2.0
        assert Path("m.png").is_file()
        assert len(ase.io.read("m.traj", ":")) == 41
        kept = ["--steps", "5", "--thermostat", "20", "--no-plots", "--quiet"]
        assert main([*arguments, *kept]) == 0
        said = capsys.readouterr().out
        assert "temperature of the second half" in said
        assert "shortest distances (Å): Cu-Cu 2." in said

    def test_md_that_goes_wrong_ends(self, folder, capsys):
        arguments = ["md", "run", "new.extxyz", "-o", "m.traj", "--quiet", "--no-plots"]
        wrong = ["--timestep", "50", "--temperature", "2000", "--steps", "200"]
        assert main([*arguments, *wrong]) == 1
        said = capsys.readouterr().err
        assert " K, at first 2000 K: the potential does not hold them together" in said
        assert len(ase.io.read("m.traj", ":")) > 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_in_bash(run_dir, capsys):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out + (
        'COMP_WORDS=(amptorch train --ti); COMP_CWORD=2; _amptorch; echo "${COMPREPLY[@]}"\n'
        'COMP_WORDS=(amptorch finet); COMP_CWORD=1; _amptorch; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["--time", "finetune"]
    for shell in ("zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "finetune" in capsys.readouterr().out


@pytest.mark.parametrize("module", COMMANDS)
def test_every_command_has_help(module, capsys):
    name = module.replace("_", "-")
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: amptorch {name}" in capsys.readouterr().out
