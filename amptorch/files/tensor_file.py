"""Files of arrays and plain values that run no code when they are read.

A file of the ``safetensors`` library: a JSON header, then the numbers. All that is ours stands in
one entry of the header's metadata, JSON with "kind", "format", "values" and "sha256", which is of
the other three and of all numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .whole import write_whole

ENTRY = "amptorch"
SUM = "sha256"
# safetensors begins with the length of its header, and no header is longer.
_LENGTH, _LONGEST = 8, 100_000_000


def write(
    path: str | Path, kind: str, version: int, values: Mapping[str, Any], arrays: dict[str, Tensor]
) -> None:
    """Write a file, whole or not at all.

    Args:
        path: file to write.
        kind: what it holds.
        version: of how it is held.
        values: plain values, as JSON knows them.
        arrays: tensors of any device and type.
    """
    from safetensors.torch import save  # only where such files are written or read

    arrays = {name: _own(each) for name, each in arrays.items()}
    content: dict[str, Any] = {"kind": kind, "format": version, "values": values}
    content[SUM] = _sum(content, arrays)
    # One entry: the library writes several in an order of chance.
    data = save(arrays, {ENTRY: json.dumps(content, sort_keys=True)})
    write_whole(path, lambda: data)
    os.chmod(path, 0o666 & ~_umask())


def read(path: str | Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Values and arrays of a file.

    Args:
        path: the file.
        kind: what it is to hold.
        version: the latest that can be read.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is cut or edited, of a later version, or of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    data = path.read_bytes()
    content = _content(path, data)
    if content.get("kind") != kind:
        raise ValueError(f"{path}: expected {kind}, got {content.get('kind')!r}")
    found = content.get("format")
    if type(found) is not int or not 1 <= found <= version:
        raise ValueError(
            f"{path}: {kind} of format {found!r}, and formats up to {version} can be read: it was "
            "written by a later version of amptorch"
        )
    try:
        # Copies: those that are given are views of ``data``.
        arrays = {name: each.clone() for name, each in load(data).items()}
    except SafetensorError as error:
        raise ValueError(f"{path}: cut or damaged: {error}") from error
    if content.pop(SUM, None) != _sum(content, arrays):
        raise ValueError(f"{path}: its numbers or values were changed: the check sum differs")
    return content["values"], arrays


def looks_like_one(path: Path) -> bool:
    """Whether a path is a file with a header of the ``safetensors`` library."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(_LENGTH + 1)
    return len(start) > _LENGTH and start[_LENGTH:] == b"{" and _header_length(start) < _LONGEST


def _header_length(data: bytes) -> int:
    return int.from_bytes(data[:_LENGTH], "little")


def _content(path: Path, data: bytes) -> dict[str, Any]:
    """Our entry of a header's metadata."""
    end = _LENGTH + _header_length(data)
    if len(data) < _LENGTH or end > len(data):
        raise ValueError(f"{path}: cut: {len(data)} bytes, its header alone ends at {end}")
    try:
        content = json.loads(json.loads(data[_LENGTH:end])["__metadata__"][ENTRY])
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(
            f"{path}: not a file of amptorch, or damaged: expected an entry {ENTRY!r} in its "
            f"header, got {error!r}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: damaged: expected values by name, got {content!r:.80}")
    return content


def _own(array: Tensor) -> Tensor:
    """The numbers of a tensor in memory of its own."""
    return array.detach().cpu().clone(memory_format=torch.contiguous_format)


def _sum(content: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
        total.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
