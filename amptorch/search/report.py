"""The path of a search as a page of Markdown, with a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..report import markdown
from ..report.figures.axes import Axis, padded
from ..report.figures.style import standalone
from ..report.figures.svg import LEFT, RIGHT, dots, image, line, surround
from ..report.sections import Section, Table
from ..report.units import QUANTITIES
from .journal import Trial
from .space import Parameter

TOP, BOTTOM, HEIGHT = 12.0, 200.0, 240.0


def write_path(trials: Sequence[Trial], parameters: Sequence[Parameter], out: Path) -> Path:
    """Write ``search.md`` and ``search.svg`` to a folder.

    Returns:
        The first one.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "search.svg").write_text(standalone(picture(trials)), encoding="utf-8")
    sections = [
        Section("", [_told(trials)], [_best(trials, parameters)]),
        Section("Path", images=["search.svg"]),
        Section("Trials", tables=[_table(trials)]),
    ]
    path = out / "search.md"
    path.write_text(markdown.page("Search", sections), encoding="utf-8")
    return path


def picture(trials: Sequence[Trial]) -> str:
    """Scores, and the best so far, against the number of the trial."""
    good = [trial for trial in trials if math.isfinite(trial.score)]
    x_of, y_of = np.array([t.number for t in good], float), np.array([t.score for t in good])
    x = Axis(*padded(0.0, max(float(x_of.max()), 1.0)), LEFT, RIGHT)
    top = max(float(np.quantile(y_of, 0.9)), 1.02 * float(y_of.min()))
    y = Axis(*padded(float(y_of.min()), top), BOTTOM, TOP)
    shown = y_of <= top
    best = np.minimum.accumulate(y_of)
    parts = surround(x, y, "fit", "geometric mean of errors")
    parts.append(dots(x(x_of[shown]), y(y_of[shown]), "validation"))
    parts.append(line(x(x_of), y(np.minimum(best, top)), "curve training"))
    return image(HEIGHT, "Errors on frames left out against the number of the fit", parts)


def _told(trials: Sequence[Trial]) -> str:
    failed = sum(not math.isfinite(trial.score) for trial in trials)
    seconds = sum(trial.seconds for trial in trials)
    text = (
        f"{len(trials)} fits in {seconds:.0f} s. Errors are root mean squares on frames left out, "
        "each judged by a fit to the others; what is made small is their geometric mean. The "
        "picture shows it for each fit, and as a line the smallest so far."
    )
    return f"{text} {failed} failed." if failed else text


def _best(trials: Sequence[Trial], parameters: Sequence[Parameter]) -> Table:
    first, best = trials[0], min(trials, key=lambda trial: trial.score)
    rows = [
        [each.name, f"{first.values[each.name]:.5g}", f"{best.values[each.name]:.5g}"]
        for each in parameters
    ]
    rows += [
        [label, _error(first, name), _error(best, name)] for name, label in _labels(best).items()
    ]
    return Table(["", "start", f"best (fit {best.number})"], rows)


def _table(trials: Sequence[Trial]) -> Table:
    labels = _labels(min(trials, key=lambda trial: trial.score))
    names = list(trials[0].values)
    header = ["fit", *names, *labels.values(), "mean", "seconds"]
    rows = [
        [
            str(trial.number),
            *(f"{trial.values[name]:.5g}" for name in names),
            *(_error(trial, name) for name in labels),
            f"{trial.score:.5g}" if math.isfinite(trial.score) else trial.error,
            f"{trial.seconds:.1f}",
        ]
        for trial in trials
    ]
    return Table(header, rows)


def _labels(trial: Trial) -> dict[str, str]:
    errors = trial.details.get("errors", {})
    return {each.name: f"{each.short} ({each.unit})" for each in QUANTITIES if each.name in errors}


def _error(trial: Trial, name: str) -> str:
    value = trial.details.get("errors", {}).get(name)
    if value is None:
        return ""
    quantity = next(each for each in QUANTITIES if each.name == name)
    return f"{quantity.factor * value:.4g}"
