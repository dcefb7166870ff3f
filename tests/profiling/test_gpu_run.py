"""``profiling/gpu_run.sh``, with a stand-in for Python that ends its steps as it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ase.io import read

from profiling import gpu_steps
from profiling.gpu_report import joined
from profiling.report import Report

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/usr/bin/env bash
case "$*" in
    *profiling.gpu_report*) shift 2; exec {python} -m profiling.gpu_report "$@" ;;
    *gpu_steps\\ build*) echo broken; exit 7 ;;
    *gpu_steps\\ smoke*) sleep 60 ;;
    *--parts\\ fingerprints*) cp -r {part} "$PWD/build/gpu/fingerprints" ;;
    *get_device_name*) echo "NVIDIA H100 80GB (x)" ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the script and a Python of which the build fails and the smoke hangs."""
    part = Report("gpu", "A part", "python -m profiling gpu")
    part.measure("batch/kernel", [1.0, 2.0], "ms")
    part.check("two ways to a number", 0.0, 1.0)
    part.write(tmp_path / "part")
    (tmp_path / "profiling").mkdir()
    shutil.copy(ROOT / "profiling" / "gpu_run.sh", tmp_path / "profiling")
    stand_in = tmp_path / "python"
    stand_in.write_text(STAND_IN.format(python=sys.executable, part=tmp_path / "part"))
    stand_in.chmod(0o755)
    return tmp_path


def run(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHON": str(tree / "python"), "PYTHONPATH": str(ROOT)}
    environment = {key: value for key, value in os.environ.items() if key != "OUT"} | own
    command = [tree / "profiling" / "gpu_run.sh", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture
def limits(tree: Path) -> None:
    """Three seconds for the step that hangs."""
    script = tree / "profiling" / "gpu_run.sh"
    text = script.read_text()
    assert "first smoke 60" in text
    script.write_text(text.replace("first smoke 60", "first smoke 3"))


@pytest.mark.usefixtures("limits")
def test_steps_fail_alone_and_are_reported(tree):
    done = run(tree)
    assert done.returncode == 1
    (folder,) = (tree / "reports").iterdir()
    assert folder.name.endswith("-gpu-NVIDIA-H100-80GB-x-")
    names = {path.name for path in folder.iterdir()}
    assert names == {"log.txt", "summary.txt", "report.html", "report.json", "report.md"}
    report = Report.read(folder)
    steps = {row[0]: row[1] for row in report.sections[0].tables[0].rows}
    assert steps["build"] == "failed (7)"
    assert steps["smoke"] == "timed out"
    assert {steps[name] for name in set(steps) - {"build", "smoke"}} == {"passed"}
    (failed, of_a_part) = report.checks
    assert (failed.value, of_a_part.passed) == (2, True)
    assert report.measurements[0].key == "fingerprints/batch/kernel"
    assert "broken" in (folder / "log.txt").read_text()
    assert "timed out" in done.stdout


def test_no_step_starts_without_time(tree):
    assert run(tree, "--limit", "2", "--out", str(tree / "out")).returncode == 1
    steps = Report.read(tree / "out").sections[0].tables[0].rows
    assert {row[1] for row in steps} == {"not run"}


def test_unknown_option(tree):
    done = run(tree, "--output", "x")
    assert done.returncode == 2
    assert "--out FOLDER" in done.stderr


def test_joined_without_parts(tmp_path):
    (tmp_path / "steps.tsv").write_text("machine\tpassed\t1\t60\tall is well\n")
    (tmp_path / "machine.txt").write_text("H100\n")
    report = joined("H100", tmp_path / "steps.tsv", tmp_path / "machine.txt", [tmp_path / "none"])
    assert report.agrees
    assert [section.heading for section in report.sections] == ["Steps", "The machine"]


class TestSteps:
    def test_missing_wheels_alone(self, tmp_path):
        for name in ("torch-0.1-py3-none-any.whl", "absent_here-1.0-py3-none-any.whl"):
            (tmp_path / name).touch()
        assert [path.name for path in gpu_steps.missing_wheels(tmp_path)] == [
            "absent_here-1.0-py3-none-any.whl"
        ]

    def test_smoke(self, capsys):
        gpu_steps.smoke("cpu")
        assert "differ by 0.0e+00" in capsys.readouterr().out

    def test_frames(self, tmp_path):
        gpu_steps.frames(str(tmp_path / "frames.traj"))
        assert [len(image) for image in read(tmp_path / "frames.traj", ":")] == [164] * 5
