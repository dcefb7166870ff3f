"""One measurement of ``profiling startup``, in a process of its own."""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import lmdb
import torch
from ase.io import read

from amptorch import AtomsTrainer
from amptorch.data.frame import AtomsData
from amptorch.dataset.lmdb import get_lmdb_dataset
from amptorch.preprocessing import AtomsToData

from .fit import original_config

HEADER = ("length", "elements", "descriptor_setup", "feature_scaler", "target_scaler")
KEPT = ("fingerprint", "atomic_numbers", "num_nodes", "energy", "forces", "fprimes")
COMPARED = ("fingerprint", "forces", "fprimes")


class OfTorch(torch.optim.Adam):
    """Not known to amptorch as one of torch's, and so left as it is."""


def trainer_of(file: Path, frames: int, optimizer: type = torch.optim.Adam) -> AtomsTrainer:
    """A trainer for an epoch that has its data and writes nothing."""
    config = original_config(1, Path())
    config["dataset"]["raw_data"] = read(file, f":{frames}")
    config["optim"]["optimizer"] = optimizer
    config["cmd"].update(debug=True, verbose=False)
    trainer = AtomsTrainer(config)
    trainer.load()
    return trainer


def train(file: Path, frames: int, side: str) -> dict[str, Any]:
    """CPU seconds of training for an epoch, the first and the second time."""
    torch.set_num_threads(1)
    seconds = []
    for _ in range(2):
        optimizer = OfTorch if side == "torch's optimizer" else torch.optim.Adam
        trainer = trainer_of(file, frames, optimizer)
        begun = time.process_time()
        trainer.net.fit(trainer.train_dataset, None)
        seconds.append(time.process_time() - begun)
    return {"seconds": seconds}


class Container:
    """Stand-in for the containers of torch_geometric, as its pickles see them."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@cache
def stand_in(module: str, name: str) -> type[Container]:
    """A class that pickles of AMPTorch name, put where pickle looks for it."""
    path = f"torch_geometric.data.{module}"
    for part in ("torch_geometric", "torch_geometric.data", path):
        sys.modules.setdefault(part, ModuleType(part))
    found = type(name, (Container,), {"__module__": path})
    setattr(sys.modules[path], name, found)
    return found


def as_amptorch_has_it(data: AtomsData) -> Container:
    """An image in a container of torch_geometric, its primes as a sparse matrix."""
    storage, item = stand_in("storage", "GlobalStorage")(), stand_in("data", "Data")()
    vars(storage)["_mapping"] = {name: getattr(data, name) for name in KEPT}
    vars(item)["_store"] = storage
    return item


def write(file: Path, frames: int, form: str, path: str) -> dict[str, Any]:
    """Write a file by AMPTorch's recipe; kB of an item."""
    dataset = trainer_of(file, frames).train_dataset
    converter = AtomsToData(
        dataset.descriptor, True, True, save_fps=False, fprimes=True, derivatives="cached"
    )
    items: Sequence[Any] = converter.convert_all(read(file, f":{frames}"), disable_tqdm=True)
    for scaler in (dataset.feature_scaler, dataset.target_scaler):
        scaler.norm(items, disable_tqdm=True)
    if form == "AMPTorch's items":
        items = [as_amptorch_has_it(each) for each in items]
    values = dict(zip(map(str, range(len(items))), items, strict=True))
    records = {key: pickle.dumps(value, protocol=-1) for key, value in values.items()}
    size = sum(map(len, records.values()))
    for key in HEADER[1:]:
        records[key] = pickle.dumps(getattr(dataset, key), protocol=-1)
    records["length"] = pickle.dumps(len(items))
    with (
        lmdb.open(path, subdir=False, map_size=1 << 34) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, record in records.items():
            transaction.put(key.encode(), record)
    return {"kilobytes": 1e-3 * size / len(items)}


def plain(path: str) -> list[Any]:
    """All items of a file, and what else is in it, with ``pickle.loads``."""
    with (
        lmdb.open(path, subdir=False, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        header = {key: pickle.loads(transaction.get(key.encode())) for key in HEADER}
        keys = (str(number).encode() for number in range(header["length"]))
        return [pickle.loads(transaction.get(key)) for key in keys]


def ours(path: str, kept: str) -> list[AtomsData]:
    """All items of a file, with one of the caches."""
    dataset = get_lmdb_dataset([path], kept)
    return [dataset[index] for index in range(len(dataset))]


def reading(path: str, repeats: int, caches: Sequence[str]) -> dict[str, Any]:
    """Milliseconds an item, with ``pickle.loads`` ("plain") and with every cache, and by how much
    the items differ."""
    torch.set_num_threads(1)
    stand_in("storage", "GlobalStorage")
    stand_in("data", "Data")
    difference = max(map(_difference, plain(path), ours(path, "no")))
    samples: dict[str, list[float]] = {way: [] for way in ("plain", *caches)}
    for _ in range(repeats):
        for way, durations in samples.items():
            begun = time.perf_counter()
            count = len(plain(path) if way == "plain" else ours(path, way))
            durations.append(1e3 * (time.perf_counter() - begun) / count)
    return {**samples, "difference": difference}


def _difference(one: Any, other: AtomsData) -> float:
    """Largest difference between the arrays of an item."""
    if not isinstance(one, AtomsData):
        one = AtomsData(**vars(vars(one)["_store"])["_mapping"])
    pairs = [(one[name].to_dense(), other[name].to_dense()) for name in COMPARED]
    return max(float((a - b).abs().max()) for a, b in pairs)


def main() -> None:
    """``train FILE FRAMES SIDE``, ``write FILE FRAMES FORM PATH`` or ``read PATH TIMES CACHE``."""
    parser = argparse.ArgumentParser(prog="python -m profiling.startup_step", description=__doc__)
    parser.add_argument("what", choices=["train", "write", "read"])
    parser.add_argument("file")
    parser.add_argument("number", type=int)
    parser.add_argument("rest", nargs="+")
    parsed = parser.parse_args()
    if parsed.what == "read":
        found = reading(parsed.file, parsed.number, parsed.rest)
    elif parsed.what == "write":
        found = write(Path(parsed.file), parsed.number, *parsed.rest)
    else:
        found = train(Path(parsed.file), parsed.number, *parsed.rest)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
