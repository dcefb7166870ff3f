"""A small fit of water on iron, which tests run in several ways."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.processes import group
from datasets.water_iron import load
from profiling.fit import original_config

ELEMENTS = ["Fe", "H", "O"]
EPOCHS = 30

Energies = list[float]


@cache
def frames() -> tuple[list[Atoms], list[Atoms]]:
    """One water molecule on 48 iron atoms: four frames of each of five trajectories for training,
    and the fifth for testing."""
    alike = [
        frame for frame in load() if frame.symbols.formula.count() == {"Fe": 48, "H": 2, "O": 1}
    ]
    last = {frame.info["trajectory"]: place for place, frame in enumerate(alike)}.values()
    train = [frame for place, frame in enumerate(alike) if place not in last]
    return train, [alike[place] for place in last]


def settings(folder: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the original's examples, with all frames in every batch, as the order in
    which they are read must not matter, and the weights of the last epoch, as "debug" looks for
    no best one. ``sections`` override its keys."""
    base = original_config(EPOCHS, folder)
    base["optim"]["batch_size"] = 1000
    base["dataset"].update(raw_data=frames()[0], elements=ELEMENTS)
    base["cmd"].update(debug=True, verbose=False)
    return {name: {**section, **sections.get(name, {})} for name, section in base.items()}


def trained(
    folder: Path, kind: type[AtomsTrainer] = AtomsTrainer, **sections: dict[str, Any]
) -> list[Energies]:
    """Energies (eV) of the training and of the test frames, after training."""
    trainer = kind(settings(folder, **sections))
    trainer.train()
    return [list(map(float, trainer.predict(part)["energy"])) for part in frames()]


def errors(energies: list[Energies]) -> tuple[float, ...]:
    """RMSE of training and test frames in meV/atom."""
    return tuple(map(_error, frames(), energies))


def _error(images: list[Atoms], energies: Energies) -> float:
    wanted = np.array([image.get_potential_energy() for image in images])
    sizes = np.array([len(image) for image in images])
    return 1e3 * float(np.sqrt(np.mean(((energies - wanted) / sizes) ** 2)))


def shared(folder: Path) -> None:
    """Train as one of several processes, and write what this one got."""
    found = trained(folder)
    rank, _ = group.start()
    (folder / f"rank{rank}.json").write_text(json.dumps(found))
