"""Code blocks of README.md and docs/*.md.

A block is run as it stands. The comment ``<!-- test: skip, REASON -->`` on the line before one says why it is
not, which the tests show. A block without a language is no code.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = ("python", "sh", "yaml")
NO_CODE = ("", "text", "{toctree}", "{eval-rst}")
_BLOCK = re.compile(
    r"^(?:<!-- test: skip, (?P<reason>.+?) -->\n)?```(?P<language>\S*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: its file.
        line: the first of its code.
        language: what stands behind the backticks.
        reason: why it is not run, or None.
        code: the text.
    """

    page: Path
    line: int
    language: str
    reason: str | None
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in order.

    Raises:
        ValueError: a block in a language that no test knows.
    """
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        language = match["language"]
        line = text.count("\n", 0, match.start("code")) + 1
        if language not in LANGUAGES + NO_CODE:
            raise ValueError(f"{page.name}:{line}: expected one of {LANGUAGES}, got {language!r}")
        if language in LANGUAGES:
            found.append(Block(page, line, language, match["reason"], match["code"]))
    return found


def fragment(code: str) -> dict[str, object] | None:
    """The dict that a block is a part of (``"key": value, ...``), or None if it is none.

    Names in it (``torch.FloatTensor``) are looked up where torch is known.
    """
    import torch

    try:
        tree = ast.parse("{" + code + "}", mode="eval")
    except SyntaxError:
        return None
    if not (isinstance(tree.body, ast.Dict) and tree.body.keys):
        return None
    value = eval(compile(tree, "fragment", "eval"), {"torch": torch})
    assert isinstance(value, dict)
    return value
