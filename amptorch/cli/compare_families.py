"""``compare-families``: recipes of all families on the same folds of some frames."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

from ..search.study.families import Comparison
from ..search.study.families_page import write_families
from ..search.study.problem import Problem
from ..search.study.space import POTENTIAL, Space
from .interrupt import noticed
from .options import add_output, seconds
from .parser import examples
from .searching import add_frames, changed, frames_of

# Of the time, for what is not training.
SPARE = 0.1


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "compare-families",
        help="compare families of potentials on the same folds",
        description="Train what the rules of each family of potentials choose for the frames, on "
        "the same folds, as many of these as there is time for: errors, seconds and cost per atom "
        "(docs/choosing.md). The same command goes on with its folder.",
        epilog=examples("amptorch compare-families data.extxyz --time 30m"),
    )
    add_frames(parser)
    parser.add_argument("--folds", type=int, default=10, help="parts of the frames, default 10")
    parser.add_argument(
        "--time",
        type=seconds,
        metavar="TIME",
        help="end within this time; one fold is always tried",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("families"), help="folder, default families"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Compare, and print the table."""
    begun = time.time()
    frames = frames_of(arguments, arguments.data)
    families = {POTENTIAL: {"choices": list(frames.bases)}}
    space = Space.of(changed(families, arguments.changes), frames.bases)
    folds = min(arguments.folds, len(frames.images))
    about = (frames.raw_data, frames.of_data)
    problem = Problem(frames.images, space, ("error", "cost"), folds, 1, arguments.out, *about)
    whole = arguments.time
    limit = None if whole is None else whole * (1 - SPARE) / len(frames.bases)
    until = math.inf if whole is None else begun + whole
    if not arguments.quiet:
        each = "" if limit is None else f", each training in at most {limit:.0f} s"
        names = ", ".join(frames.bases)
        print(f"{names}: on up to {folds} folds of {len(frames.images)} frames{each}", flush=True)
    with noticed("the comparison") as lines:
        lines += [f"its trainings: {arguments.out}", "to go on: the same command"]
        comparison = Comparison(problem, show=not arguments.quiet)
        for _ in comparison.run(until, limit):
            path = write_families(comparison)
    print((arguments.out / "report.md").read_text(encoding="utf-8"))
    print(f"report: {path}")
