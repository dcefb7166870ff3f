"""``select``: which functions of a pool to keep."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ..data.keys import Keys
from ..data.reading import Source, read_images
from ..recipe.facts import found_keys
from ..selection.command import selected
from ..selection.options import Options
from ..selection.pool import POOLS
from ..selection.study import METHODS, check_methods
from .interrupt import noticed
from .options import add_data, add_output
from .parser import WrongUsage, examples
from .settings import given_keys, read_settings

COUNTS = {
    "frames": (0, "frames that are taken, evenly spread; default all"),
    "seeds": (5, "networks that are trained on each set"),
    "epochs": (80, "of a training"),
    "hidden": (16, "nodes of both layers of networks"),
    "force-atoms": (8, "atoms of each frame whose forces are fitted"),
    "seed": (0, "of the split, the draws and the first network"),
    "noise": (
        0,
        "functions of random numbers that are added to the pool, to be dropped",
    ),
}


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "select",
        help="find out which symmetry functions, or other features, to keep",
        description="Which functions of a pool to keep: errors of networks on sets that several "
        "methods choose, on frames that none of them saw, beside those of the whole pool "
        "(docs/selecting.md). Fingerprints are computed once; what is found is kept in a journal, "
        "with which the same command goes on.",
        epilog=examples(
            "amptorch select data.extxyz --keep 40",
            "amptorch select data.extxyz --pool thesis --keep 57 --methods lassonet,backward,cur",
            "amptorch select data.extxyz --pool pool.yaml --frames 100 --out selected",
        ),
    )
    add_data(parser)
    parser.add_argument(
        "--pool",
        default="auto",
        help=f"YAML file with fp_scheme, fp_params, cutoff_params and elements, at its top or in "
        f"its section 'dataset'; or one of {', '.join(POOLS)} (default auto)",
    )
    parser.add_argument(
        "--methods",
        type=_names,
        default=METHODS,
        metavar="NAME,NAME",
        help=f"default all: {', '.join(METHODS)}",
    )
    parser.add_argument("--keep", type=int, default=40, help="functions at most, default 40")
    parser.add_argument("--sizes", type=_numbers, default=(), help="numbers of functions to try")
    for name, (default, text) in COUNTS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    parser.add_argument("--no-forces", action="store_true", help="energies only")
    parser.add_argument("--out", type=Path, default=Path("selected"), help="folder")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Study, write the report, and say where it is."""
    check_methods(arguments.methods)
    options = _options(arguments)
    names: Source = arguments.data[0] if len(arguments.data) == 1 else arguments.data
    pool = arguments.pool
    given = pool if pool in POOLS else read_settings(pool, "--pool")
    keys = given_keys(arguments.keys, Keys.of(found_keys(next(read_images(names, "DATA")))))
    begun = time.monotonic()
    with noticed("the study") as lines:
        lines.append(f"to go on: the same command with --out {arguments.out}")
        text = selected(names, given, options, arguments.out, not arguments.quiet, keys)
        lines.clear()
        print(text)
        print(f"{time.monotonic() - begun:.0f} s; report: {arguments.out / 'report.html'}")


def _options(arguments: argparse.Namespace) -> Options:
    values = {name.replace("-", "_"): getattr(arguments, name.replace("-", "_")) for name in COUNTS}
    try:
        return Options(
            keep=arguments.keep,
            sizes=arguments.sizes,
            methods=tuple(arguments.methods),
            forces=not arguments.no_forces,
            **values,
        )
    except ValueError as error:
        raise WrongUsage(str(error)) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(each) for each in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers such as 10,20, got {text!r}") from None
