"""``tune``: the values of a configuration that predict frames left out best."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

from ..files.config_text import CONFIG_TEXT
from .configuration import configuration
from .options import DATA, add_output, add_recipe, add_time, add_trials
from .parser import WrongUsage, examples
from .settings import add_keys, add_units
from .tuning import tuned

TRIALS = 100


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "tune",
        help="search cutoffs, radii and weights of linear potentials",
        description="Search what predicts frames left out best: of a linear potential the cutoff "
        "of its bispectrum components, radii and weights of elements (docs/snap.md), or of ACE the "
        "cutoffs of pairs of elements (docs/ace.md), and for each of these the weights of groups "
        "and the penalty. Each fit is kept in a journal, with which the same command goes on.",
        epilog=examples(
            "amptorch tune data.extxyz --potential snap --time 10m",
            "amptorch tune data.extxyz --potential linear_ace --time 1h",
            "amptorch tune config.yaml data.extxyz --trials 200 --out tuned",
        ),
    )
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help=f"{DATA}; and at most one configuration, .yaml"
    )
    add_keys(parser)
    add_units(parser)
    add_recipe(parser)
    add_time(parser)
    add_trials(parser, TRIALS, str(TRIALS))
    parser.add_argument("--out", type=Path, default=Path("tuned"), help="folder, default tuned")
    add_output(parser)
    parser.set_defaults(run=run, potential="snap", resume=None)


def run(arguments: argparse.Namespace) -> None:
    """Search, and say where what was found is."""
    begun = time.monotonic()
    if arguments.trials < 1:
        raise WrongUsage(f"--trials: expected 1 or more, got {arguments.trials}")
    config = configuration(arguments)
    until = math.inf if arguments.time is None else begun + arguments.time
    tuned(config, arguments, until, arguments.out)
    print(f"configuration: {arguments.out / CONFIG_TEXT}")
    print(f"to train with it: amptorch train {arguments.out / CONFIG_TEXT}")
