"""An epoch from a store takes no more memory the more frames there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch import AtomsTrainer
from amptorch.store import pages

from ..made_potentials import COSINE, GAUSSIAN, config
from ..processes import answer
from .test_training_data import store


def peak(path: str, run_dir: Path, cache: str) -> int:
    """The most memory, in MB, of a process that trains an epoch."""
    pages.RELEASE_EVERY = 1 << 22
    dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [path], "cache": cache}
    optim = {"batch_size": 4, "epochs": 1}
    AtomsTrainer(config(None, run_dir, dataset=dataset, optim=optim)).train()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def copper(number: int) -> Iterator[Atoms]:
    """Frames of 64 atoms that differ."""
    image = bulk("Cu", cubic=True).repeat((2, 2, 4))
    for k in range(number):
        image.positions[0, 0] += 1e-3
        image.calc = SinglePointCalculator(image, energy=float(k), forces=image.positions)
        yield image


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_of_an_epoch_does_not_grow_with_the_number_of_frames(start, tmp_path):
    """Pages of the file that are mapped count; with all in memory it does grow."""
    setup = ("gaussian", GAUSSIAN, COSINE, ["Cu"])
    few, many = (
        store(tmp_path / f"{number}.lmdb", copper(number), descriptor=setup, derivatives="cached")
        for number in (60, 240)
    )
    more = (Path(many).stat().st_size - Path(few).stat().st_size) >> 20
    assert more > 90
    least = answer(start, peak, few, tmp_path, "no")
    assert answer(start, peak, many, tmp_path, "no") - least < 0.3 * more
    assert answer(start, peak, many, tmp_path, "full") - least > 0.7 * more
