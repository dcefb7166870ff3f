"""Options of the commands that write a report, and what they print of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..report import summary
from ..report.fit import check_extras

BINS = 200
EXTRAS = {
    "pictures": "also write PNG files under the names that MedeA gives them; needs matplotlib",
    "chemiscope": "also write chemiscope.json.gz, an input of that viewer",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a report may have to a command."""
    parser.add_argument("--no-plots", dest="plots", action="store_false", help="no figures")
    parser.add_argument(
        "--histograms",
        type=int,
        nargs="?",
        const=BINS,
        default=0,
        metavar="BINS",
        help=f"also histograms of all fingerprint components, of so many bins (default {BINS})",
    )
    for name, text in EXTRAS.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)


def check(arguments: argparse.Namespace) -> None:
    """Raise an ``ImportError`` before any work where a package is missing, a ``ValueError`` where a
    number is none."""
    if arguments.histograms < 0:
        raise ValueError(f"--histograms: expected a number of bins > 0, got {arguments.histograms}")
    check_extras(also(arguments))


def also(arguments: argparse.Namespace) -> list[str]:
    """What is asked for, as ``amptorch.report.write_report`` calls it."""
    return [name for name in EXTRAS if getattr(arguments, name)]


def show(report: Mapping[str, Any], folder: Path) -> None:
    """Print errors and warnings of a report, and where it is."""
    print(f"\n{summary(report)}\n\nreport: {folder / 'report.html'}")


def one_file(raw_data: Any) -> Path | None:
    """The file of the images, where they are those of one whole file."""
    names = [raw_data] if isinstance(raw_data, (str, Path)) else list(raw_data)
    one = len(names) == 1 and isinstance(names[0], (str, Path)) and Path(names[0]).is_file()
    return Path(names[0]) if one else None
