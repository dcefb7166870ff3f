"""What tests of the store share: a descriptor of every scheme, small data sets, stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms

from amptorch.data import AtomsData
from amptorch.primes import OnTheFly, PairJacobian
from amptorch.store import FingerprintStore, build_store

from ..potentials import COSINE, GAUSSIAN, cuco_frames

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
    """A store in float64 in this process, without a progress bar."""
    options = {"descriptor": SETUP, "dtype": torch.float64, "processes": 1, **options}
    return build_store(
        source,
        path,
        derivatives=options.pop("derivatives", "cached"),
        **{"verbose": False, **options},
    )


def assert_same_data(one: AtomsData, other: AtomsData) -> None:
    """Bit for bit the same."""
    assert set(one.keys) == set(other.keys)
    for name in ("fingerprint", "atomic_numbers", "energy", "forces"):
        assert (name in one) == (name in other)
        if name in one:
            assert one[name].dtype == other[name].dtype
            assert torch.equal(one[name], other[name]), name
    assert type(one.primes) is type(other.primes)
    if isinstance(one.primes, (PairJacobian, OnTheFly)):
        for name in ("vectors", "first", "neighbors", "species"):
            assert torch.equal(
                getattr(one.primes.environment, name), getattr(other.primes.environment, name)
            )
        assert torch.equal(one.primes.factors, other.primes.factors)
    if isinstance(one.primes, PairJacobian):
        assert torch.equal(one.primes.values, other.primes.values)
        assert torch.equal(one.primes.touch, other.primes.touch)
