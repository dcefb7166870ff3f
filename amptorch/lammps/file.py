"""The file that ``pair_style amptorch`` reads.

Plain text. The first line is the title and the version; then come entries, the word ``end`` behind
the last one. An entry is its name, what it is a list of (``words``, ``integers`` or ``numbers``),
how many there are, and these, all apart by spaces or lines. Numbers are written so that their last
bit is kept; in plugin/entries.cpp is what reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..files.whole import write_whole

TITLE = "amptorch potential for LAMMPS, version 2"
_A_LINE = 6

Entries = Mapping[str, "str | Sequence[str] | ArrayLike"]
"""By name: a word, words, or whole or other numbers, in any shape."""


def write_entries(path: Path, entries: Entries) -> None:
    """Write a file, whole or not at all."""
    parts = [TITLE, *(_text(name, values) for name, values in entries.items()), "end", ""]
    write_whole(path, "\n".join(parts).encode)


def _text(name: str, values: str | Sequence[str] | ArrayLike) -> str:
    kind, words = _words(values)
    lines = [" ".join(words[k : k + _A_LINE]) for k in range(0, len(words), _A_LINE)]
    return "\n".join([f"{name} {kind} {len(words)}", *lines])


def _words(values: str | Sequence[str] | ArrayLike) -> tuple[str, list[str]]:
    if isinstance(values, str):
        return "words", [values]
    array = _array(values)
    if array.dtype.kind == "U":
        return "words", array.tolist()
    if array.dtype.kind in "bi":
        return "integers", [str(int(each)) for each in array]
    return "numbers", [repr(float(each)) for each in array]


def _array(values: object) -> NDArray[np.generic]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values).reshape(-1)
