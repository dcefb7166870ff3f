"""HTML pages that need no other file and no network.

Pages of every kind of report are made of these parts: ``document``, ``prose``, ``table`` and
``grid``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from .figures.svg import Figure
from .sections import Table

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --words: #222; --faint: #68707a; --line: #dcdfe3;
        --card: #f5f6f8; --link: #2459a9; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --words: #dcdfe3; --faint: #98a0aa; --line: #363b42;
          --card: #1f2227; --link: #8ab4f0; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--words); background: var(--ground);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.2rem; }
a { color: var(--link); }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
th { border-bottom: 2px solid var(--faint); font-weight: 600; }
th.number, td.number { text-align: right; }
.wide { overflow-x: auto; }
img { max-width: 100%; margin: .3rem; background: #fff; }
"""
# Of figures in a :func:`grid`.
GRID = """
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
         padding: .7rem .8rem; } figcaption { color: var(--faint); font-size: 13px; }
"""
# A browser that obeys it asks for nothing, whatever the page holds, and runs no script but the one
# whose checksum is added.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# A target has no colon, so no scheme, and no slash in front: it leads to the page or a file beside.
LINK = re.compile(r"\[([^\]]+)\]\(((?!/)[\w.#/-]+)\)")
NUMBER = re.compile(r"[-+−]?\.?\d.*|[-+−]?inf|nan|", re.DOTALL)


def document(title: str, body: Sequence[str], style: str = "", script: str = "") -> str:
    """A whole page of elements, with ``style`` after that of all pages, and one script at its end,
    the only one that runs."""
    policy, end = POLICY, ""
    if script:
        checksum = b64encode(sha256(script.encode()).digest()).decode("ascii")
        policy, end = f"{POLICY}; script-src 'sha256-{checksum}'", f"<script>{script}</script>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n{end}</body>\n</html>\n"
    )


def prose(text: str) -> str:
    """Text with ``[words](target)`` as links and what is between backticks as code."""
    linked = LINK.sub(r'<a href="\2">\1</a>', escape(text))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", linked)


def table(content: Table) -> str:
    """A table; columns of numbers are aligned on the right."""
    columns = zip(*content.rows, strict=True)
    kinds = [
        ' class="number"' if any(column) and all(map(_is_number, column)) else ""
        for column in columns
    ] or [""] * len(content.header)
    rows = "\n".join(_row("td", row, kinds) for row in content.rows)
    return (
        f'<div class="wide"><table>\n<thead>{_row("th", content.header, kinds)}</thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def grid(figures: Sequence[Figure]) -> list[str]:
    """Figures side by side, or nothing where there are none."""
    shown = "".join(
        f'<figure id="{escape(each.name)}"><h3>{escape(each.title)}</h3>{each.svg}'
        f"<figcaption>{escape(each.caption)}</figcaption></figure>"
        for each in figures
    )
    return [f'<div class="grid">{shown}</div>'] if shown else []


def _row(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    pairs = zip(cells, kinds, strict=True)
    return "<tr>" + "".join(f"<{tag}{kind}>{prose(cell)}</{tag}>" for cell, kind in pairs) + "</tr>"


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(LINK.sub(r"\1", cell)) is not None
