"""Figures of a search: front, history, importance, parallel coordinates, slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...report.figures.axes import Axis, padded
from ...report.figures.svg import LEFT, RIGHT, Figure, dots, image, line, surround, text
from .found import Found, number_of

Array = NDArray[np.float64]

# After Okabe and Ito (2008), on light and on dark ground.
COLORS = (
    ("#0072b2", "#56b4e9"),
    ("#c65a00", "#f0a030"),
    ("#00805f", "#2fc79a"),
    ("#9a4d8e", "#d68fca"),
    ("#6b6b00", "#d8cf3a"),
    ("#5f6872", "#9aa3ad"),
)
TOP, BOTTOM, HEIGHT = 14.0, 214.0, 256.0
ROW = 16.0
ERROR = "error, √(eV/atom · eV/Å)"
COST = "µs an atom"
FRONTS = {
    "error": ("front", "Error and cost", ERROR),
    "energy": ("front-energy", "Energies and cost", "energy error, meV/atom"),
    "forces": ("front-forces", "Forces and cost", "force error, eV/Å"),
}
"""Name, title and label of each kind of error that is drawn against costs."""


def style() -> str:
    """Of the looks of families, beside that of all figures."""
    light, dark = (
        "".join(
            f".look{k} {{ stroke: {pair[n]}; }} .bars.look{k} {{ fill: {pair[n]}; }}\n"
            for k, pair in enumerate(COLORS)
        )
        for n in (0, 1)
    )
    faded = ".faded { stroke-opacity: .25; }\n.dots.large { stroke-width: 6; }"
    return f"{light}{faded}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"


def looks(families: Sequence[str]) -> dict[str, str]:
    """The class of each family."""
    return {family: f"look{k % len(COLORS)}" for k, family in enumerate(families)}


def pareto(
    points: Mapping[str, tuple[Array, Array]], front: tuple[Array, Array], what: str = "error"
) -> Figure:
    """Errors against costs.

    Args:
        points: costs and errors by family.
        front: costs and errors of what nothing is better than in both, by cost.
        what: of ``FRONTS``.
    """
    name, title, y_label = FRONTS[what]
    look = looks(list(points))
    x, y = (_logarithmic(np.concatenate([each[k] for each in points.values()]), k) for k in (0, 1))
    parts = surround(x, y, COST, y_label)
    for family, (costs, errors) in points.items():
        parts.append(dots(x(costs), y(errors), f"{look[family]} large"))
    parts.append(line(x(front[0]), y(front[1]), "exact"))
    caption = "The line joins those that no other is better than in both."
    legend, height = _legend(look, BOTTOM + 46)
    label = "Errors on frames kept apart against the cost of a force call, by family"
    return Figure(name, title, caption, image(height, label, parts + legend), "front")


def history(trials: Sequence[Found], families: Sequence[str]) -> Figure:
    """Errors in the order of trials, and the least so far."""
    look = looks(families)
    numbers = np.array([trial.number for trial in trials], float)
    errors = np.array([trial.error for trial in trials])
    x = Axis(*padded(0.0, max(float(numbers.max()), 1.0), 0.02), LEFT, RIGHT)
    y = _logarithmic(errors, 1)
    parts = surround(x, y, "trial", ERROR)
    for family in families:
        own = np.array([trial.family == family for trial in trials])
        parts.append(dots(x(numbers[own]), y(errors[own]), look[family]))
    parts.append(line(x(numbers), y(np.minimum.accumulate(errors)), "exact"))
    legend, height = _legend(look, BOTTOM + 46)
    label = "Errors against the number of the trial; the line is the least so far"
    return Figure(
        "history",
        "History",
        "The line is the least so far.",
        image(height, label, parts + legend),
        "front",
    )


def importances(family: str, parts_of: Mapping[str, float], look: str) -> Figure:
    """A bar for each value of a family."""
    ranked = sorted(parts_of.items(), key=lambda pair: -pair[1])
    start, end = 150.0, RIGHT - 30
    drawn = []
    for row, (name, part) in enumerate(ranked):
        down = 10 + ROW * row
        width = (end - start) * part
        drawn.append(text(start - 6, down + 9, short(name), "tick", "end"))
        drawn.append(
            f'<path class="bars {look}" d="M{start:.1f} {down:.1f}h{width:.1f}v10h{-width:.1f}z"/>'
        )
        drawn.append(text(start + width + 4, down + 9, f"{part:.2f}", "faint"))
    label = f"{family}: " + ", ".join(f"{name} {part:.2f}" for name, part in ranked)
    caption = "The part of each value in how the logarithm of the first objective varies."
    svg = image(16 + ROW * len(ranked), label, drawn)
    return Figure(f"importance_{family}", f"{family}: what matters", caption, svg, family)


def parallel(family: str, trials: Sequence[Found], look: str) -> Figure | None:
    """A line for each trial across the axes of all values; the best third stands out."""
    names = [name for name in trials[0].values if _spread(name, trials)]
    if len(names) < 2:
        return None
    errors = np.array([trial.error for trial in trials])
    columns = [_column(name, trials) for name in names]
    columns.append(-np.log(errors))
    shares = np.array([_share(each) for each in columns])
    across = np.linspace(LEFT - 30, RIGHT - 20, len(columns))
    good = errors <= np.quantile(errors, 1 / 3)
    parts = [line([at, at], [TOP, BOTTOM - 40], "grid") for at in across]
    for k in np.argsort(good):
        down = BOTTOM - 40 - shares[:, k] * (BOTTOM - 40 - TOP)
        parts.append(line(across, down, f"curve {look}{'' if good[k] else ' faded'}"))
    for at, name in zip(across, [*names, "error"], strict=True):
        turned = f' transform="rotate(35 {at:.1f} {BOTTOM - 28:.1f})"'
        words = text(float(at), BOTTOM - 28, short(name), "tick")
        parts.append(words.replace(">", turned + ">", 1))
    label = f"Values of each trial of {family}, and their errors, small ones above"
    caption = (
        "The best third stands out. Values grow upwards, and the error, at the right, downwards."
    )
    svg = image(HEIGHT, label, parts)
    return Figure(f"parallel_{family}", f"{family}: all values", caption, svg, family)


def slices(family: str, trials: Sequence[Found], look: str) -> Iterator[Figure]:
    """Errors against each value."""
    errors = np.array([trial.error for trial in trials])
    y = _logarithmic(errors, 1)
    for name in trials[0].values:
        if not _spread(name, trials):
            continue
        values = _column(name, trials)
        words = [trial.values[name] for trial in trials]
        low, high = float(values.min()), float(values.max())
        wide = low > 0 and high / low > 20
        x = _logarithmic(values, 0) if wide else Axis(*padded(low, high), LEFT, RIGHT)
        named = number_of(words[0]) is None
        parts = surround(x, y, name, ERROR, 4)
        parts.append(dots(x(values), y(errors), look))
        caption = (
            ", ".join(f"{k}: {w}" for k, w in enumerate(sorted(set(map(str, words)))))
            if named
            else ""
        )
        svg = image(HEIGHT, f"{family}: errors against {name}", parts)
        yield Figure(f"slice_{family}_{name}".replace(".", "_"), short(name), caption, svg, family)


def _column(name: str, trials: Sequence[Found]) -> Array:
    """Numbers of a value; words are counted by the alphabet."""
    found = [number_of(trial.values[name]) for trial in trials]
    if any(each is None for each in found):
        words = sorted({str(trial.values[name]) for trial in trials})
        return np.array([words.index(str(trial.values[name])) for trial in trials], float)
    return np.array(found, float)


def _spread(name: str, trials: Sequence[Found]) -> bool:
    return len({str(trial.values.get(name)) for trial in trials}) > 1 and all(
        name in trial.values for trial in trials
    )


def _share(values: Array) -> Array:
    """From 0 to 1."""
    return (values - values.min()) / (np.ptp(values) or 1.0)


def _logarithmic(values: Array, which: int) -> Axis:
    """Of an axis across (0) or down (1)."""
    low, high = float(values.min()), float(values.max())
    ends = (LEFT, RIGHT) if which == 0 else (BOTTOM, TOP)
    return Axis(low / 1.1, high * 1.1, *ends, logarithmic=True)


def _legend(look: Mapping[str, str], top: float) -> tuple[list[str], float]:
    """Four names a row, and the height of the image."""
    parts = []
    for place, (family, kind) in enumerate(look.items()):
        left, down = LEFT - 40 + 76 * (place % 4), top + ROW * (place // 4)
        parts.append(dots(np.array([left]), np.array([down - 4]), f"{kind} large"))
        parts.append(text(left + 7, down, family, "faint"))
    return parts, top + ROW * ((len(look) - 1) // 4) + 6


def short(name: str) -> str:
    """Without section and "fp_params"."""
    return name.split(".", 1)[-1].removeprefix("fp_params.").removeprefix("auto.")
