"""What is printed, kept in a file too."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class _Both:
    """A stream, and a file that gets its whole lines without colours; of a line that is written
    over, as those of progress bars, the last."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self._stream, self._file, self._line = stream, file, ""

    def write(self, text: str) -> int:
        self._line += _COLOUR.sub("", text)
        *lines, self._line = self._line.split("\n")
        self._file.writelines(f"{line.rpartition(chr(13))[2]}\n" for line in lines)
        self._file.flush()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def kept_in(path: Path | None) -> Iterator[None]:
    """Append all that is printed to a file, if one is given."""
    if path is None:
        yield
        return
    with path.open("a", encoding="utf-8") as file:
        out: Any = _Both(sys.stdout, file)
        errors: Any = _Both(sys.stderr, file)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            yield
