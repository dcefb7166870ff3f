"""Flame graphs: where the samples of a profiler fell, by the calls that led there.

The outermost call is on top, what it called below; widths are shares of the samples, and calls of
one parent come in the order of the alphabet (B. Gregg, Commun. ACM 59(6), 48, 2016).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

WIDTH, ROW, LETTER = 960.0, 17, 6.7
NARROWEST = 0.3  # of what is drawn, in the units of WIDTH
PYTHON = re.compile(r"\.pyx?(:\d+)?\)$|<frozen |\(<\w+>(:\d+)?\)$|^<module>")
SHADES = {
    "Python": ("#f0a868", "#eab676", "#f2b98a", "#e8a05c"),
    "native": ("#86b2dc", "#96c0e0", "#7fa8d4", "#a3c6e8"),
}


@dataclass
class Call:
    """A function as called from its parents; samples are its own and those of what it called."""

    samples: int = 0
    calls: dict[str, Call] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Of what it called, in rows."""
        return max((1 + call.depth for call in self.calls.values()), default=0)


def flame_graph(stacks: Mapping[tuple[str, ...], int]) -> str:
    """Draw how often each stack was seen, as SVG with no script; a pointer shows whole names.

    Calls in files that end in ``.py`` have another colour than all others, which are native code.

    Args:
        stacks: numbers of samples by names of functions, outermost first, as collapsed stacks have
            them: ``name (file.py:12)``.

    Raises:
        ValueError: no samples.
    """
    root = _tree(stacks)
    if not root.samples:
        raise ValueError("stacks: expected one sample or more, got none")
    parts: list[str] = []
    _draw("all", root, 0.0, 1, WIDTH / root.samples, root.samples, parts)
    height = ROW * (root.depth + 2)
    legend = [
        f'<rect x="{x}" width="12" height="12" y="1" fill="{SHADES[kind][0]}"/>'
        f'<text x="{x + 17}" y="11">{kind}</text>'
        for kind, x in (("Python", 0), ("native", 80))
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}" height="{height}" '
        f'viewBox="0 0 {WIDTH:g} {height}" font-family="monospace" font-size="11" '
        'fill="currentColor">\n' + "\n".join([*legend, *parts]) + "\n</svg>\n"
    )


def _tree(stacks: Mapping[tuple[str, ...], int]) -> Call:
    root = Call()
    for names, samples in stacks.items():
        call = root
        call.samples += samples
        for name in names:
            call = call.calls.setdefault(name, Call())
            call.samples += samples
    return root


def _draw(
    name: str, call: Call, x: float, row: int, scale: float, total: int, parts: list[str]
) -> None:
    """Add a call, and below it its calls, beginning at ``x``."""
    width = scale * call.samples
    if width < NARROWEST:
        return
    tip = f"{name}: {call.samples} samples, {100 * call.samples / total:.2f} %"
    parts.append(
        f'<g><title>{escape(tip)}</title><rect x="{x:.2f}" y="{ROW * row}" '
        f'width="{max(width - 0.4, NARROWEST):.2f}" height="{ROW - 1}" rx="1" '
        f'fill="{_shade(name)}"/>{_label(name, x, row, width)}</g>'
    )
    for child, each in sorted(call.calls.items()):
        _draw(child, each, x, row + 1, scale, total, parts)
        x += scale * each.samples


def _label(name: str, x: float, row: int, width: float) -> str:
    """As much of the name as fits."""
    fits = int((width - 6) / LETTER)
    if fits < 3:
        return ""
    text = name if len(name) <= fits else f"{name[: fits - 1]}…"
    return f'<text x="{x + 3:.2f}" y="{ROW * (row + 1) - 5}" fill="#222">{escape(text)}</text>'


def _shade(name: str) -> str:
    shades = SHADES["Python" if PYTHON.search(name) else "native"]
    return shades[zlib.crc32(name.encode()) % len(shades)]
