"""Ctrl-C: training ends with its best model, and the command has to know that it was stopped."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..files.checkpoint import NEEDED


class Interrupted(KeyboardInterrupt):
    """The command was interrupted; its text says what is there and how to go on."""


@contextlib.contextmanager
def noticed(what: str) -> Iterator[list[str]]:
    """Raise :class:`Interrupted` at the end if there was a Ctrl-C in between, also one that
    training took as its end.

    Args:
        what: was interrupted.

    Yields:
        A list, to which lines that the user is to read may be added.
    """
    came: list[bool] = []
    lines: list[str] = []

    def note(number: int, frame: Any) -> None:
        came.append(True)
        raise KeyboardInterrupt

    # Other threads cannot, and get no signals either.
    main = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, note) if main else None
    try:
        yield lines
    except KeyboardInterrupt:
        came.append(True)
    finally:
        if main:
            signal.signal(signal.SIGINT, previous)
    if came:
        raise Interrupted("\n".join([f"{what} was interrupted", *lines]))


def how_to_go_on(folder: str | Path | None) -> list[str]:
    """Where the best model of a run is, and the command that goes on with it."""
    if folder is None or not all((Path(folder) / name).is_file() for name in NEEDED):
        return ["no epoch was complete: there is no model yet"]
    return [f"the best model so far: {folder}", f"to go on: amptorch train --resume {folder}"]
