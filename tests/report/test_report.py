"""What a report holds, and that its page needs nothing but itself."""

from __future__ import annotations

import builtins
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amptorch.report import Part, summary, training_parts, write_report
from amptorch.report.errors import evaluate
from amptorch.report.html import prose
from amptorch.report.html import table as html_table
from amptorch.report.plots import best_epoch, learning_curve, write_plots
from amptorch.report.sections import Table

from ..made_potentials import trained

IMAGES = {
    "learning_curve.png",
    *(
        f"{n}_{q}.png"
        for n in ("parity", "difference", "errors")
        for q in ("energy", "forces", "stress")
    ),
}


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


def test_markdown(written):
    out, report = written
    text = (out / "report.md").read_text()
    assert summary(report) in text
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert set(shown) == IMAGES
    assert all((out / name).is_file() for name in shown)
    for heading in ("Forces by element", "Groups", "Worst frames, test", "Machine"):
        assert f"\n## {heading}\n" in text
    rmse = 1000 * report["errors"]["test"]["energy"]["rmse"]
    assert f"| test | {rmse:.1f} |" in text


class Page(HTMLParser):
    """Collects what could make a browser ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster", "background"):
                self.addresses.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(written):
    out, _ = written
    text = (out / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert not page.open
    assert not {"script", "iframe", "object", "base", "form"} & set(page.tags)
    prefix = "data:image/png;base64,"
    icon, *images = page.addresses
    assert icon == "data:,"
    assert len(images) == len(IMAGES)
    for address in images:
        assert address.startswith(prefix)
        assert b64decode(address.removeprefix(prefix)).startswith(b"\x89PNG")
    assert "default-src 'none'" in text
    rest = re.sub(r'src="data:[^"]*"', "", text)
    assert not re.search(r"https?:|//|url\(|@import", rest)


def test_text_is_escaped(written):
    out, _ = written
    text = (out / "report.html").read_text()
    assert "<h1>A &lt;fit&gt; &amp; more</h1>" in text
    assert "frames &lt;&amp;&gt;.txt" in text


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
    assert sorted(path.name for path in (run_dir / "r").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]


def test_the_best_epoch_is_the_last_that_was_kept():
    history = [{"epoch": 1, "event_cp": True}, {"epoch": 2, "event_cp": True}, {"epoch": 3}]
    assert best_epoch(history) == 2
    assert best_epoch(history[2:]) is None


def test_a_curve_of_squares(tmp_path):
    """Histories of metric "mse", and of a run that kept no best epoch."""
    history = [{"epoch": n, "train_loss": 1.0 / n, "train_energy_mse": 2.0 / n} for n in (1, 2, 3)]
    learning_curve(history, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_plots_leave_pyplot_alone(trainer, frames, tmp_path):
    import matplotlib

    backend = matplotlib.rcParams._get_backend_or_none()
    names = write_plots({"other": evaluate(trainer, frames[7:])}, [], tmp_path)
    assert names == ["parity_energy.png", "difference_energy.png", "errors_energy.png"]
    assert matplotlib.rcParams._get_backend_or_none() == backend


def test_no_matplotlib(trainer, frames, tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError("none here")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    parts = {"test": Part(frames[:2])}
    with pytest.raises(
        ImportError, match=r"plots need matplotlib: pip install 'amptorch\[plots\]'"
    ):
        write_report(trainer, parts, tmp_path)
    assert np.isfinite(
        write_report(trainer, parts, tmp_path, plots=False)["errors"]["test"]["energy"]["rmse"]
    )
