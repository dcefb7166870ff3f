"""Files beside the report: the worst frames, chemiscope's input, pictures under MedeA's names."""

from __future__ import annotations

import gzip
import json

import ase.io
import numpy as np
import pytest

from amptorch.report import write_report
from amptorch.report.chemiscope import write_chemiscope
from amptorch.report.fit import Part
from amptorch.report.pictures import fitted_line, write_pictures
from amptorch.report.worst import ATOMS, drawn, view, write_worst

from . import synthetic

SETS = ("TrainingSet", "ValidationSet", "TestSet")
NAMES = ("Energies", "Forces", "Stresses")


@pytest.fixture(scope="module")
def evaluations():
    return {
        kind: synthetic.evaluation(number, number)
        for kind, number in (("training", 40), ("validation", 12), ("test", 15))
    }


def test_the_worst_frames_are_read_back(evaluations, tmp_path):
    write_worst(evaluations, 3, tmp_path / "worst.extxyz")
    images = ase.io.read(tmp_path / "worst.extxyz", ":")
    own = [image for image in images if image.info["set"] == "test"]
    errors = [abs(frame.energy.difference[0]) for frame in evaluations["test"].frames]
    by_energy = [image.info["frame"] for image in own if "energy" in image.info["worst_by"]]
    assert by_energy == np.argsort(errors)[::-1][:3].tolist()
    for image in own:
        frame = evaluations["test"].frames[image.info["frame"]]
        size = len(image)
        assert image.get_potential_energy() == pytest.approx(size * frame.energy.reference[0])
        assert image.info["predicted_energy"] == pytest.approx(size * frame.energy.predicted[0])
        np.testing.assert_allclose(image.get_forces(), frame.forces.reference, atol=1e-7)
        np.testing.assert_allclose(
            image.arrays["predicted_forces"], frame.forces.predicted, atol=1e-7
        )
        np.testing.assert_allclose(image.get_stress(), frame.stress.reference, atol=1e-7)
        assert image.info["group"] == frame.group


def test_the_worst_frames_of_a_fit_can_be_evaluated(trainer, frames, tmp_path):
    """As they are: references are under the names that are read anyway."""
    report = write_report(trainer, {"test": Part(frames)}, tmp_path / "one", plots=False)
    images = ase.io.read(tmp_path / "one" / "worst.extxyz", ":")
    again = write_report(trainer, {"test": Part(images)}, tmp_path / "two", plots=False)
    assert again["errors"]["test"]["energy"] == pytest.approx(
        report["errors"]["test"]["energy"], rel=1e-5
    )


def test_a_page_holds_so_many_atoms():
    """Frames that are too large for it are not drawn."""
    large = synthetic.evaluation(3, sizes=(ATOMS // 2 - 100, ATOMS // 2 + 102, 40))
    found = [len(frame.image) for _, frame, _ in drawn({"test": large})]
    assert sum(found) <= ATOMS
    assert found


def test_a_view_has_elements_positions_and_errors(evaluations):
    frame = evaluations["test"].frames[0]
    found = view(frame)
    assert [found["elements"][kind] for kind in found["kinds"]] == list(frame.image.symbols)
    np.testing.assert_allclose(
        np.reshape(found["positions"], (-1, 3)), frame.image.positions, atol=0.006
    )
    np.testing.assert_allclose(
        np.reshape(found["errors"], (-1, 3)), frame.forces.difference, atol=6e-4
    )
    assert found["radii"] == [1.32, 1.39]  # Cordero et al. 2008: Cu, Pd


def test_chemiscope(evaluations, tmp_path):
    """Every property has a value for every structure, as its documentation asks for."""
    evaluations = {**evaluations}
    evaluations["test"].frames[2].stress = None
    write_chemiscope("Made up", evaluations, tmp_path / "chemiscope.json.gz")
    with gzip.open(tmp_path / "chemiscope.json.gz", "rt") as file:
        found = json.load(file)
    structures, properties = found["structures"], found["properties"]
    assert found["meta"]["name"] == "Made up"
    assert len(structures) == 67
    for structure in structures:
        assert structure["size"] == len(structure["names"])
        assert all(len(structure[axis]) == structure["size"] for axis in "xyz")
        assert len(structure["cell"]) == 9
    assert "stress RMSE" not in properties
    assert all(len(each["values"]) == 67 for each in properties.values())
    assert all(each["target"] == "structure" for each in properties.values())
    frame = evaluations["test"].frames[3]
    assert properties["energy error"]["values"][55] == 1000 * frame.energy.difference[0]
    used = found["settings"]["map"]
    assert {used["x"]["property"], used["y"]["property"], used["symbol"]} <= set(properties)


def test_pictures_have_the_names_of_medea(tmp_path, evaluations):
    """And pyplot is left as it was."""
    matplotlib = pytest.importorskip("matplotlib")
    backend = matplotlib.rcParams._get_backend_or_none()
    names = write_pictures(evaluations, synthetic.history(10, 8), tmp_path)
    assert set(names) == {
        "learning-curve.png",
        *(f"{name}_DFT_vs_MLP.png" for name in NAMES),
        *(f"{name}_Difference_DFT_vs_MLP.png" for name in NAMES),
        *(f"{name}_Error_Distribution_{kind}.png" for name in NAMES for kind in SETS),
    }
    assert all((tmp_path / name).stat().st_size > 1000 for name in names)
    assert matplotlib.rcParams._get_backend_or_none() == backend


def test_the_fitted_line():
    x = np.random.default_rng(0).normal(size=50)
    y = 0.9 * x + 0.2 + 0.01 * np.sin(x)
    assert fitted_line(x, y) == pytest.approx(tuple(np.polyfit(x, y, 1)))
    assert np.isnan(fitted_line(np.ones(3), np.arange(3.0))[0])
