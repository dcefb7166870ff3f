"""Settings that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from .processes import Start, forked_after_importing

# Random tests are short by default; `pytest --hypothesis-profile=thorough` for a long search.
settings.register_profile("short", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("short")


def pytest_configure() -> None:
    # The systems are tiny: more threads would only wait for each other.
    torch.set_num_threads(int(os.environ.get("TEST_THREADS", "1")))


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


IMPORTED = ("pytest", "amptorch.cli", "tests.dataset.test_training_data", "tests.store.conftest")


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Starts processes that need not import what takes seconds; see ``tests/processes.py``."""
    with forked_after_importing(*IMPORTED) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_global_changes():
    """No test, and so nothing it calls, changes the working directory or torch's default dtype."""
    before = os.getcwd(), torch.get_default_dtype()
    yield
    assert (os.getcwd(), torch.get_default_dtype()) == before
