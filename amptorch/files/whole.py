"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path


def write_whole(
    path: str | Path, content: Callable[[], bytes | memoryview], where: str = ""
) -> None:
    """Write a file beside its place, then put it there: the old one stays, or all of the new, which
    whoever the umask lets may read.

    Args:
        path: file to write.
        content: makes all of it.
        where: beginning of the error.

    Raises:
        OSError: it cannot be made or written, as on a full disk.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(content())
        os.replace(temporary, path)
    except BaseException as error:
        # It is gone where Ctrl-C came right after it was put in its place.
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(f"{where}cannot write {path}: {error}") from error
        raise
