"""What the quick checks share: one structure, and a picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from ..data.reading import load_images
from ..report.pictures import check_matplotlib


def add_check(parser: argparse.ArgumentParser, out: str) -> None:
    """Add run, structure, file to write, and picture."""
    parser.add_argument("run_of", metavar="RUN", help="checkpoint folder or saved potential")
    parser.add_argument("data", metavar="DATA", help="structure; of several the first")
    parser.add_argument("-o", "--out", type=Path, default=Path(out), metavar="FILE")
    parser.add_argument("--no-plots", dest="plots", action="store_false", help="no picture")


def one_frame(name: str) -> Atoms:
    """The first structure of data."""
    return load_images(name, "data")[0]


def draw(
    arguments: argparse.Namespace, x: Sequence[float], y: Sequence[float], *labels: str
) -> str:
    """Draw a curve beside the file that was written; what is to be said of it."""
    if not arguments.plots:
        return ""
    check_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x, y, color="#4477aa")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    path = arguments.out.with_suffix(".png")
    figure.savefig(path, dpi=150)
    return f", {path}"
