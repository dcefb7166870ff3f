"""Histograms of fingerprint components, from the option on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from amptorch.report import Part, training_parts, write_report
from amptorch.report.histograms import Histogram, folded


@pytest.fixture(scope="module")
def written(trainer, frames, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    parts = {**training_parts(trainer, frames[:6]), "test": Part(frames[6:])}
    write_report(trainer, parts, out, plots=False, bins=7)
    return out, parts


def test_every_component_of_every_element_of_the_first_part(trainer, written):
    out, parts = written
    found = json.loads((out / "report.json").read_text())["histograms"]
    assert {kind: bool(each) for kind, each in found.items()} == {
        "training": True,
        "validation": False,
        "test": False,
    }
    descriptor, images = trainer.descriptor, parts["training"].images
    values = np.concatenate([descriptor.fingerprints(descriptor.environment(i)) for i in images])
    symbols = np.concatenate([image.get_chemical_symbols() for image in images])
    expected = [
        (element, name, column)
        for element in descriptor.elements
        for name, column in zip(
            descriptor.names_of(element), values[symbols == element].T, strict=True
        )
    ]
    assert len(found["training"]) == len(expected) == 2 * descriptor.n_features
    for each, (element, name, column) in zip(found["training"], expected, strict=True):
        assert (each["element"], each["component"]) == (element, name)
        assert [each["low"], each["high"]] == pytest.approx([column.min(), column.max()], rel=1e-12)
        assert len(each["counts"]) == 7
        assert sum(each["counts"]) == len(column)
        assert min(each["counts"][0], each["counts"][-1]) > 0


def test_they_are_folded_away(written, trainer):
    page = (written[0] / "report.html").read_text()
    part = re.search(r"<details><summary>Histograms.*?</details>", page, re.DOTALL)[0]
    assert part.count("<svg") == 2 * trainer.descriptor.n_features
    assert "G2 Cu eta" in part


def test_none_unless_asked_for(trainer, frames, tmp_path):
    report = write_report(trainer, {"test": Part(frames)}, tmp_path, plots=False)
    assert report["histograms"] == {"test": []}
    assert "Histograms" not in (tmp_path / "report.html").read_text()


def test_the_outline_goes_around_the_bars():
    only = Histogram("H", "G2 <1>", 0.0, 1.0, [4, 4, 0, 2])
    page = "".join(folded({"test": [only]}))
    assert 'd="M0 40V0H100V40H150V20H200V40Z"' in page
    assert "G2 &lt;1&gt;: 0 to 1" in page
