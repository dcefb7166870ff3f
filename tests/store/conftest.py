"""What tests of stores share: a descriptor, a small data set, comparison bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import pytest
import torch
from ase import Atoms

from amptorch.data.frame import AtomsData
from amptorch.data.primes import OnTheFly, PairJacobian
from amptorch.store import FingerprintStore, build_store

from ..made_potentials import COSINE, GAUSSIAN, cuco_frames

ELEMENTS = ["Cu", "C", "O"]
SETUP = ("gaussian", GAUSSIAN, COSINE, ELEMENTS)


@pytest.fixture
def images() -> list[Atoms]:
    """Eight frames."""
    return cuco_frames(8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be."""
    return tmp_path / "frames.lmdb"


def build(source: Any, path: Path, **options: Any) -> FingerprintStore:
    """A cached store in float64, made in this process without a progress bar."""
    defaults = {
        "descriptor": SETUP,
        "dtype": torch.float64,
        "derivatives": "cached",
        "processes": 1,
        "verbose": False,
    }
    return build_store(source, path, **{**defaults, **options})


def contents(path: Path) -> dict[bytes, dict[bytes, bytes]]:
    """All records of a file by table, read with lmdb alone."""
    with lmdb.open(str(path), subdir=False, readonly=True, max_dbs=3) as environment:
        tables = [b"header", b"frames", b"images"]
        databases = {name: environment.open_db(name, create=False) for name in tables}
        with environment.begin() as transaction:
            return {
                name: dict(transaction.cursor(db=database)) for name, database in databases.items()
            }


def assert_same_data(one: AtomsData, other: AtomsData) -> None:
    """Bit for bit the same."""
    assert set(one.keys) == set(other.keys)
    for name in ("fingerprint", "atomic_numbers", "energy", "forces", "stress", "volume", "weight"):
        if name in one:
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, equal_nan=True)
    assert type(one.primes) is type(other.primes)
    if isinstance(one.primes, (PairJacobian, OnTheFly)):
        for name in ("vectors", "first", "neighbors", "species"):
            mine, others = (
                getattr(one.primes.environment, name),
                getattr(other.primes.environment, name),
            )
            assert torch.equal(mine, others), name
        assert torch.equal(one.primes.factors, other.primes.factors)
    if isinstance(one.primes, PairJacobian):
        assert torch.equal(one.primes.values, other.primes.values)
        assert torch.equal(one.primes.touch, other.primes.touch)
