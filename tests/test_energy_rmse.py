"""Errors of energies: the same by every way of training on the same frames, and small enough.

The ways differ in where derivatives come from, what is kept where, precision and processes. What
they are compared with is the default: derivatives cached in memory, in float64, by one process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from amptorch.store import build_store
from datasets.water_iron import SAMPLE, load
from profiling.demo import config, kept_apart
from profiling.fit import fit
from profiling.original.pipeline import Original

from .dataset.test_golden_lmdb import construct_lmdb
from .energy_rmse import ELEMENTS, Energies, errors, frames, settings, shared, trained
from .made_potentials import FromFloat64
from .processes import Start, in_group
from .tolerances import DEMO_ENERGY, DEMO_FORCES, ENERGY_RMSE, ENERGY_RMSE_FLOAT32

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")


def on_the_fly(folder: Path) -> list[Energies]:
    return trained(folder, dataset={"derivatives": "on_the_fly"})


def float32(folder: Path) -> list[Energies]:
    return trained(folder, FromFloat64, cmd={"dtype": torch.FloatTensor})


def store(cache: str) -> Callable[[Path], list[Energies]]:
    """Training from a store in float64."""

    def train(folder: Path) -> list[Energies]:
        path, dataset = folder / "frames.lmdb", settings(folder)["dataset"]
        setup = ("gaussian", dataset["fp_params"], {"cutoff_func": "Cosine"}, ELEMENTS)
        build_store(frames()[0], path, setup, torch.float64, verbose=False, processes=1)
        return _from_file(folder, path, cache)

    return train


def file_of_the_original(folder: Path) -> list[Energies]:
    """Training from sparse matrices, pickled as the original's script does."""
    path, parameters = folder / "frames.lmdb", settings(folder)["dataset"]["fp_params"]
    setup = ("gaussian", parameters, {"cutoff_func": "Cosine"}, ELEMENTS)
    construct_lmdb(path, frames()[0], folder / "normalizers.pt", setup)
    return _from_file(folder, path, "no")


def _from_file(folder: Path, path: Path, cache: str) -> list[Energies]:
    dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [str(path)], "cache": cache}
    return trained(folder, dataset=dataset)


def original(folder: Path) -> list[Energies]:
    """The data path of the original, written anew."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++ for the original's kernel")
    side = Original(settings(folder), ELEMENTS)
    side.load(frames()[0])
    side.train()
    return [side.predict(part)[0] for part in frames()]


PIPELINES = {
    "original": (original, ENERGY_RMSE),
    "on the fly": (on_the_fly, ENERGY_RMSE),
    "float32": (float32, ENERGY_RMSE_FLOAT32),
    "store": (store("no"), ENERGY_RMSE),
    "store, a part in memory": (store("partial"), ENERGY_RMSE),
    "store, all in memory": (store("full"), ENERGY_RMSE),
    "file of the original": (file_of_the_original, ENERGY_RMSE),
}


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, ...]:
    """Errors of training with cached derivatives."""
    folder = tmp_path_factory.mktemp("cached")
    return errors(trained(folder, dataset={"derivatives": "cached"}))


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_gives_the_same_errors(
    cached: tuple[float, ...], name: str, tmp_path: Path
) -> None:
    pipeline, tolerance = PIPELINES[name]
    assert errors(pipeline(tmp_path)) == pytest.approx(cached, rel=tolerance)


def test_two_processes_give_the_same_errors(
    cached: tuple[float, ...], start: Start, tmp_path: Path
) -> None:
    assert in_group(start, shared, tmp_path) == [0, 0]
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert errors(first) == pytest.approx(cached, rel=ENERGY_RMSE)


def test_the_fit_has_learned(cached: tuple[float, ...]) -> None:
    """Or agreement would say little: at the start errors are those of the mean energy."""
    energies = [[image.get_potential_energy() for image in part] for part in frames()]
    mean = sum(energies[0]) / len(energies[0])
    at_first = errors([[mean] * len(part) for part in energies])
    assert all(after < 0.7 * before for after, before in zip(cached, at_first, strict=True))


def test_the_demo(tmp_path: Path) -> None:
    """Its configuration and frames, with fewer epochs."""
    train, test = kept_apart(load())
    report = fit("Demo", train, test, config(12, tmp_path), SAMPLE, tmp_path)
    found = report["errors"]["test"]
    assert found["energy"]["rmse"] < DEMO_ENERGY
    assert found["forces"]["rmse"] < DEMO_FORCES
