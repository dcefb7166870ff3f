"""What is said of the package in several places is the same everywhere."""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path

import yaml

import amptorch

ROOT = Path(__file__).parents[1]


def test_the_version_stands_in_one_place():
    assert metadata("amptorch")["Version"] == amptorch.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == amptorch.__version__
    assert citation["license"] == metadata("amptorch")["License"]


def test_wheels_are_made_for_the_pythons_that_are_promised():
    classifiers = metadata("amptorch").get_all("Classifier") or []
    promised = {each.rpartition(" ")[2] for each in classifiers if "Python :: 3." in each}
    text = (ROOT / "pyproject.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("build = "))
    made = {
        f"3.{part.removeprefix('cp3')}" for part in line.split('"')[1].replace("-*", "").split()
    }
    assert made == promised == {"3.10", "3.11", "3.12", "3.13"}


def test_the_workflow_of_wheels_is_one():
    workflow = yaml.safe_load((ROOT / ".github/workflows/wheels.yml").read_text())
    assert set(workflow["jobs"]) == {"wheels", "source"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all("uses" in step or "run" in step for step in job["steps"])
