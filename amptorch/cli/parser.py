"""Reading arguments: errors that propose the nearest, and the status that commands end with."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from ..errors import nearest

GOOD, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class WrongUsage(ValueError):
    """An argument of another form than the command takes."""


class Parser(argparse.ArgumentParser):
    """argparse's, with errors that name the nearest command, option or choice."""

    def __init__(self, *args: object, **options: object) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\n{self.prog} --help shows what it takes", file=sys.stderr)
        raise SystemExit(WRONG_USAGE)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            hint = nearest(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"unknown {value!r}; {hint}")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """argparse's, but an option that is not known is an error of the command it stands with."""
        parsed, rest = super().parse_known_args(args, namespace)
        unknown = next((each for each in rest if each.startswith("-")), None)
        if unknown is not None:
            hint = nearest(unknown.partition("=")[0], self._option_string_actions)
            self.error(f"unknown option {unknown}; {hint}")
        return parsed, rest


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])
