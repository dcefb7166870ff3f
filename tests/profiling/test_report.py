"""What a report writes, reads again, and refuses."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from profiling.report import Check, Data, Figure, Listing, Measurement, Report, Section, Table, html
from profiling.report.schema import SCHEMA


def test_round_trip(report, tmp_path):
    folder = report.write(tmp_path / "deep" / "out")
    assert {file.name for file in folder.iterdir()} == {
        *("report.json", "report.md", "report.html"),
        *("bars.svg", "curves.svg", "flame.svg"),
    }
    assert Report.read(folder) == report
    assert Report.read(folder / "report.json") == report


def test_what_is_not_a_number_fails_and_comes_back(report, tmp_path):
    assert report.agrees
    report.check("forces", math.nan, 1.0)
    report.check("losses", math.inf, 1.0)
    folder = report.write(tmp_path / "out")
    json.loads((folder / "report.json").read_text(), parse_constant=pytest.fail)
    again = Report.read(folder)
    assert [check.passed for check in again.checks] == [True, False, False]
    assert not again.agrees


def test_the_default_folder_is_never_taken(report, run_dir):
    folders = [report.write().as_posix() for _ in range(3)]
    assert folders == [f"reports/{report.date}-example{end}" for end in ("", "-2", "-3")]


def test_data_are_described(report, tmp_path):
    data = report.data["frames"]
    content = (tmp_path / "frames <&>.traj").read_bytes()
    assert data.sha256 == hashlib.sha256(content).hexdigest()
    assert (data.file, data.frames, data.atoms) == ("frames <&>.traj", 3, (3, 3))


def test_median_and_quartiles():
    measurement = Measurement("a/b", "ms", [4.0, 1.0, 3.0, 2.0, 10.0])
    assert measurement.median == 3.0
    assert measurement.quartiles == (2.0, 4.0)


@pytest.mark.parametrize("samples", [[], [1.0, math.nan], [math.inf]])
def test_samples_that_are_none(samples):
    report = Report("a", "b", "c")
    with pytest.raises(ValueError, match="side/stage: expected finite samples, one or more"):
        report.measure("side/stage", samples, "ms")


def test_a_key_that_is_taken(report):
    with pytest.raises(ValueError, match="original/read: expected a key that no other"):
        report.measure("original/read", [1.0], "ms")


def test_figures_of_one_name(report, tmp_path):
    report.sections[1].figures.append(report.sections[0].figures[0])
    with pytest.raises(ValueError, match="figures: expected names that differ"):
        report.write(tmp_path / "out")


@pytest.mark.parametrize(
    ("inside", "match"),
    [
        ("<script>1</script>", "expected no <script>"),
        ('<image href="x.png"/>', "expected no <image>"),
        ('<a href="http://x"/>', "expected no script or address, got href=http://x"),
        ('<rect onclick="1"/>', "expected no script or address, got onclick=1"),
        ("<g>", "expected one <svg> element"),
    ],
)
def test_pictures_that_ask_for_more(inside, match):
    with pytest.raises(ValueError, match=f"figure 'flame': {match}"):
        Figure("flame", f"<svg>{inside}</svg>")


def test_what_stands_before_a_picture_goes():
    text = '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "a" "http://b">\n<svg><metadata>http://c</metadata><g/></svg>'
    assert Figure("a", text).svg == "<svg><g/></svg>"


def break_(content, path, value):
    *parents, last = path
    for key in parents:
        content = content[key]
    if value is None:
        del content[last]
    else:
        content[last] = value


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (["format"], 2, r"report.format: expected 1, got 2"),
        (["title"], None, r"report: expected format, name, .*, got no 'title'"),
        (["extra"], 1, r"got unknown 'extra'"),
        (["checks", 0, "limit"], "1", r"report.checks\[0\].limit: expected number, got '1'"),
        (["checks", 0, "value"], True, r"checks\[0\].value: expected number or null, got True"),
        (["measurements", 1, "samples"], [], r"measurements\[1\].samples: expected 1 to inf items"),
        (
            ["data", "frames", "atoms"],
            [1, 2, 3],
            r"data.frames.atoms: expected 2 to 2 items, got 3",
        ),
        (["sections", 0, "tables", 0, "rows"], [[1]], r"rows\[0\]\[0\]: expected string, got 1"),
    ],
)
def test_a_file_of_another_form(report, tmp_path, path, value, match):
    file = report.write(tmp_path / "out") / "report.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    break_(content, path, value)
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=f"report.json: .*{match}"):
        Report.read(file)


def test_a_file_that_is_no_json(tmp_path):
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(ValueError, match=r"report\.json: "):
        Report.read(tmp_path)


def test_the_schema_names_every_field():
    def of(part):
        schema = SCHEMA["properties"][part]
        return schema.get("items", schema.get("additionalProperties"))["properties"]

    def names(kind):
        return {field.name for field in dataclasses.fields(kind)}

    assert SCHEMA["properties"].keys() == names(Report) | {"format"}
    assert of("data").keys() == names(Data)
    assert of("checks").keys() == names(Check)
    assert of("measurements").keys() == names(Measurement)
    assert of("sections").keys() == names(Section)
    for part, kind in (("tables", Table), ("figures", Figure), ("listings", Listing)):
        fields = of("sections")[part]["items"]["properties"].keys()
        assert fields == names(kind) - {"svg"}


def test_markdown(report, tmp_path):
    report.check("forces", 2.0, 1.0, "eV/Å")
    text = (report.write(tmp_path / "out") / "report.md").read_text(encoding="utf-8")
    assert "**1 of 2 checks FAILED" in text
    assert "- passed: energies of both: 1e-12 eV, at most 1e-09 eV\n" in text
    assert "- **FAILED**: forces: 2 eV/Å, at most 1 eV/Å\n" in text
    assert "| [read](report.html#hot-7) \\| <b> | 2.45 |" in text
    assert "![Both <sides>.](bars.svg)" in text
    assert "    6  for <x>:" in text
    assert "| original/read | 2.45 | 2.4 | 2.5 | ms | 5 |" in text


class Page(HTMLParser):
    """Ids, addresses, tags that are open, and text in table cells by their class."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.cells: dict[str, str] = {}
        self.tags: set[str] = set()
        self.cell: str | None = None
        self.feed(text)
        self.close()

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [
            found[name] for name in ("src", "href", "data", "srcset") if name in found
        ]
        self.addresses += re.findall(r"url\(([^)]*)\)", " ".join(str(v) for v in found.values()))
        self.cell = str(found.get("class", "")) if tag == "td" else self.cell

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.cell = None if tag == "td" else self.cell

    def handle_data(self, data):
        if self.cell is not None:
            self.cells[data] = self.cell


def test_the_page_needs_nothing_else(report, tmp_path):
    text = (report.write(tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert not re.search(r"https?:|//|@import", text)
    assert not {"script", "iframe", "object", "img", "base", "form"} & page.tags
    assert len(page.ids) == len(set(page.ids))
    targets = [each.removeprefix("#") for each in page.addresses if each != "data:,"]
    assert len(targets) < len(page.addresses)
    assert set(targets) <= set(page.ids)
    assert {"stages", "hot-lines", "stages-2", "all-measurements", "hot-6", "hot-8"} <= set(
        page.ids
    )


def test_text_of_the_page(report, tmp_path):
    text = (report.write(tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    for part in (
        "<h1>Cost of &lt;everything&gt; &amp; more</h1>",
        "frames &lt;&amp;&gt;.traj",
        "The check passed.",
        '<a href="#hot-7">read</a> | &lt;b&gt;',
        "<code>write</code>",
        "for &lt;x&gt;:",
        "y = `x`",
        "Both &lt;sides&gt;.",
        "python -m profiling example --data F",
    ):
        assert part in text
    cells = Page(text).cells
    assert cells["2.45"] == cells["-1"] == "number"
    assert cells["ms"] == cells["original/read"] == ""


def test_a_failed_check_is_told_on_top(report, tmp_path):
    report.check("forces of both", 2.0, 1.0)
    text = (report.write(tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    top = text[: text.index("<dl>")]
    assert 'class="checks failed"' in top
    assert "1 of 2 checks FAILED" in top
    assert '<li class="failed">forces of both: 2, at most 1</li>' in top
    assert '<li class="passed">energies of both' in top


def test_links_have_no_scheme():
    section = Section("A", ["[a](javascript:alert(1)) [b](http://c) [d](other.html#e)"])
    text = html.page(Report("n", "t", "c", sections=[section]))
    assert Page(text).addresses == ["data:,", "other.html#e"]


def test_numbers_of_numpy_are_written(tmp_path):
    report = Report("n", "t", "c")
    report.measure("a/b", np.array([1, 2, 3], dtype=np.float32), "ms")
    report.check("a", np.float32(1.0), np.float64(2.0))
    assert Report.read(report.write(tmp_path)) == report
