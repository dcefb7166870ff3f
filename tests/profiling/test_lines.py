"""``python -m profiling lines``: what it traces, and where its links lead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profiling import lines
from profiling.report import Report
from profiling.workload import watched

from ..made_potentials import cuco_frames

pytest.importorskip("line_profiler")
ROOT = Path(__file__).parents[2]
N_FRAMES, EPOCHS = 5, 2


@pytest.fixture(scope="module")
def report() -> Report:
    made = Report("lines", "Time by line", "python -m profiling lines")
    lines.measure(made, cuco_frames(N_FRAMES), EPOCHS)
    return made


def test_all_names_are_found_and_reached(report):
    """A function that is renamed or no longer called must leave the list."""
    listed = {each.name for each in report.sections[2].listings}
    assert listed == {name.replace(":", ".") for name in lines.HOT}
    assert not report.sections[2].text


@pytest.mark.parametrize("name", ["amptorch.data.frame:no_such_name", "amptorch.no_module:f"])
def test_a_name_that_is_gone(name):
    with pytest.raises((AttributeError, ImportError), match=r"no_such_name|no_module"):
        lines.resolve(name)


def test_hits_and_sources():
    names = [
        "amptorch.preprocessing.atoms_to_data:AtomsToData._convert",
        "amptorch.data.frame:_collate",
    ]
    found, _ = lines.trace(names, lambda: watched(cuco_frames(N_FRAMES), EPOCHS))
    convert, collate = found
    # Every image is converted to be trained on; predictions take one pass. Batches hold them all.
    assert convert.hits[-1] == N_FRAMES
    assert collate.hits[-1] == EPOCHS
    for each in found:
        written = (ROOT / each.file).read_text(encoding="utf-8").splitlines()
        assert written[each.first - 1 : each.first - 1 + len(each.source)] == each.source
        assert len(each.hits) == len(each.seconds) == len(each.source)


def test_links_lead_to_lines(report, tmp_path):
    page = (report.write(tmp_path) / "report.html").read_text(encoding="utf-8")
    assert report.agrees
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert len(targets) > lines.HOTTEST
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
    row = report.sections[1].tables[0].rows[0]
    place, anchor = re.fullmatch(r"\[(.+)\]\(#(.+)\)", row[0]).groups()
    line = re.search(f'id="{re.escape(anchor)}"[^>]*><i>\\d+</i>([^\n]*?)</span>', page).group(1)
    file, number = place.split(":")
    written = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(number) - 1]
    assert row[1].strip("`") == written.strip()
    assert written.strip()[:12] in line
    assert str(ROOT) not in page


def test_without_line_profiler(monkeypatch):
    monkeypatch.setattr(lines.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'amptorch[profiling]'" in lines.missing()
