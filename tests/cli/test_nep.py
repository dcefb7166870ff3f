"""``amptorch nep`` and ``amptorch nep sweep`` as a user types them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from amptorch.cli import main
from amptorch.cli.nep import gradients
from amptorch.cli.nep import trials as of_trials
from amptorch.fit.evolution.evolver import Evolver
from amptorch.fit.evolution.outputs import read_losses
from amptorch.potentials.loading import load

from ..nep import folder

SHORT = "generation 10\noutput_interval 5\n"


def test_a_folder_is_trained_and_predicted(tmp_path, capsys):
    path = folder(tmp_path, SHORT)
    assert main(["nep", str(path), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith(f"{path}/nep.txt: see also")
    assert load(path / "nep.txt").elements == ["Cu", "Ag"]
    (path / "nep.in").write_text((path / "nep.in").read_text() + "prediction 1\n")
    assert main(["nep", str(path)]) == 0
    assert re.search(r"[\d.]+ meV/atom, [\d.]+ meV/Å, [\d.]+ meV/atom", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "nothing/nep.in: no such file"),
        (["swep", "here"], "expected a folder, or sweep and a folder, got swep here"),
        (["sweep", "here", "--try", "neuron"], "--try: expected KEYWORD=VALUE"),
        (["sweep", "here", "--try", "neuron=x"], "--try neuron=x, line .*expected a whole number"),
        (["sweep", "here", "--parallel", "0"], "--parallel: expected 1 or more, got 0"),
    ],
)
def test_mistakes_are_named(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "here", SHORT)
    assert main(["nep", *words]) in (1, 2)
    assert re.search(message, capsys.readouterr().err)


def stopped_at(monkeypatch, number: int):
    """Ctrl-C in the generation of this number, of all runs together."""
    step, done = Evolver.step, []

    def one(self, generation):
        done.append(generation)
        if len(done) == number:
            raise KeyboardInterrupt
        return step(self, generation)

    monkeypatch.setattr(Evolver, "step", one)
    return step


def test_an_interrupted_run_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    path = folder(tmp_path, SHORT)
    step = stopped_at(monkeypatch, 8)
    assert main(["nep", str(path), "--quiet"]) == 130
    assert f"to go on: amptorch nep {path}" in capsys.readouterr().err
    monkeypatch.setattr(Evolver, "step", step)
    assert main(["nep", str(path), "--quiet"]) == 0
    assert [each.generation for each in read_losses(path / "loss.out")] == [5, 10]


def test_gradients_come_first(tmp_path, monkeypatch):
    configuration = gradients.configuration

    def short(*arguments):
        config = configuration(*arguments)
        config["optim"]["epochs"] = 80
        return config

    monkeypatch.setattr(gradients, "configuration", short)
    path, other = folder(tmp_path / "path", SHORT), folder(tmp_path / "other", SHORT)
    assert main(["nep", str(path), "--gradients", "10m", "--quiet"]) == 0
    assert main(["nep", str(other), "--quiet"]) == 0
    first, usual = (read_losses(each / "loss.out")[0] for each in (path, other))
    assert first.train_force < 0.8 * usual.train_force
    assert load(path / "nep.txt").model.shape.neurons == (5,)


SWEEP = ["--try", "neuron=3:5:8", "--try", "n_max=3,2", "--long", "20", "--generations", "10"]


def test_a_sweep_goes_on_and_reports(tmp_path, monkeypatch, capsys):
    path = folder(tmp_path / "data", SHORT)
    # The default run has 10 generations, and so has the first trial, which is stopped.
    step = stopped_at(monkeypatch, 18)
    assert main(["nep", "sweep", str(path), *SWEEP, "--quiet"]) == 130
    out = path / "sweep"
    assert [each["trial"]["name"] for each in json.loads((out / "sweep.json").read_text())] == [
        "default"
    ]
    monkeypatch.setattr(Evolver, "step", step)
    carried, carry_out = [], of_trials.carry_out

    def noted(trial, *rest):
        carried.append(trial.name)
        return carry_out(trial, *rest)

    monkeypatch.setattr("amptorch.cli.nep.sweep.carry_out", noted)
    assert main(["nep", "sweep", str(path), *SWEEP]) == 0
    # 5 neurons are the default.
    assert carried[:3] == ["neuron_3", "neuron_8", "n_max_3_2"]
    assert carried[-1] == "long"
    whole = folder(tmp_path / "whole", "generation 10\noutput_interval 1\nneuron 3\n")
    assert main(["nep", str(whole), "--quiet"]) == 0
    for name in ("loss.out", "nep.restart"):
        assert (out / "neuron_3" / name).read_text() == (whole / name).read_text()
    check_report(out)
    carried.clear()
    assert main(["nep", "sweep", str(path), *SWEEP]) == 0
    assert not carried


def check_report(out):
    outcomes = {
        each["trial"]["name"]: each for each in json.loads((out / "sweep.json").read_text())
    }
    rows = read_losses(out / "neuron_8" / "loss.out")[-10:]
    forces = [each.train_force for each in rows]
    assert outcomes["neuron_8"]["least"][1] == pytest.approx(min(forces))
    assert outcomes["neuron_8"]["mean"][1] == pytest.approx(np.mean(forces))
    default = outcomes["default"]["least"][1]
    text = (out / "report.md").read_text()
    share = f"{1e3 * min(forces):.2f} ({100 * (min(forces) / default - 1):+.1f}\N{NO-BREAK SPACE}%)"
    assert share in text
    for word in ("test AVG", "train all", "Numbers of long/nep.txt", "Descriptors", "radial, n 0"):
        assert word in text
    page = (out / "report.html").read_text()
    assert "Force loss: neuron" in page
    assert "Time against loss" in page
    assert (out / "force_n_max.svg").is_file()
    assert (out / "time.svg").is_file()


def test_trials_side_by_side_are_those_one_after_the_other(tmp_path):
    found = []
    for parallel in ("1", "2"):
        path = folder(tmp_path / parallel, SHORT)
        words = ["--try", "neuron=3:8", "--generations", "2", "--parallel", parallel, "--quiet"]
        assert main(["nep", "sweep", str(path), *words]) == 0
        outcomes = json.loads((path / "sweep" / "sweep.json").read_text())
        found.append({each["trial"]["name"]: each["whole"] for each in outcomes})
    assert found[0] == found[1]
