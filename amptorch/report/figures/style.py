"""Colours of the sets, told apart with every kind of colour vision: after Okabe and Ito (2008).

Pictures of densities have one colour in light and dark; lines and dots have two, see ``STYLE``.
"""

from __future__ import annotations

COLORS = {"training": "#2b83c4", "validation": "#d9822b", "test": "#159a78"}
OTHER = "#a65a9a"

STYLE = """
svg { --grid: #e4e7ea; --ink: #23272d; --faint: #5f6872; --training: #0072b2;
      --validation: #c65a00; --test: #00805f; --other: #9a4d8e;
      font: 11px system-ui, sans-serif; fill: none; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  svg { --grid: #30353c; --ink: #e3e6ea; --faint: #9aa3ad; --training: #56b4e9;
        --validation: #f0a030; --test: #2fc79a; --other: #d68fca; }
}
svg text { fill: var(--ink); }
svg text.tick, svg text.label, svg text.faint { fill: var(--faint); }
svg text.note { font-weight: 600; paint-order: stroke; stroke: var(--card, #fff);
                stroke-width: 3px; }
.grid { stroke: var(--grid); } .exact { stroke: var(--faint); stroke-width: .8; }
.dotted { stroke-dasharray: 1 3; }
.density { image-rendering: pixelated; }
.dots { stroke-width: 3.6; stroke-linecap: round; stroke-opacity: .6; }
.curve { stroke-width: 1.6; } .normal { stroke: var(--ink); stroke-dasharray: 4 3; }
.bars { fill-opacity: .35; }
.training { stroke: var(--training); } .validation { stroke: var(--validation); }
.test { stroke: var(--test); } .other { stroke: var(--other); }
.bars.training { fill: var(--training); } .bars.validation { fill: var(--validation); }
.bars.test { fill: var(--test); } .bars.other { fill: var(--other); }
.mark { stroke: var(--ink); stroke-width: 1.2; fill: var(--ink); }
.ring { stroke: var(--ink); stroke-width: 1.6; }
"""


def kind_of(name: str) -> str:
    """The class of a set."""
    return name if name in COLORS else "other"


def standalone(svg: str, more: str = "") -> str:
    """An image with its style, and with more of it, for a file of its own."""
    head, rest = svg.split(">", 1)
    return f"{head}><style>{STYLE}{more}</style>{rest}\n"
