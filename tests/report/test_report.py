"""What a report holds, and that its page needs nothing but itself."""

from __future__ import annotations

import builtins
import hashlib
import json
import re
from base64 import b64decode, b64encode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amptorch import AtomsTrainer
from amptorch.report import Part, evaluate, summary, training_parts, write_report
from amptorch.report.fit import write_files
from amptorch.report.html import document, prose
from amptorch.report.html import table as html_table
from amptorch.report.learning import best_epoch, curves
from amptorch.report.sections import Table

from ..made_potentials import config, cuco_frames, trained
from . import synthetic

SETS = ("training", "validation", "test")
FIGURES = {
    *(f"learning_{name}" for name in ("loss", "energy", "forces")),
    *(f"errors_{name}" for name in ("energy", "forces", "stress")),
    *(f"{name}_by_group" for name in ("energy", "forces", "stress")),
    "forces_by_element",
    *(f"parity_{name}_{kind}" for name in ("energy", "forces", "stress") for kind in SETS),
}
WRITTEN = {"report.html", "report.json", "report.md", "report.txt", "worst.extxyz"}


@pytest.fixture(scope="module")
def written(trainer, frames, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("report") / "deep" / "folder"
    source = out.parent.parent / "frames <&>.txt"
    source.write_text("as if")
    parts = {**training_parts(trainer, frames[:6], source), "test": Part(frames[6:])}
    return out, write_report(trainer, parts, out, "A <fit> & more", 12.3)


def test_the_split_is_the_one_trained_with(trainer, frames):
    parts = training_parts(trainer, frames[:6])
    indices = [list(parts[kind].indices) for kind in ("training", "validation")]
    assert sorted([*indices[0], *indices[1]]) == list(range(6))
    assert len(indices[1]) in (2, 3)
    for part in parts.values():
        assert all(
            image is frames[index] for image, index in zip(part.images, part.indices, strict=True)
        )


def test_validation_errors_are_those_of_the_best_epoch(trainer, written):
    """The history's MAE per frame of that epoch, worked out apart while training."""
    best = best_epoch(trainer.net.history)
    row = trainer.net.history[best - 1]
    errors = written[1]["errors"]["validation"]
    assert 4 * errors["energy"]["mae"] == pytest.approx(row["val_energy_mae"], rel=1e-5)
    assert errors["forces"]["mae"] == pytest.approx(row["val_forces_mae"], rel=1e-5)


def test_learning_curves_are_in_the_units_of_the_tables(trainer, written):
    """The best epoch of the curves is the validation error of the tables: in meV/atom."""
    history, errors = trainer.net.history, written[1]["errors"]["validation"]
    found = {curve.name: curve for curve in curves(history, {"training": 4.0, "validation": 4.0})}
    best = best_epoch(history) - 1
    assert found["energy"].unit == "meV/atom"
    assert found["energy"].lines["validation"][best] == pytest.approx(
        1000 * errors["energy"]["mae"], rel=1e-5
    )
    assert found["forces"].lines["validation"][best] == pytest.approx(
        errors["forces"]["mae"], rel=1e-5
    )


def test_curves_of_squares_and_of_unknown_frames():
    """Metric "mse" gives RMSE; energies whose frames are not there stay those of frames."""
    rows = [{"epoch": n, "train_loss": 1.0 / n, "train_energy_mse": 4.0 / n**2} for n in (1, 2)]
    loss, energy = curves(rows, {"training": 8.0})
    assert loss.lines == {"training": [1.0, 0.5]}
    assert energy.lines["training"] == pytest.approx([250.0, 125.0])
    assert (energy.unit, energy.label) == ("meV/atom", "energy RMSE")
    assert curves(rows, {})[1].lines["training"] == pytest.approx([2.0, 1.0])
    assert curves(rows, {})[1].unit == "eV a frame"


def test_json_is_what_was_returned(written):
    out, report = written
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report))
    assert "NaN" not in (out / "report.json").read_text()
    assert report["data"]["test"]["frames"] == 2
    assert report["data"]["training"]["file"] == "frames <&>.txt"
    assert report["training"]["epochs"] == 3
    assert report["model"]["chosen_from_data"]["functions"].keys() == {"Cu", "Pd"}
    assert report["extrapolation"]["training"] == ""
    assert "lie outside the range seen in training" in report["extrapolation"]["test"]
    assert set(report["worst"]) == {"training", "validation", "test"}
    assert report["settings"]["model"]["num_nodes"] == 4
    assert "raw_data" not in report["settings"]["dataset"]
    assert report["cost"]["training"] > 0
    assert all(each["model"] > 0 for each in report["cost"]["prediction"].values())


def test_markdown(written):
    out, report = written
    text = (out / "report.md").read_text()
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert set(shown) == {f"figures/{name}.svg" for name in FIGURES}
    assert all((out / name).is_file() for name in shown)
    for heading in ("Forces by element", "Groups", "Worst frames, test", "Machine", "Warnings"):
        assert f"\n## {heading}\n" in text
    rmse = 1000 * report["errors"]["test"]["energy"]["rmse"]
    assert f"| test | {rmse:.1f} |" in text


def test_text(written):
    out, report = written
    text = (out / "report.txt").read_text()
    assert summary(report).split("\n\n")[0] in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= 130
    (gpa,) = (place for place, line in enumerate(lines) if line.startswith("Stresses (GPa)"))
    row = next(line.split() for line in lines[gpa + 2 :] if line.startswith("validation"))
    # CODATA: 1 eV/Å^3 is 160.2177 GPa.
    expected = 160.2177 * report["errors"]["validation"]["stress"]["rmse"]
    assert float(row[1]) == pytest.approx(expected, rel=1e-3)
    assert "too few" in text
    assert "image" not in summary(report) or "lie outside" in summary(report)


class Page(HTMLParser):
    """Collects what could make a browser ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster", "background"):
                self.addresses.append(str(value))
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


def check_alone(text: str) -> None:
    """A page asks for nothing and runs but the script whose checksum its policy names."""
    page = parsed(text)
    assert not page.open
    assert not page.handlers
    assert not {"iframe", "object", "base", "form", "img"} & set(page.tags)
    icon, *images = page.addresses
    assert icon == "data:,"
    for address in images:
        prefix = "data:image/png;base64,"
        assert address.startswith(prefix)
        assert b64decode(address.removeprefix(prefix)).startswith(b"\x89PNG")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    checksum = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{checksum}'"
        in text
    )
    assert not re.search(r"\beval\b|new Function|innerHTML|fetch\(|import\(", script)
    rest = text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(script, "")
    assert not re.search(r"https?:|url\(|@import", rest)


def test_the_page_needs_nothing_else(written):
    text = (written[0] / "report.html").read_text()
    check_alone(text)
    assert {name for name in FIGURES if f'<figure id="{name}">' in text} == FIGURES
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    content = json.loads(data.group(1))
    assert set(content["points"]) == {name for name in FIGURES if name.startswith("parity")}
    assert len(content["frames"]) == text.count("<canvas")


def test_a_hundred_thousand_frames(tmp_path):
    """A small page, whose points are those that matter."""
    evaluations = {
        kind: synthetic.evaluation(n, n) for kind, n in (("training", 100_000), ("test", 1000))
    }
    rows = synthetic.history(20, 18)
    report = synthetic.report("Many", evaluations, rows)
    write_files(report, evaluations, rows, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert len(text.encode()) < 3e6
    check_alone(text)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 6e6
    content = json.loads(re.search(r'id="data">(.*?)</script>', text).group(1))
    points = content["points"]["parity_energy_training"]
    assert len(points["frame"]) <= 500
    assert report["worst"]["training"]["energy"][0]["frame"] in points["frame"]


def test_text_is_escaped(written):
    out, _ = written
    text = (out / "report.html").read_text()
    assert "<h1>A &lt;fit&gt; &amp; more</h1>" in text
    assert "frames &lt;&amp;&gt;.txt" in text


def test_text_cannot_end_the_script_of_data(tmp_path):
    evaluations = {"test": synthetic.evaluation(12)}
    for frame in evaluations["test"].frames:
        frame.image.info["group"] = "</script><b>"
    report = synthetic.report("Hostile", evaluations, [])
    write_files(report, evaluations, [], tmp_path)
    text = (tmp_path / "report.html").read_text()
    check_alone(text)
    assert "<b>" not in text


def test_a_page_without_a_script_runs_none():
    assert "script" not in document("Bare", ["<p>words</p>"])


def test_columns_of_numbers_are_aligned_on_the_right():
    text = html_table(Table(["name", "x", "y"], [["a", "-1.5", "2 of 3"], ["b", "", "none"]]))
    assert '<th>name</th><th class="number">x</th><th>y</th>' in text
    assert '<td>a</td><td class="number">-1.5</td><td>2 of 3</td>' in text


def test_links_and_code():
    text = prose(
        "<see> [line 3](#gmp.py-3), [more](other.md) and `a[i]`; [no](http://x) [b](c:d) [e](//f)"
    )
    assert text == (
        '&lt;see&gt; <a href="#gmp.py-3">line 3</a>, <a href="other.md">more</a> and '
        "<code>a[i]</code>; [no](http://x) [b](c:d) [e](//f)"
    )


def test_without_forces_training_or_plots(run_dir, frames):
    """Energies only: no forces, no stress; a loaded model has no choice from data to show."""
    trainer = trained(
        frames[:4],
        run_dir,
        model={"get_forces": False},
        optim={"force_coefficient": 0.0},
    )
    report = write_report(trainer, {"test": Part(frames[4:])}, run_dir / "r", plots=False)
    assert set(report["errors"]["test"]) == {"energy"}
    assert report["forces_by_element"] == {"test": {}}
    assert report["worst"]["test"]["forces"] == []
    assert {path.name for path in (run_dir / "r").iterdir()} == WRITTEN
    assert "<svg" not in (run_dir / "r" / "report.html").read_text()


def test_the_best_epoch_is_the_last_that_was_kept():
    history = [{"epoch": 1, "event_cp": True}, {"epoch": 2, "event_cp": True}, {"epoch": 3}]
    assert best_epoch(history) == 2
    assert best_epoch(history[2:]) is None


def test_nothing_to_evaluate_on(trainer, tmp_path):
    """As after training from a store: the learning curve alone."""
    report = write_report(trainer, {}, tmp_path)
    assert report["errors"] == {}
    text = (tmp_path / "report.html").read_text()
    assert "No frames to evaluate on." in text
    assert '<figure id="learning_energy">' in text
    assert {path.name for path in tmp_path.iterdir()} == {*WRITTEN, "figures"} - {"worst.extxyz"}


def test_predictions_that_are_no_numbers(tmp_path):
    """JSON has null for them, figures leave them out, and a warning says so."""
    evaluations = {"test": synthetic.evaluation(20)}
    evaluations["test"].frames[3].energy.predicted[:] = np.nan
    evaluations["test"].frames[5].forces.predicted[1] = np.inf
    report = synthetic.report("Broken", evaluations, [])
    assert any("1 predicted energies are not finite" in each for each in report["warnings"])
    write_files(report, evaluations, [], tmp_path, also=["chemiscope"])
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["errors"]["test"]["energy"]["rmse"] is None
    text = (tmp_path / "report.html").read_text()
    check_alone(text)
    assert not re.search(r'[dxy]="[^"]*(nan|inf)', text)


def test_page_and_text_need_no_matplotlib(trainer, frames, tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError("none here")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    parts = {"test": Part(frames[:2])}
    with pytest.raises(
        ImportError, match=r"pictures need matplotlib: pip install 'amptorch\[plots\]'"
    ):
        write_report(trainer, parts, tmp_path, also=["pictures"])
    assert not list(tmp_path.iterdir())
    assert np.isfinite(write_report(trainer, parts, tmp_path)["errors"]["test"]["energy"]["rmse"])


def test_extras_that_are_not_known(trainer, frames, tmp_path):
    with pytest.raises(ValueError, match=r"also: unknown 'picture'; .*'pictures'"):
        write_report(trainer, {"test": Part(frames[:2])}, tmp_path, also=["picture"])


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
@pytest.mark.parametrize("name", ["linear", "bpnn"])
def test_training_frames_are_predicted_from_the_data_set_in_memory(name, derivatives, tmp_path):
    """The same as from images, in a part of them too."""
    frames = cuco_frames(7)
    made = config(frames, tmp_path, cmd={"debug": True})
    made["model"] = {"name": name}
    made["optim"] = {} if name == "linear" else {"epochs": 2, "batch_size": 4}
    made["dataset"] |= {"val_split": 0.3, "derivatives": derivatives, "baseline": "linear"}
    trainer = AtomsTrainer(made)
    trainer.train()
    parts = training_parts(trainer, frames)
    assert set(parts) == {"training", "validation"}
    for part in parts.values():
        assert part.data is trainer.train_dataset
        known = evaluate(trainer, part.images, part.indices, data=part.data)
        anew = evaluate(trainer, part.images, part.indices)
        for quantity in ("energy", "forces"):
            found, expected = (each.parity(quantity) for each in (known, anew))
            np.testing.assert_array_equal(found.reference, expected.reference)
            np.testing.assert_allclose(found.predicted, expected.predicted, rtol=0, atol=1e-9)
