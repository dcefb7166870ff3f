"""Tensors in pickles.

A pickle holds a tensor as a storage with an offset, a shape and strides, and the storage as a whole
file in torch's old format: four pickles (magic number, version, sizes of types; class, key, place
and length of the storage), the key once more, the length in eight bytes, and the numbers. Such a
file differs from the next in a few bytes only. Those are read here, in a fiftieth of the time that
``torch.load`` takes; a file of any other look is left to ``torch.load(weights_only=True)``.

What a file says of a tensor is checked before it becomes one: torch takes indices of sparse
matrices, and shapes beyond the end of a storage, as they come.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_HEADER = (
    0x1950A86A20F9469CFC6C,
    1001,
    {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    },
)
_STORAGE = re.compile(
    re.escape(b"".join(pickle.dumps(part, protocol=2) for part in _HEADER))
    + rb"\x80\x02\(X\x07\0{3}storageq\0ctorch\n(?P<kind>[A-Z][a-z]+)Storage\nq\x01"
    + rb"X.\0{3}(?P<key>\d+)q\x02X\x03\0{3}cpuq\x03(?:K.|M..|J.{4}|\x8a.{1,9}?)Ntq\x04Q\."
    + rb"\x80\x02\]q\0X.\0{3}(?P=key)q\x01a\.",
    re.DOTALL,
)
_KINDS = {
    "Double": "<f8",
    "Float": "<f4",
    "Half": "<f2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "<i1",
    "Byte": "<u1",
}
# Indices looked at together: few enough to stay in the cache of a processor.
_PIECE = 1 << 15


def storage(data: bytes | Tensor) -> Any:
    """The numbers of a storage: a tensor [n], or what ``torch.load`` makes of it.

    Args:
        data: the storage, or its :func:`numbers`.

    Raises:
        pickle.UnpicklingError: not a whole storage.
    """
    if isinstance(data, Tensor):
        return data
    found = numbers(data)
    return _load(data) if found is None else found


def numbers(data: bytes | memoryview) -> Tensor | None:
    """The numbers of a storage as torch writes it [n]; None for any other bytes."""
    form = _STORAGE.match(data)
    kind = _KINDS.get(form["kind"].decode()) if form else None
    if form is None or kind is None:
        return None
    start, size = form.end() + 8, np.dtype(kind).itemsize
    count = int.from_bytes(data[form.end() : start], "little", signed=True)
    if len(data) != start + count * size:
        return None
    return torch.from_numpy(np.frombuffer(data, kind, count, start).astype(kind[1:]))


def _load(data: bytes) -> Any:
    try:
        return torch.load(io.BytesIO(data), weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, LookupError, ValueError) as error:
        raise pickle.UnpicklingError("a storage is not whole, or of an unknown kind") from error


def dense(
    values: Tensor | torch.storage.TypedStorage,
    offset: int,
    size: Sequence[int],
    stride: Sequence[int],
    requires_grad: bool = False,
    *_: object,
) -> Tensor:
    """A tensor as a pickle holds it.

    Args:
        values: [n], or a storage of torch's.
        offset: of the first element.
        size: of each axis.
        stride: steps of each axis.
        requires_grad: as of the tensor.

    Raises:
        pickle.UnpicklingError: not within the storage.
    """
    try:
        if not isinstance(values, Tensor):
            values = _flat(values)
        # Other than ``set_`` this does not grow a storage that is too short.
        tensor = torch.as_strided(values, size, stride, offset)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise pickle.UnpicklingError(f"a tensor is not within its storage: {error}") from error
    return tensor.requires_grad_() if requires_grad else tensor


def _flat(storage: torch.storage.TypedStorage) -> Tensor:
    # What of this is public warns.
    numbers = storage._untyped_storage
    return torch.empty(0, dtype=storage.dtype, device=numbers.device).set_(numbers)


def sparse(layout: torch.layout, parts: Sequence[Any]) -> Tensor:
    """A sparse COO matrix as a pickle holds it: indices, values, size and, since torch 2,
    whether it is coalesced; that is seen from the indices.

    Raises:
        pickle.UnpicklingError: indices outside the size, or of another layout.
    """
    indices, values, size = parts[:3]
    if layout != torch.sparse_coo or len(size) != 2 or indices.shape != (2, *values.shape):
        raise pickle.UnpicklingError(f"expected a sparse matrix of layout COO, got {layout}")
    in_order = _in_order(indices.numpy(), size)
    return torch.sparse_coo_tensor(
        indices, values, size, is_coalesced=in_order, check_invariants=False
    )


def _in_order(indices: NDArray[np.int64], size: Sequence[int]) -> bool:
    """Whether elements come row by row, none twice: such a matrix need not be sorted again.

    Raises:
        pickle.UnpicklingError: indices outside the size.
    """
    last, in_order = -1, True
    for start in range(0, indices.shape[1], _PIECE):
        rows, columns = indices[:, start : start + _PIECE]
        for index, length in ((rows, size[0]), (columns, size[1])):
            # Without their sign, negative ones are the largest.
            if index.view(np.uint64).max() >= length:
                raise pickle.UnpicklingError(
                    f"a sparse matrix of size {list(size)} has elements outside of it"
                )
        places = rows * size[1] + columns
        in_order = in_order and bool(places[0] > last and (places[1:] > places[:-1]).all())
        last = places[-1]
    return in_order
