"""``python -m profiling sample``: what is made of sampled stacks, and one run under py-spy."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import ase.io
import pytest

from profiling import __main__ as command
from profiling import sample
from profiling.stacks import (
    ROOT,
    collapsed,
    cut,
    relative,
    self_and_total,
    share,
    without_arguments,
)

from ..made_potentials import cuco_frames

SITE = "/opt/python/lib/python3.11/site-packages"


def profile() -> dict:
    """Three seconds of one thread and one of another, in files of some machine."""
    frames = [
        ("main", f"{ROOT}/profiling/workload.py", 50),
        ("watched", f"{ROOT}/profiling/workload.py", 40),
        ("Adam.step", f"{SITE}/torch/optim/adam.py", 214),
        ("pull<double>(long, f(int)::T)", "/elsewhere/amptorch/amptorch/kernels/cpu/pull.h", 7),
        ("pull<double>(long, f(int)::T)", "/elsewhere/amptorch/amptorch/kernels/cpu/pull.h", 9),
        ("0x7f00", "/usr/lib/libc.so.6", 0),
        ("0x7f08", "/usr/lib/libc.so.6", 0),
    ]
    samples = [[0], [0, 1], [0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 5], [0, 1, 6]]
    keys = ("name", "file", "line")
    return {
        "shared": {"frames": [dict(zip(keys, frame, strict=True)) for frame in frames]},
        "profiles": [
            {"name": 'Thread 123 ""', "samples": samples, "weights": [0.5] * len(samples)},
            {"name": 'Thread 124 "tqdm"', "samples": [[0, 5]], "weights": [1.0]},
        ],
    }


def test_cut_leaves_what_is_below_the_function():
    kept = cut(profile(), *sample.WATCHED)
    (thread,) = kept["profiles"]
    assert thread["name"] == "main"
    assert thread["endValue"] == sum(thread["weights"]) == 2.5
    assert "main" not in [frame["name"] for frame in kept["shared"]["frames"]]
    watched, adam = "watched (profiling/workload.py:40)", "Adam.step (torch/optim/adam.py:214)"
    pull, unknown = "pull<double> (amptorch/kernels/cpu/pull.h)", "? (libc.so.6)"
    stacks = collapsed(kept)
    assert stacks == {(watched,): 1, (watched, adam, pull): 2, (watched, unknown): 2}
    assert self_and_total(stacks) == {
        watched: (1, 5),
        adam: (0, 2),
        pull: (2, 2),
        unknown: (2, 2),
    }
    assert str(ROOT) not in json.dumps(kept)
    kernels = ("amptorch/kernels/cpu/", "amptorch/_native")
    assert share(stacks, "watched (", kernels) == 2 / 5
    assert share(stacks, "Adam.step (", kernels) == 1
    assert share(stacks, "nothing (", kernels) == 0
    assert '"/' not in json.dumps(kept)


def test_recursion_counts_once():
    assert self_and_total({("a", "b", "a"): 3, ("a",): 1}) == {"a": (4, 4), "b": (0, 3)}


def test_a_run_that_nobody_saw():
    with pytest.raises(ValueError, match=r"some in other \(profiling/workload.py\), got none"):
        cut(profile(), "other", "profiling/workload.py")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (f"{ROOT}/amptorch/fit/net.py", "amptorch/fit/net.py"),
        (f"{SITE}/skorch/net.py", "skorch/net.py"),
        ("/usr/lib/python3.12/json/decoder.py", "json/decoder.py"),
        ("/build/amptorch/amptorch/kernels/cpu/gmp.cpp", "amptorch/kernels/cpu/gmp.cpp"),
        ("/usr/lib/x86_64-linux-gnu/libm.so.6", "libm.so.6"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("?", "?"),
    ],
)
def test_relative(file, expected):
    assert relative(file) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f(int, g(long))", "f"),
        ("Matrix<double>::operator()(long) const", "Matrix<double>::operator() const"),
        ("(anonymous namespace)::run(char*)", "(anonymous namespace)::run"),
        ("Angular<(Operation)1>::hand_out<4>(int)", "Angular<(Operation)1>::hand_out<4>"),
        ("train.<locals>.step", "train.<locals>.step"),
    ],
)
def test_names_of_functions(name, expected):
    assert without_arguments(name) == expected


def answer(status: int, said: str):
    return lambda *_, **__: subprocess.CompletedProcess([], status, "", said)


def test_what_to_allow(monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "run", answer(1, "Permission Denied: try elevated permissions"))
    with pytest.raises(PermissionError, match="SYS_PTRACE"):
        sample.record(["true"], tmp_path / "profile.json", native=False)
    monkeypatch.setattr(subprocess, "run", answer(2, "no such option"))
    with pytest.raises(RuntimeError, match="py-spy ended with status 2: no such option"):
        sample.record(["true"], tmp_path / "profile.json", native=False)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError("not allowed"), "not allowed"),
        (RuntimeError("/x/y"), "failed with --native"),
    ],
)
def test_goes_on_without_native_functions(monkeypatch, error, said):
    asked = []

    def record(_, file, native):
        asked.append(native)
        if native:
            raise error
        file.write_text(json.dumps(profile()))

    monkeypatch.setattr(sample, "record", record)
    _, remark = sample.sampled(["true"])
    assert asked == [True, False]
    assert said in remark
    assert "/x/y" not in remark


def test_report(tmp_path):
    lacks = sample.missing()
    if lacks:
        pytest.skip(lacks)
    ase.io.write(tmp_path / "frames.traj", cuco_frames(6))
    out = tmp_path / "report"
    options = ["--frames", "6", "--epochs", "10", "--out", str(out)]
    command.main(["sample", "--data", str(tmp_path / "frames.traj"), *options])
    watched = json.loads((out / "profile.speedscope.json").read_text(encoding="utf-8"))
    names = {frame["name"] for frame in watched["shared"]["frames"]}
    assert {"watched", "AtomsNet.train_step_single", "Potential.evaluate"} & names
    assert "warm_up" not in names
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="flame_graph"' in page
    for file in out.iterdir():
        found = re.findall(r"/(?:home|root|tmp|usr|opt)/\S*", file.read_text(encoding="utf-8"))
        assert not found, file.name
    assert str(Path.home()) not in page
