"""``python -m profiling <command>``: see ``python -m profiling --help``."""

from __future__ import annotations

import argparse

from . import demo, fit, kernels, optimizers, store, training


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m profiling", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo.add_command(commands)
    fit.add_command(commands)
    kernels.add_command(commands)
    optimizers.add_command(commands)
    training.add_command(commands)
    store.add_command(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
