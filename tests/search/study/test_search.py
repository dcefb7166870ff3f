"""``amptorch search`` and ``compare-families`` as a user types them, small as they go."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase.io
import numpy as np
import optuna
import pytest
import yaml

import amptorch
from amptorch.cli import main
from amptorch.search.study.problem import Problem
from amptorch.search.study.storage import JOURNAL, counts, give_up_lost, storage_at

from ...made_potentials import alloy_frames

SPACE = {
    "potential": {"choices": ["networks", "snap"]},
    "networks": {
        "model.hidden_layers": {"choices": [[4, 4], [8, 8]]},
        "optim.lr": {"factor": [0.5, 2.0]},
        "optim.epochs": 4,
        "dataset.fp_params": {
            "choices": [{"default": {"G2": {"etas": [0.5, 4.0], "rs_s": [0.0]}, "cutoff": 4.5}}]
        },
    },
    "snap": {
        "dataset.fp_params.rcutfac": {"factor": [0.8, 1.2]},
        "dataset.fp_params.twojmax": 2,
    },
}
GIVEN = ("search", "data.extxyz", "space.yaml", "--quiet")


@pytest.fixture
def folder(run_dir: Path) -> Path:
    ase.io.write("data.extxyz", alloy_frames(12))
    (run_dir / "space.yaml").write_text(yaml.safe_dump(SPACE))
    return run_dir


def report(folder: Path):
    return json.loads((folder / "report.json").read_text())


def test_search_confirm_and_go_on(folder, capsys):
    given = [*GIVEN, "--trials", "4", "--test", "3", "--confirm", "2"]
    assert main(given) == 0
    assert "configuration: search/config.yaml" in capsys.readouterr().out
    out = folder / "search"
    found = report(out)
    trials = found["trials"]
    assert [each["number"] for each in trials] == list(range(4))
    assert {each["state"] for each in trials} <= {"complete", "pruned"}
    done = [each for each in trials if each["state"] == "complete"]
    # Recipes come first, and the front is what nothing dominates.
    assert [each["family"] for each in trials[:2]] == ["networks", "snap"]
    points = {each["number"]: np.array(list(each["scores"].values())) for each in done}
    front = [
        a
        for a, p in points.items()
        if not any((q <= p).all() and (q < p).any() for q in points.values())
    ]
    assert sorted(front) == sorted(found["front"])
    assert found["best"] == min(done, key=lambda each: each["scores"]["error"])["number"]
    for each in done:
        errors, cost = each["errors"], each["scores"]["cost"]
        assert each["scores"]["error"] == pytest.approx(
            (errors["energy"] * errors["forces"]) ** 0.5
        )
        assert cost == each["cost"] > 0
        if each["family"] == "networks":
            check_one_member(out, each)
    check_potential(out, done[0])
    confirmed = found["confirmed"]
    assert (confirmed["unseen"], confirmed["frames"]) == (True, 3)
    assert len(confirmed["outcomes"]) == 2
    assert main(["predict", "search/confirmed", "data.extxyz", "-o", "p.extxyz", "--quiet"]) == 0
    pairs = zip(*(ase.io.read(name, "-3:") for name in ("p.extxyz", "data.extxyz")), strict=True)
    squares = [np.square(mean.get_forces() - image.get_forces()) for mean, image in pairs]
    assert confirmed["together"]["forces"] == pytest.approx(np.mean(squares) ** 0.5, rel=1e-5)
    assert (found["data"]["frames"], found["data"]["apart"]) == (9, 3)
    assert found["settings"]["folds"] == 5
    assert {"optuna", "torch"} < set(found["machine"]["packages"])
    told = (out / "report.md").read_text().partition("## Data, settings and machine")[2]
    assert "9 frames of data.extxyz@:-3, 3 others kept apart: 4 atoms of Cu, Pd" in told
    assert f"{found['machine']['cores']} cores" in told
    page = (out / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert page.count("<figure ") >= 2
    # The configuration names the frames of the search alone.
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["dataset"]["raw_data"] == "data.extxyz@:-3"
    assert main(["train", "search/config.yaml", "--no-plots", "--quiet"]) == 0
    assert main(given) == 0
    assert report(out)["trials"] == trials
    assert main([*given[:-2], "--confirm", "0", "--folds", "3"]) == 1
    assert "is another search, with another folds" in capsys.readouterr().err


def check_one_member(out: Path, trial) -> None:
    """A trial trains one network an element of the three that its configuration asks for."""
    config = yaml.safe_load((out / "trials" / f"{trial['number']:04d}" / "config.yaml").read_text())
    assert config["model"]["members"] == 3
    features, (width, _) = 4, config["model"]["hidden_layers"]
    assert trial["parameters"] == 2 * ((features + 1) * width + (width + 1) * width + width + 1)


def check_potential(out: Path, trial) -> None:
    """A trial's folder is a potential, with the errors that are told on every fifth frame."""
    potential = amptorch.load(out / "trials" / f"{trial['number']:04d}")
    images = ase.io.read("data.extxyz", ":9")[::5]
    energies = potential.predict(images).energy
    errors = [
        (e - i.get_potential_energy()) / len(i) for e, i in zip(energies, images, strict=True)
    ]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(trial["errors"]["energy"], rel=1e-6)


def test_frames_kept_apart_choose_nothing(folder):
    """Other energies and forces of these change the confirmation, and no trial."""
    found = []
    for spoiled in (False, True):
        images = alloy_frames(12)
        for image in images[9:] if spoiled else ():
            image.calc.results["energy"] += 50.0
            image.calc.results["forces"] = -3.0 * image.calc.results["forces"]
        ase.io.write("data.extxyz", images)
        out = f"spoiled-{spoiled}"
        given = ["--trials", "2", "--test", "3", "--objectives", "error", "--sampler", "cmaes"]
        assert main([*GIVEN, *given, "--confirm", "1", "--out", out]) == 0
        found.append(report(folder / out))
    keys = ("family", "values", "scores", "state")
    first, second = ([{k: t.get(k) for k in keys} for t in each["trials"]] for each in found)
    assert first == second
    errors = [each["confirmed"]["outcomes"]["seed-0"]["errors"]["energy"] for each in found]
    assert errors[1] > 1.0 + errors[0]


def started(*more: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(amptorch.__file__).parents[1])}
    environment.pop("PYTHONWARNINGS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "amptorch", *GIVEN, *more], env=environment, start_new_session=True
    )


def begun(folder: Path) -> int:
    """Trials that a worker took, at least; those that were lost too."""
    path = folder / "search" / JOURNAL
    return path.read_text().count('"worker":"') if path.is_file() else 0


def killed(folder: Path, moment: float) -> None:
    """A search of many trials, killed so many seconds after it took its first one."""
    before, until = begun(folder), time.monotonic() + 300
    search = started("--trials", "60", "--confirm", "0")
    while begun(folder) == before:
        assert time.monotonic() < until
        assert search.poll() is None
        time.sleep(0.02)
    time.sleep(moment)
    os.killpg(search.pid, signal.SIGKILL)
    search.wait()


def test_killed_searches_lose_their_trial_alone(folder):
    """Killed at random moments, then two processes at once: all that was asked for, each number
    once."""
    moments = np.random.default_rng().uniform(0.0, 2.0, 2)
    for moment in moments:
        killed(folder, moment)
    number = begun(folder) + 2
    assert main([*GIVEN, "--trials", str(number), "--confirm", "0", "--workers", "2"]) == 0
    trials = report(folder / "search")["trials"]
    states = [each["state"] for each in trials]
    told = f"killed after {moments} s: {states}"
    assert states.count("lost") <= len(moments), told
    assert len(states) - states.count("lost") == number, told
    assert not {"running", "failed"} & set(states), told
    for lost in (each for each in trials if each["state"] == "lost" and each["values"]):
        again = [each for each in trials if each["values"] == lost["values"] and each is not lost]
        assert again, told
    workers = (folder / "search" / JOURNAL).read_text()
    names = {
        json.loads(line)["user_attr"]["worker"]
        for line in workers.splitlines()
        if '"worker":"' in line
    }
    assert len(names) >= len(moments) + 1


def test_a_search_killed_as_it_begins_a_trial(tmp_path):
    """No worker has it, and its values are tried again; in a database one may be about to say so."""
    study = optuna.create_study(storage=storage_at(None, tmp_path), study_name="killed")
    study.enqueue_trial({"x": 0.25})
    study.ask().suggest_float("x", 0.0, 1.0)
    assert give_up_lost(study, tmp_path, turns=False) == []
    assert give_up_lost(study, tmp_path, turns=True) == [0]
    lost, again = study.trials
    assert not counts(lost)
    assert again.system_attrs["fixed_params"] == {"x": 0.25}


def test_values_that_cannot_be_are_told(folder, capsys):
    space = {"snap": {"dataset.fp_params.twojmax": {"choices": [2, -3]}}}
    Path("space.yaml").write_text(yaml.safe_dump(space))
    assert main([*GIVEN, "--trials", "6", "--sampler", "random", "--confirm", "0"]) == 0
    trials = report(folder / "search")["trials"]
    failed = [each for each in trials if each["state"] == "failed"]
    assert failed
    assert all(each["values"] == {"dataset.fp_params.twojmax": -3} for each in failed)
    assert "twojmax" in failed[0]["failure"]
    assert "What failed" in (folder / "search" / "report.md").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--minutes, --trials: expected one of them, got neither"),
        (["--trials", "3", "--workers", "0"], "--workers: expected 1 or more, got 0"),
        (["--trials", "3", "--test", "12"], "--test: expected fewer than the 12 frames, got 12"),
        (["--trials", "3", "--families", "snip"], "--families: unknown 'snip'"),
        (["--trials", "3", "--objectives", "eror"], "objectives: unknown 'eror'; .*error"),
        (["--trials", "3", "--sampler", "cmaes"], "cmaes has one objective, expected one, got 2"),
    ],
)
def test_wrong_usage(folder, capsys, more, message):
    assert main([*GIVEN, *more]) in (1, 2)
    assert re.search(message, capsys.readouterr().err)


def postgresql_binaries() -> dict[str, str]:
    """Paths of initdb and pg_ctl: on PATH, or where Debian has them."""
    debian = map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))
    path = os.pathsep.join([os.environ.get("PATH", ""), *debian])
    found = {name: shutil.which(name, path=path) for name in ("initdb", "pg_ctl")}
    return {name: place for name, place in found.items() if place}


@pytest.fixture
def postgresql():
    """URL of a server that is started here, by another user where this one is root."""
    pytest.importorskip("psycopg2", reason="needs the package psycopg2")
    binaries = postgresql_binaries()
    if len(binaries) < 2:
        pytest.skip("needs initdb and pg_ctl of PostgreSQL")
    initdb, pg_ctl = binaries["initdb"], binaries["pg_ctl"]
    home, port = Path(tempfile.mkdtemp(prefix="pg")), 50000 + os.getpid() % 10000
    own = {} if os.getuid() else {"user": "nobody"}
    if own:
        shutil.chown(home, "nobody")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": home, **own}
    data, options = home / "data", f"-p {port} -k {home} -c listen_addresses=''"
    if subprocess.run([initdb, "-N", "-D", data, "-U", "a", "-A", "trust"], **quiet).returncode:
        pytest.skip("initdb of PostgreSQL does not run for this user")
    subprocess.run([pg_ctl, "-D", data, "-w", "-o", options, "start"], check=True, **quiet)
    yield f"postgresql+psycopg2://a@/postgres?host={home}&port={port}"
    subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], check=True, **quiet)
    shutil.rmtree(home)


def test_postgresql(folder, postgresql):
    """Two processes share a database: each trial is counted once."""
    Path("space.yaml").write_text(yaml.safe_dump({"snap": SPACE["snap"]}))
    given = ["--trials", "4", "--confirm", "0", "--workers", "2", "--storage", postgresql]
    assert main([*GIVEN, *given]) == 0
    trials = report(folder / "search")["trials"]
    assert [each["number"] for each in trials] == list(range(4))
    assert {each["state"] for each in trials} == {"complete"}
    assert not (folder / "search" / JOURNAL).exists()


# Of distributed itself, when a cluster is closed.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_dask(folder):
    """A worker of a cluster takes the trials, and tells the journal that it was another process."""
    pytest.importorskip("distributed", reason="needs the package distributed")
    given = ["--families", "snap", "--dask", "local", "--trials", "2", "--confirm", "0"]
    Path("space.yaml").write_text(yaml.safe_dump({"snap": SPACE["snap"]}))
    assert main([*GIVEN, *given]) == 0
    assert [each["state"] for each in report(folder / "search")["trials"]] == ["complete"] * 2
    journal = (folder / "search" / JOURNAL).read_text()
    assert f'"worker":"{os.getpid()}-' not in journal
    assert journal.count('"worker":"') == 2


def test_families_are_compared_on_the_same_folds(folder, capsys, monkeypatch):
    """One that fails, whatever the failure, is told and tried again; the others go on."""
    given = ["compare-families", "data.extxyz", "--families", "snap,qsnap", "--folds", "2"]
    given += ["--quiet", "--set", "dataset.fp_params.twojmax=2"]
    out, train = folder / "families", Problem.train

    def failing(self, drawn, fold, *args):
        if (drawn.family, fold) == ("snap", 0):
            raise KeyError("of the family")
        return train(self, drawn, fold, *args)

    monkeypatch.setattr(Problem, "train", failing)
    assert main(given) == 0
    (failure,) = report(out)["failures"]
    assert failure == {"fold": 0, "family": "snap", "why": "KeyError: 'of the family'"}
    first = report(out)["results"]
    assert [(each["fold"], each["family"]) for each in first] == [
        *((0, "qsnap"), (1, "snap"), (1, "qsnap"))
    ]
    assert amptorch.load(out / "qsnap" / "fold-1").elements == ["Cu", "Pd"]

    monkeypatch.setattr(Problem, "train", train)
    capsys.readouterr()
    assert main(given) == 0
    rows, said = report(out)["results"], capsys.readouterr().out
    assert [each for each in rows if each in first] == first
    assert len(rows) == 4 == len(first) + 1
    assert not report(out)["failures"]
    # Means and deviations over both folds, in words and in the table.
    for family in ("snap", "qsnap"):
        energies = [1000.0 * r["errors"]["energy"] for r in rows if r["family"] == family]
        (line,) = re.findall(rf"^\| {family} \| (\S+) ± (\S+) .* \| 2 \|$", said, re.M)
        expected = np.mean(energies), np.std(energies, ddof=1)
        np.testing.assert_allclose(np.array(line, float), expected, rtol=0.05)
    assert "Least energy errors: " in said
    page = (out / "report.html").read_text()
    for name in ("front", "front-energy", "front-forces"):
        assert f'id="{name}"' in page
        assert f"({name}.svg)" in said
        assert "<svg" in (out / f"{name}.svg").read_text()
