"""``python -m profiling <command>``: see ``python -m profiling --help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import (
    accuracy,
    compare,
    delta,
    demo,
    diff,
    fit,
    force_call,
    gpu,
    kernels,
    lines,
    md,
    memory,
    nep,
    optimizers,
    sample,
    scaling,
    sharing,
    snap,
    snap_accuracy,
    startup,
    store,
    training,
)

COMMANDS = (
    accuracy,
    delta,
    compare,
    demo,
    fit,
    kernels,
    snap,
    snap_accuracy,
    nep,
    force_call,
    md,
    optimizers,
    training,
    store,
    scaling,
    startup,
    sharing,
    lines,
    sample,
    memory,
    gpu,
    diff,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, that of the command line by default."""
    parser = argparse.ArgumentParser(prog="python -m profiling", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add_command(commands)
    parsed = parser.parse_args(arguments)
    parsed.run(parsed)


if __name__ == "__main__":
    main()
