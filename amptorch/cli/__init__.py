"""The command line, ``python -m amptorch <command>``: a module a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import convert, evaluate, fingerprint, info, machine, merge, train, verify

COMMANDS = (train, evaluate, fingerprint, info, verify, merge, convert, machine)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status. Bad input gives a message and 1, not a traceback."""
    parser = argparse.ArgumentParser(
        prog="python -m amptorch", description="Neural-network potentials from fingerprints."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add_command(commands)
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed) or 0)
    except (ValueError, FileNotFoundError, ImportError) as error:
        print(f"{parser.prog} {parsed.command}: {error}", file=sys.stderr)
        return 1


__all__ = ["main"]
