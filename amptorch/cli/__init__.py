"""The command line, ``amptorch <command>``: a module a command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata

from . import (
    committee,
    compare_families,
    completion,
    convert,
    data,
    evaluate,
    export,
    finetune,
    fingerprint,
    info,
    init,
    lammps,
    machine,
    md,
    merge,
    nep,
    predict,
    relax,
    search,
    select,
    select_frames,
    train,
    tune,
    verify,
)
from .console import kept_in
from .parser import FAILED, GOOD, INTERRUPTED, WRONG_USAGE, Parser, WrongUsage

COMMANDS = (
    *(train, search, compare_families, tune, evaluate, predict, finetune, committee),
    *(select, select_frames, relax, md, nep, data, export, lammps, init),
    *(fingerprint, info, verify, merge, convert, machine, completion),
)
STATUS = "exit status: 0 good, 1 failed, 2 wrong usage, 130 interrupted"


def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="amptorch",
        description="Interatomic potentials from atomic fingerprints.",
        epilog=STATUS,
    )
    parser.add_argument(
        "--version", action="version", version=f"amptorch {metadata.version('amptorch')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add_command(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status. Bad input gives a message, not a traceback."""
    parser = make_parser()
    parsed = parser.parse_args(arguments)
    with kept_in(getattr(parsed, "log", None)):
        try:
            return int(parsed.run(parsed) or GOOD)
        except WrongUsage as error:
            status, text = WRONG_USAGE, str(error)
        except (ValueError, ArithmeticError, MemoryError, OSError, ImportError) as error:
            status, text = FAILED, str(error)
        except KeyboardInterrupt as error:
            status, text = INTERRUPTED, str(error) or "interrupted"
        print(f"amptorch {parsed.command}: {text}", file=sys.stderr)
    return status


__all__ = ["main"]
