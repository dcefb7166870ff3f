"""What the profilers watch: loading, training and predicting with the original's configuration.

``python -m profiling.workload FILE FRAMES EPOCHS THREADS`` does so in a process of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.io import read

from amptorch import AtomsTrainer

from .fit import SYMMETRY_FUNCTIONS, original_config


def trainer_of(
    images: Sequence[Atoms],
    functions: Any = SYMMETRY_FUNCTIONS,
    epochs: int = 1,
    gpus: int = 0,
    derivatives: str = "auto",
    batch_size: int = 16,
    dtype: torch.dtype = torch.float64,
    layers: int = 3,
    **dataset: object,
) -> AtomsTrainer:
    """A trainer that has its data and writes nothing; ``dataset``: more keys of that section."""
    config = original_config(epochs, Path())
    config["dataset"].update(raw_data=list(images), fp_params=functions, derivatives=derivatives)
    config["dataset"].update(dataset)
    config["model"].update(num_layers=layers)
    config["optim"].update(gpus=gpus, batch_size=batch_size)
    tensor = torch.DoubleTensor if dtype == torch.float64 else torch.FloatTensor
    config["cmd"].update(debug=True, verbose=False, dtype=tensor)
    trainer = AtomsTrainer(config)
    trainer.load()
    return trainer


def train(trainer: AtomsTrainer) -> None:
    """All epochs, from the start."""
    trainer.net.fit(trainer.train_dataset, None)


def warm_up(images: Sequence[Atoms]) -> None:
    """Do with the first images what is watched afterwards: much is imported when first used."""
    trainer = trainer_of(images[:2])
    train(trainer)
    trainer.predict(images[:2])


def watched(images: Sequence[Atoms], epochs: int) -> dict[str, Any]:
    """Load, train, and predict the same images."""
    trainer = trainer_of(images, epochs=epochs)
    train(trainer)
    return trainer.predict(images)


def main(file: str, frames: str, epochs: str, threads: str) -> None:
    """The watched run, after one of another name."""
    torch.set_num_threads(int(threads))
    images = read(file, f":{frames}")
    warm_up(images)
    watched(images, int(epochs))


if __name__ == "__main__":
    main(*sys.argv[1:])
