"""Which figures a report has, and their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import Errors, Evaluation
from .figures.curves import learning
from .figures.distribution import distribution
from .figures.parity import Ranges, parity
from .figures.ranked import ranked
from .figures.style import standalone
from .figures.svg import Figure
from .learning import History, curves
from .units import FORCES, QUANTITIES, Quantity
from .words import Report

FOLDER = "figures"


def figures_of(
    report: Report, evaluations: Mapping[str, Evaluation], history: History
) -> list[Figure]:
    """All figures, in order."""
    return [
        *(figure for quantity in QUANTITIES for figure in _compared(quantity, evaluations)),
        *_learning(report, evaluations, history),
        *_parts(report),
    ]


def write_figures(figures: Sequence[Figure], out: Path) -> list[str]:
    """Write an SVG file of each figure; their names within ``out``."""
    if figures:
        (out / FOLDER).mkdir(exist_ok=True)
    for figure in figures:
        (out / FOLDER / f"{figure.name}.svg").write_text(standalone(figure.svg), encoding="utf-8")
    return [f"{FOLDER}/{figure.name}.svg" for figure in figures]


def _compared(quantity: Quantity, evaluations: Mapping[str, Evaluation]) -> Iterator[Figure]:
    found = {kind: each.parity(quantity.name) for kind, each in evaluations.items()}
    parts = {kind: values for kind, values in found.items() if values is not None}
    if not parts:
        return
    ranges = Ranges.of(quantity, parts)
    for kind in parts:
        yield parity(quantity, kind, evaluations[kind], ranges)
    yield distribution(quantity, parts)


def _learning(
    report: Report, evaluations: Mapping[str, Evaluation], history: History
) -> Iterator[Figure]:
    atoms = {kind: float(each.sizes.mean()) for kind, each in evaluations.items()}
    epochs = [row["epoch"] for row in history]
    for curve in curves(history, atoms) if history else ():
        yield learning(curve, epochs, report["training"]["best_epoch"])


def _parts(report: Report) -> Iterator[Figure]:
    elements = report["forces_by_element"]
    made = ranked(
        "forces_by_element",
        "Forces by element",
        "An element far right needs more or better data, or more features.",
        FORCES,
        {kind: each for kind, each in elements.items() if each},
    )
    if made is not None and _several(elements):
        yield made
    for key, title in (("group", "group"), ("size", "number of atoms")):
        for quantity in QUANTITIES:
            figure = ranked(
                f"{quantity.name}_by_{key}",
                f"{quantity.plural} by {title}",
                "A row far right is what the potential knows least.",
                quantity,
                _of_quantity(report[f"by_{key}"], quantity),
            )
            if figure is not None:
                yield figure


def _several(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    return len({key for each in rows.values() for key in each}) > 1


def _of_quantity(
    rows: Mapping[str, Mapping[str, Mapping[str, Errors]]], quantity: Quantity
) -> dict[str, dict[str, Errors]]:
    """Errors of one quantity by set and name."""
    found = {
        kind: {
            name: errors[quantity.name] for name, errors in each.items() if quantity.name in errors
        }
        for kind, each in rows.items()
    }
    return {kind: each for kind, each in found.items() if each}
