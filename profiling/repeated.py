"""Operations that a long run calls again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from amptorch.store import build_store

from .workload import train, trainer_of


def operations(images: Sequence[Atoms], folder: Path) -> dict[str, Callable[[], Any]]:
    """Calls that need memory only while they run, by name; a store is built in ``folder``."""
    trainer = trainer_of(images)
    train(trainer)
    descriptor, net, calculator = trainer.descriptor, trainer.net, trainer.get_calc()
    store = build_store(
        images, folder / "images.lmdb", descriptor, torch.float64, "cached", 1, verbose=False
    )
    step = count()

    def environment() -> Any:
        return descriptor.environment(images[next(step) % len(images)])

    def forces() -> None:
        calculator.calculate(images[next(step) % len(images)], ["forces"])

    def epoch() -> None:
        net.partial_fit(trainer.train_dataset, None, epochs=1)
        net.history.clear()  # which is meant to grow

    return {
        "fingerprints": lambda: descriptor.fingerprints(environment()),
        "fingerprints and derivatives": lambda: descriptor.jacobian(environment()),
        "force call": forces,
        "training epoch": epoch,
        "reading from a store": lambda: store.copied(next(step) % len(store)),
    }
