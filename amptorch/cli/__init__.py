"""The command line, ``amptorch <command>``: a module a command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from ..processes import collection
from .console import kept_in
from .parser import FAILED, GOOD, INTERRUPTED, WRONG_USAGE, Parser, WrongUsage

COMMANDS = (
    *("train", "search", "compare_families", "tune", "evaluate", "predict", "finetune"),
    *("committee", "select", "select_frames", "relax", "md", "nep", "data", "export", "lammps"),
    *("init", "fingerprint", "info", "verify", "merge", "convert", "machine", "completion"),
)
STATUS = "exit status: 0 good, 1 failed, 2 wrong usage, 130 interrupted"


def make_parser(first: str = "") -> Parser:
    """The parser of all commands, or of what an argument that comes first needs of them: imports of
    all take longer than many a command."""
    parser = Parser(
        prog="amptorch",
        description="Interatomic potentials from atomic fingerprints.",
        epilog=STATUS,
    )
    parser.add_argument(
        "--version", action="version", version=f"amptorch {metadata.version('amptorch')}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in _needed(first):
        import_module(f".{name}", __name__).add_command(commands)
    return parser


def _needed(first: str) -> Sequence[str]:
    """Modules of commands; all for help, for errors, and for what completes them."""
    if first == "--version":
        return ()
    name = first.replace("-", "_")
    return (name,) if name in COMMANDS and name != "completion" else COMMANDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status. Bad input gives a message, not a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    with collection.paused():
        parser = make_parser(next(iter(given), ""))
    if arguments is None:
        collection.leave_out_imports()
    parsed = parser.parse_args(given)
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
