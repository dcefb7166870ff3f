"""Every code block of README.md and docs/ runs, in order, where a reader would run it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from .blocks import PAGES, ROOT, Block, blocks_of
from .workplace import Workplace

BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.fixture(scope="module")
def template(tmp_path_factory, start) -> Workplace:
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return Workplace(folder, start)


@pytest.fixture(scope="module")
def workplaces(template) -> dict[Path, dict]:
    """The names that the blocks of a page have made so far."""
    return {}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_runs(block: Block, template: Workplace, workplaces, monkeypatch):
    if block.reason is not None:
        pytest.skip(f"{block}: {block.reason}")
    monkeypatch.chdir(template.folder)
    # Its own interpreter would show warnings, and go on.
    if block.page not in workplaces:
        workplaces[block.page] = template.fresh_names()
    template.names = workplaces[block.page]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        template.do(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link.partition("#")[0]).exists()]
    assert not missing, f"{page.relative_to(ROOT)}: no such file: {missing}"


def test_every_page_is_in_the_site():
    listed = set(re.findall(r"^(\w[\w-]*)$", (ROOT / "docs" / "index.md").read_text(), re.M))
    pages = {page.stem for page in PAGES if page.parent != ROOT} - {"index"}
    assert pages == listed
