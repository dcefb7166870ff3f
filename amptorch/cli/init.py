"""``init``: a commented configuration for data, to change and to train with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..files.config_text import config_text
from .configuration import choose_configuration
from .options import add_data, add_recipe
from .parser import WrongUsage, examples
from .settings import add_units

_HEAD = """\
# amptorch train {name}
# All values were chosen from the data, by the rules of docs/cli.md; docs/config.md has all keys.
"""


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "init",
        help="write a commented configuration for data",
        description="Write the configuration that `amptorch train DATA` would take, with the "
        "reason of each value as a comment.",
        epilog=examples("amptorch init data.extxyz", "amptorch init data.extxyz -o water.yaml"),
    )
    add_data(parser)
    add_units(parser)
    add_recipe(parser)
    parser.add_argument("-o", "--out", type=Path, default=Path("config.yaml"), metavar="FILE")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the file."""
    out: Path = arguments.out
    if out.exists() and not arguments.force:
        raise WrongUsage(f"--out: {out} is there already; --force writes over it")
    chosen = choose_configuration(arguments, resume=None)
    text = _HEAD.format(name=out) + "\n" + config_text(chosen.config, chosen.reasons)
    out.write_text(text, encoding="utf-8")
    print(f"{out}: to train with it: amptorch train {out}")
