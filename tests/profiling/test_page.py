"""Pages of reports in a browser: nothing on the console, no request."""

from __future__ import annotations

import pytest

from amptorch.report.html import document

from .chromium import program, visit

pytestmark = pytest.mark.skipif(
    program() is None, reason="needs Chromium: apt-get install chromium (see CONTRIBUTING.md)"
)
# From a block of addresses for documentation (RFC 5737): nobody answers.
IMAGE = '<img src="http://192.0.2.1/x.png">'


def test_a_report(report, tmp_path):
    file = report.write(tmp_path / "out") / "report.html"
    seen = visit(file, tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert "<h1>Cost of &lt;everything&gt; &amp; more</h1>" in seen.dom
    assert seen.dom.rstrip().endswith("</html>")


def test_the_browser_would_say_what_is_wrong(tmp_path):
    file = tmp_path / "bad.html"
    file.write_text(f"<!DOCTYPE html><script>console.error('planted'); lost;</script>{IMAGE}")
    seen = visit(file, tmp_path)
    assert any("planted" in line for line in seen.console)
    assert any("lost is not defined" in line for line in seen.console)
    assert seen.requests == ["http://192.0.2.1/x.png"]


def test_a_page_asks_for_nothing_whatever_it_holds(tmp_path):
    """Its policy forbids what its text should not have held in the first place."""
    file = tmp_path / "bad.html"
    file.write_text(document("Bad", [IMAGE, "<script>console.error('planted')</script>"]))
    seen = visit(file, tmp_path)
    assert seen.requests == []
    assert any("Content Security Policy" in line for line in seen.console)
    assert not any("planted" in line for line in seen.console)
