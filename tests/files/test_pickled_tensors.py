"""Tensors in pickles: as torch reads them, and nothing that a file says is believed."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

from amptorch.files import pickled_tensors, safe_pickle
from amptorch.files.safe_pickle import Refused, loads

NUMBERS = [torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16]
READ_HERE = [*NUMBERS, torch.int8, torch.uint8]
READ_BY_TORCH = [torch.bool, torch.bfloat16, torch.complex128]


class Calls:
    """Pickled as the call of a function."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self):
        return self.call


class Plain:
    """Pickled as an instance, which is made without a call."""


def storage_bytes(tensor: torch.Tensor) -> bytes:
    """What torch writes of a tensor's storage into a pickle."""
    _, (data,) = storage_of(tensor).__reduce__()
    return data


def storage_of(tensor: torch.Tensor) -> torch.storage.TypedStorage:
    return torch.storage.TypedStorage(
        wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True
    )


@pytest.fixture(params=["small", "large"], autouse=True)
def size(request, monkeypatch):
    """Small pickles are read in one way, large ones in another."""
    if request.param == "large":
        monkeypatch.setattr(safe_pickle, "_LARGE", 0)
        monkeypatch.setattr(safe_pickle, "_MANY", 256)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("dtype", [*READ_HERE, *READ_BY_TORCH], ids=str)
def test_tensors_survive(dtype, protocol):
    whole = (torch.arange(24) % 5).to(dtype).reshape(2, 3, 4)
    given = {
        "whole": whole,
        "turned": whole.transpose(0, 2),
        "part": whole[1:, ::2, 1:],
        "repeated": whole[:1, :1].expand(2, 5, 4),
        "number": whole[1, 2, 3],
        "empty": whole[:0],
    }
    read = loads(pickle.dumps(given, protocol=protocol))
    for name, tensor in given.items():
        assert read[name].dtype == dtype
        assert read[name].stride() == tensor.stride()
        assert torch.equal(read[name], tensor), name
    read["whole"][0] = 1  # what is read is the reader's own
    assert torch.equal(given["whole"], whole)


def test_parameters_survive():
    layer = torch.nn.Linear(2, 3).double()
    read = loads(pickle.dumps(layer.weight))
    assert isinstance(read, torch.nn.Parameter)
    assert read.requires_grad
    assert torch.equal(read, layer.weight)
    assert loads(pickle.dumps(torch.ones(2, requires_grad=True))).requires_grad


@pytest.mark.parametrize("dtype", READ_HERE, ids=str)
def test_storages_that_torch_writes_are_known(dtype, monkeypatch):
    monkeypatch.setattr(torch, "load", None)
    for count in (0, 1, 300, 70_000):
        numbers = (torch.arange(count) % 7).to(dtype)
        assert torch.equal(pickled_tensors.storage(storage_bytes(numbers)), numbers)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ctorch\nDoubleStorage", b"cos\nsystem"),
        (b"ctorch\nDoubleStorage", b"ctorch\nNoStorage"),
        (b"\x80\x02]q\x00X", b"\x80\x02]q\x00cos\nsystem\n"),
        (b"storageq\x00", b"another"),
    ],
)
def test_storages_of_another_look_are_refused(old, new):
    data = storage_bytes(torch.ones(3, dtype=torch.float64))
    assert old in data
    with pytest.raises(pickle.UnpicklingError, match="is not whole"):
        pickled_tensors.storage(data.replace(old, new))


@pytest.mark.parametrize("cut", [1, 8, 24, 25, 40])
def test_truncated_storages_are_refused(cut):
    data = storage_bytes(torch.ones(3, dtype=torch.float64))
    with pytest.raises(pickle.UnpicklingError, match="a storage is not whole"):
        pickled_tensors.storage(data[:-cut])


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (4,), (1,)), (1, (3,), (1,)), (-1, (1,), (1,)), (0, (2, 2), (2, 1)), (0, (2,), (-1,))],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bool], ids=str)
def test_tensors_beyond_their_storage_are_refused(offset, size, stride, dtype):
    """torch would make the storage longer, by whatever lies in memory behind it."""
    numbers = storage_of(torch.ones(3, dtype=dtype))
    rebuild = torch._utils._rebuild_tensor_v2
    call = Calls(rebuild, numbers, offset, size, stride, False, OrderedDict())
    with pytest.raises(pickle.UnpicklingError, match="not within its storage"):
        loads(pickle.dumps(call))


def matrix(rows: list[int], columns: list[int]) -> torch.Tensor:
    """A sparse matrix of size [4, 3], as it is: neither checked nor sorted."""
    values = torch.arange(1.0, len(rows) + 1, dtype=torch.float64)
    return torch.sparse_coo_tensor(
        torch.tensor([rows, columns], dtype=torch.int64), values, (4, 3), check_invariants=False
    )


@pytest.mark.parametrize(
    ("rows", "columns", "in_order"),
    [
        ([], [], True),
        ([2], [0], True),
        ([0, 0, 1, 3], [0, 2, 1, 2], True),
        ([0, 0, 1], [2, 0, 1], False),
        ([1, 0], [0, 2], False),
        ([1, 1], [2, 2], False),
    ],
)
def test_sparse_matrices_survive(rows, columns, in_order, monkeypatch):
    given = matrix(rows, columns)
    for piece in (1, 2, 100):
        monkeypatch.setattr(pickled_tensors, "_PIECE", piece)
        read = loads(pickle.dumps(given))
        assert read.is_coalesced() == in_order
        assert torch.equal(read.to_dense(), given.to_dense())
        assert torch.equal(read.coalesce().indices(), given.coalesce().indices())
    assert torch.equal(loads(pickle.dumps(given.coalesce())).to_dense(), given.to_dense())


@pytest.mark.parametrize(
    ("rows", "columns"), [([0, 4], [0, 0]), ([-1, 0], [0, 0]), ([0, 1], [0, 3]), ([0, 1], [0, -1])]
)
def test_sparse_matrices_with_elements_outside_are_refused(rows, columns):
    given = matrix([0, 1], [0, 1])
    given._indices().copy_(torch.tensor([rows, columns]))
    with pytest.raises(pickle.UnpicklingError, match=r"size \[4, 3\] has elements outside of it"):
        loads(pickle.dumps(given))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_other_sparse_layouts_are_refused():
    with pytest.raises(pickle.UnpicklingError, match=r"layout COO, got torch\.sparse_csr"):
        loads(pickle.dumps(torch.eye(3).to_sparse_csr()))


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_no_tensor_survives_and_is_kept(protocol):
    """Also when the bytes it was read from are gone."""
    tensor, text = torch.arange(600.0), "é" * 600
    given = {"array": np.arange(600.0), "tensor": tensor, "bytes": b"x" * 600, "text": text}
    given |= {"storage": storage_bytes(tensor)[:-1], "int": 3**4000}
    given |= {"bytearray": bytearray(600)} if protocol == 5 else {}
    data = bytearray(pickle.dumps(given, protocol=protocol))
    read = loads(memoryview(data))
    data[:] = bytes(len(data))
    np.testing.assert_array_equal(read.pop("array"), given.pop("array"))
    assert torch.equal(read.pop("tensor"), given.pop("tensor"))
    assert read == given
    assert [type(each) for each in read.values()] == [type(each) for each in given.values()]


@pytest.mark.parametrize("protocol", range(6))
def test_truncated_pickles_are_refused(protocol):
    whole = pickle.dumps({"tensor": torch.arange(3.0), "name": "x" * 300}, protocol=protocol)
    for end in range(1, len(whole), 7):
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, LookupError)):
            loads(whole[:end])


def test_nothing_else_is_called():
    with pytest.raises(pickle.UnpicklingError, match="not on the list of trusted types"):
        loads(pickle.dumps(Calls(exec, "raise SystemExit")))
    for protocol in range(2, 6):
        with pytest.raises(
            Refused, match=r"call tests\.files\.test_pickled_tensors\.Plain, which is not"
        ):
            loads(pickle.dumps(Plain(), protocol=protocol))
