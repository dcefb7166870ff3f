"""``python -m amptorch train`` and ``evaluate``: a run from a file, and errors without tracebacks."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import pytest
import torch
import yaml

import amptorch
from amptorch import AtomsTrainer
from amptorch.cli import main
from amptorch.cli.config_file import read_config
from amptorch.fit.losses import PerAtomLoss

from ..dataset.test_golden_lmdb import construct_lmdb
from ..made_potentials import GAUSSIAN, alloy_frames, cuco_frames
from ..processes import command, in_group

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "water_iron.yaml"

CONFIG: dict[str, dict[str, Any]] = {
    "model": {"hidden_layers": [4], "activation": "Tanh"},
    "optim": {"optimizer": "adam", "lr": 0.01, "batch_size": 4, "epochs": 2},
    "dataset": {
        "raw_data": "train.extxyz",
        "val_split": 0.3,
        "fp_scheme": "gaussian",
        "fp_params": GAUSSIAN,
        "save_fps": False,
    },
    "cmd": {"dtype": "float64", "identifier": "alloy", "verbose": False, "seed": 3},
}

pytestmark = pytest.mark.filterwarnings("ignore:extrapolation")


@pytest.fixture
def folder(run_dir: Path) -> Path:
    """The working directory, with images and a configuration."""
    images = alloy_frames(8)
    for index, image in enumerate(images):
        image.info["group"] = f"g{index % 2}"
    ase.io.write(run_dir / "train.extxyz", images[:6])
    ase.io.write(run_dir / "test.extxyz", images[6:])
    write(run_dir / "config.yaml", CONFIG)
    return run_dir


def write(path: Path, values: Any) -> None:
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def run(*arguments: str) -> None:
    assert main(list(map(str, arguments))) == 0


def test_train_equals_the_python_interface(folder, capsys):
    run("train", "config.yaml", "--test", "test.extxyz", "--out", "report")
    report = json.loads((folder / "report" / "report.json").read_text())
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if line.startswith("test ")]
    # In meV/atom, eV/Å: of energies and forces.
    assert [float(row[1]) for row in rows] == pytest.approx(
        [
            1000 * report["errors"]["test"]["energy"]["rmse"],
            report["errors"]["test"]["forces"]["rmse"],
        ],
        rel=0.02,
    )

    config = read_config("config.yaml")
    trainer = AtomsTrainer({**config, "cmd": {**config["cmd"], "debug": True}})
    trainer.train()
    (checkpoint,) = (folder / "checkpoints").iterdir()
    history = json.loads((checkpoint / "history.json").read_text())
    assert history[0]["train_loss"] == trainer.net.history[0]["train_loss"]
    assert set(report["errors"]) == {"training", "validation", "test"}
    assert [report["data"][kind]["frames"] for kind in report["data"]] == [4, 2, 2]
    assert set(report["by_group"]["test"]) == {"g0", "g1"}
    assert (folder / "report" / "report.html").is_file()


def test_evaluate_gives_the_errors_of_the_run(folder):
    run("train", "config.yaml", "--test", "test.extxyz", "--no-plots")
    (checkpoint,) = (folder / "checkpoints").iterdir()
    trained = json.loads((checkpoint / "report" / "report.json").read_text())
    run("evaluate", checkpoint, "test.extxyz", "--out", "again")
    evaluated = json.loads((folder / "again" / "report.json").read_text())
    assert evaluated["errors"] == {"test": trained["errors"]["test"]}
    assert evaluated["training"]["epochs"] == trained["training"]["best_epoch"]
    assert (folder / "again" / "figures" / "learning_energy.svg").is_file()


def test_evaluate_takes_a_saved_potential(folder):
    run("train", "config.yaml", "--test", "test.extxyz", "--no-plots", "--out", "trained")
    (checkpoint,) = (folder / "checkpoints").iterdir()
    amptorch.load(checkpoint).save("saved")
    run("evaluate", "saved", "test.extxyz", "--out", "again", "--no-plots")
    reports = [
        json.loads((folder / each / "report.json").read_text()) for each in ("trained", "again")
    ]
    assert reports[1]["errors"] == {"test": reports[0]["errors"]["test"]}


def test_one_of_several_processes_reports(folder, start):
    run("train", "config.yaml", "--no-plots", "--out", "one")
    again = ("train", "config.yaml", "--no-plots", "--out", "two", "--set", "cmd.run_dir=shared")
    assert in_group(start, command, again, folder, folder / "said") == [0, 0]
    assert (folder / "said").read_text().count("report: ") == 1
    assert len(list((folder / "shared" / "checkpoints").iterdir())) == 1
    one, two = (json.loads((folder / each / "report.json").read_text()) for each in ("one", "two"))
    assert two["errors"]["training"]["energy"]["rmse"] == pytest.approx(
        one["errors"]["training"]["energy"]["rmse"], rel=1e-9
    )


def test_json_and_changes(folder):
    (folder / "config.json").write_text(json.dumps(CONFIG))
    changes = ["optim.lr=1e-3", "optim.epochs=1", "model.activation=relu", "cmd.verbose=no"]
    config = read_config("config.json", changes)
    assert config["optim"]["lr"] == 1e-3
    assert config["optim"]["epochs"] == 1
    assert config["model"]["activation"] is torch.nn.ReLU
    assert config["cmd"] == {**CONFIG["cmd"], "dtype": torch.DoubleTensor, "verbose": False}


def test_names_of_classes(folder):
    write(
        folder / "named.yaml",
        {"optim": {"optimizer": "LBFGS", "loss_fn": "PerAtomLoss"}, "cmd": {"dtype": "float32"}},
    )
    config = read_config("named.yaml")
    assert config["optim"] == {"optimizer": "LBFGS", "loss_fn": PerAtomLoss}
    assert config["cmd"] == {"dtype": torch.FloatTensor}


@pytest.mark.parametrize("text", ["1e-2", "1.e-2", "1E-2", "+.1e-1", "0.01"])
def test_numbers_are_numbers(folder, text):
    (folder / "number.yaml").write_text(f"optim:\n  lr: {text}\n")
    assert read_config("number.yaml")["optim"]["lr"] == pytest.approx(0.01)


def test_going_on(folder):
    run("train", "config.yaml", "--no-plots", "--out", "one")
    (first,) = (folder / "checkpoints").iterdir()
    run("train", "config.yaml", "--no-plots", "--resume", first, "--out", "two")
    assert json.loads((folder / "two" / "report.json").read_text())["training"]["epochs"] == 4


def test_data_without_images(folder):
    """An LMDB file has fingerprints but no positions: the test file alone is evaluated."""
    construct_lmdb(folder / "train.lmdb", cuco_frames(6), folder / "normalizers.pt")
    ase.io.write(folder / "other.extxyz", cuco_frames(3))
    dataset = {"lmdb_path": ["train.lmdb"], "val_split": 0.3}
    write(folder / "lmdb.yaml", {**CONFIG, "dataset": dataset})
    run("train", "lmdb.yaml", "--test", "other.extxyz", "--no-plots", "--out", "report")
    report = json.loads((folder / "report" / "report.json").read_text())
    assert set(report["errors"]) == {"test"}
    assert report["training"]["epochs"] == 2


def test_the_example(folder):
    """The configuration in ``examples/``, on a few frames and for two epochs."""
    config = yaml.safe_load(EXAMPLE.read_text())
    data = ROOT / config["dataset"]["raw_data"]
    assert data.is_file()
    ase.io.write(folder / "few.extxyz", ase.io.read(data, "0:120:10"))
    changes = ["dataset.raw_data=few.extxyz", "optim.epochs=2", "cmd.verbose=false"]
    options = [each for change in changes for each in ("--set", change)]
    run("train", EXAMPLE, *options, "--out", "report")
    report = json.loads((folder / "report" / "report.json").read_text())
    assert set(report["errors"]) == {"training", "validation"}
    assert report["model"]["dtype"] == "float32"
    assert report["model"]["chosen_from_data"]["functions"].keys() == {"Fe", "H", "O"}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("optim: [1, 2", "is not YAML or JSON"),
        ("just words", "expected a mapping, got str"),
        ("optim: 3", "expected optim to be a mapping, got 3"),
        ("optimizer: {}", "config: unknown key 'optimizer'; did you mean 'optim'?"),
        ("model: {activation: tan}", "model: activation: unknown name 'tan'; did you mean 'tanh'?"),
        ("optim: {optimizer: adan}", "optim: unknown optimizer 'adan'; did you mean 'adam'?"),
        ("cmd: {dtype: float16}", "cmd: dtype: unknown name 'float16'; did you mean 'float"),
        ("optim: {epoch: 3}", "optim: unknown key 'epoch'; did you mean 'epochs'?"),
        ("dataset: {fp_params: auto}", "expected exactly one of 'raw_data' and 'lmdb_path'"),
        ("dataset: {raw_data: none.xyz}", "raw_data: file not found: none.xyz"),
        ("a: !!python/object/apply:os.system ['true']", "is not YAML or JSON"),
    ],
)
def test_bad_files(folder, capsys, text, match):
    (folder / "bad.yaml").write_text(text)
    assert main(["train", "bad.yaml"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("amptorch train: ")
    assert match in error
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["train", "none.yaml"], "config: file not found: none.yaml"),
        (["train", "config.yaml", "--test", "none.xyz"], "--test: file not found: none.xyz"),
        (
            ["train", "config.yaml", "--set", "lr=3"],
            "--set: expected section.key=value, got 'lr=3'",
        ),
        (["train", "config.yaml", "--set", "optim.lr=[3"], "--set: '[3' is not a value in YAML"),
        (["train", "config.yaml", "--resume", "none"], "checkpoint_dir: no such folder: none"),
        (["evaluate", "none", "test.extxyz", "--out", "o"], "checkpoint_dir: no such folder: none"),
        (["evaluate", "none", "no.xyz", "--out", "o"], "data: file not found: no.xyz"),
    ],
)
def test_bad_arguments(folder, capsys, arguments, match):
    assert main(arguments) == (2 if match.startswith("--set") else 1)
    assert match in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()


def test_test_images_are_looked_at_before_training(folder, capsys):
    images = ase.io.read("test.extxyz", ":")
    images[1].calc.results["energy"] = float("nan")
    ase.io.write("test.traj", images)
    assert main(["train", "config.yaml", "--test", "test.traj"]) == 1
    assert "image 1: its energy is nan" in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()


def test_a_report_with_pictures_and_for_chemiscope(folder):
    """Of several sources, that name no one file."""
    run("train", "config.yaml", "--no-plots", "--out", "trained", "--pictures", "--chemiscope")
    assert (folder / "trained" / "Energies_DFT_vs_MLP.png").is_file()
    assert (folder / "trained" / "chemiscope.json.gz").is_file()
    (checkpoint,) = (folder / "checkpoints").iterdir()
    run("evaluate", checkpoint, "test.extxyz", "train.extxyz@0:2", "--out", "again")
    report = json.loads((folder / "again" / "report.json").read_text())
    assert report["data"]["test"] == {"frames": 4, "atoms": [4, 4]}
    assert not list((folder / "again").glob("*.png"))


def test_pictures_are_asked_for_before_training(folder, capsys, monkeypatch):
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError("none here")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["train", "config.yaml", "--pictures"]) == 1
    assert "pip install 'amptorch[plots]'" in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()


def test_as_a_program(folder):
    """The module itself: its exit status and where its message goes."""
    done = subprocess.run(
        [sys.executable, "-m", "amptorch", "train", "none.yaml"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "amptorch train: config: file not found: none.yaml\n"


def test_linear_is_said_of_ace(folder, capsys):
    train = ("init", "train.extxyz", "--linear", "--force", "-o", "chosen.yaml")
    run(*train, "--potential", "ace")
    assert read_config("chosen.yaml")["model"]["name"] == "linear_ace"
    assert main([*train, "--potential", "snap"]) == 2
    assert "expected --potential ace, got snap" in capsys.readouterr().err
