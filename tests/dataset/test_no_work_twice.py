"""What a run computes only once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import amptorch
from amptorch import AtomsTrainer
from amptorch.descriptor import Gaussian, base_descriptor, environments
from amptorch.store import build_store

from ..made_potentials import COSINE, GAUSSIAN, config, cuco_frames

FRAMES = cuco_frames(40)


@pytest.fixture
def calls(monkeypatch) -> Iterator[Counter[str]]:
    """How many descriptors were made, in how many frames neighbours were looked for, of how many
    they were described."""
    counted: Counter[str] = Counter()

    def count(place: object, name: str, what: str, number: Callable[..., int]) -> None:
        original = getattr(place, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[what] += number(*args)
            return original(*args, **kwargs)

        monkeypatch.setattr(place, name, counting)

    count(Gaussian, "__init__", "descriptors", lambda *_: 1)
    for place, name in (
        (base_descriptor, "find_neighbors_of_frames"),
        (environments.kernels, "find_neighbors_of_batch"),
    ):
        count(place, name, "neighbours", lambda frames, *_: len(frames))
    count(Gaussian, "jacobian", "described", lambda *_: 1)
    return counted


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("count", [5, len(FRAMES)])
def test_a_run_in_memory(calls, tmp_path, count, verbose):
    images = FRAMES[:count]
    trainer = AtomsTrainer(config(images, tmp_path, cmd={"verbose": verbose}, optim={"epochs": 1}))
    trainer.train()
    assert calls == {"descriptors": 1, "neighbours": count, "described": count}
    trainer.potential.save(tmp_path / "saved.pot")
    assert calls["descriptors"] == 1
    trainer.predict(images[:2])
    assert calls["neighbours"] == count + 2
    assert calls["descriptors"] == 1
    calls.clear()
    amptorch.load(tmp_path / "saved.pot")
    assert calls == {"descriptors": 1}
    calls.clear()
    AtomsTrainer().load_pretrained(trainer.cp_dir)
    assert calls == {"descriptors": 1}


def test_a_run_from_a_store(calls, tmp_path):
    setup = ("gaussian", GAUSSIAN, COSINE, ["C", "Cu", "O"])
    build_store(FRAMES[:6], tmp_path / "frames.lmdb", setup, verbose=False).close()
    calls.clear()
    source = {"raw_data": None, "lmdb_path": str(tmp_path / "frames.lmdb")}
    AtomsTrainer(config(None, tmp_path, dataset=source, optim={"epochs": 1})).train()
    assert calls == {"descriptors": 1}
