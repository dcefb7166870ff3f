"""Which kind of potential data have where nobody says, and what else says so."""

from __future__ import annotations

import ase.io
import pytest
import yaml
from ase.build import bulk

from amptorch.cli import main
from amptorch.recipe import Facts, suited
from amptorch.recipe.suited import ACE, MOST_ATOMS, NETWORKS

from ..made_potentials import alloy_frames, with_emt

COPPER = {"Cu": 500}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (Facts(10, COPPER, True), ACE),
        (Facts(10, {"Mo": 500}, True), ACE),
        (Facts(10, COPPER, False), NETWORKS),
        (Facts(10, {"Cu": 250, "Pd": 250}, True), NETWORKS),
        (Facts(400, {"Cu": MOST_ATOMS}, True), ACE),
        (Facts(400, {"Cu": MOST_ATOMS + 1}, True), NETWORKS),
    ],
)
def test_kinds(facts, kind):
    found, why = suited(facts)
    assert found == kind
    assert why


@pytest.fixture
def data(run_dir):
    frames = []
    for number in range(8):
        frame = bulk("Cu", "fcc", 3.5 + 0.04 * number, cubic=True)
        frame.rattle(0.08, seed=number)
        frames.append(with_emt(frame))
    ase.io.write("copper.extxyz", frames)
    ase.io.write("alloy.extxyz", alloy_frames(4))
    (run_dir / "epochs.yaml").write_text("optim: {epochs: 3}\n")
    (run_dir / "seed.yaml").write_text("cmd: {seed: 3}\n")
    return run_dir


def model(*arguments: str) -> str:
    assert main(["init", *arguments, "--force"]) == 0
    with open("config.yaml") as file:
        return yaml.safe_load(file)["model"]["name"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["copper.extxyz"], "ace"),
        (["copper.extxyz", "seed.yaml"], "ace"),
        (["copper.extxyz", "--set", "cmd.seed=3", "--set", "dataset.val_split=0.25"], "ace"),
        (["copper.extxyz", "--linear"], "linear_ace"),
        (["alloy.extxyz"], "bpnn"),
        (["copper.extxyz", "--potential", "networks"], "bpnn"),
        (["copper.extxyz", "epochs.yaml"], "bpnn"),
        (["copper.extxyz", "--set", "optim.epochs=3"], "bpnn"),
        (["copper.extxyz", "--set", "dataset.fp_scheme=gaussian"], "bpnn"),
        (["copper.extxyz", "--set", "model.get_forces=false"], "bpnn"),
    ],
)
def test_what_is_asked_for_decides(data, arguments, name):
    assert model(*arguments) == name


def test_several_processes_train_networks(data, monkeypatch):
    monkeypatch.setattr("amptorch.processes.group.start", lambda: (0, 2))
    assert model("copper.extxyz") == "bpnn"


def test_data_alone_train(data, capsys):
    """The reason is told, and the potential that is there afterwards is of the kind."""
    assert main(["train", "copper.extxyz", "--no-plots", "--preset", "fast", "--time", "8s"]) == 0
    assert "--potential ace, of forces of one element, 32 atoms" in capsys.readouterr().out
    (run,) = (data / "checkpoints").iterdir()
    assert yaml.safe_load((run / "config.yaml").read_text())["optim"]["fit"] == "quasi_newton"
    assert main(["predict", str(run), "copper.extxyz", "-o", "out.extxyz"]) == 0
    predicted, known = ase.io.read("out.extxyz"), ase.io.read("copper.extxyz")
    assert predicted.get_potential_energy() == pytest.approx(known.get_potential_energy(), abs=0.4)
