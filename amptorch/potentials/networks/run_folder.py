"""Potentials from checkpoint folders, of this package and of the original."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ...data.keys import Keys
from ...descriptor import construct_descriptor
from ...files import checkpoint
from ...preprocessing.scaling import from_file, warn_of_constant
from ..potential import Potential
from ..precision import dtype_of
from .model import AtomisticModel
from .settings import ModelConfig


def is_run_folder(path: Path) -> bool:
    """Whether a path is a folder that has one of a checkpoint's files, at least."""
    return path.is_dir() and any((path / name).is_file() for name in checkpoint.NEEDED)


def read_run_folder(
    folder: Path, make: Callable[..., AtomisticModel], device: torch.device
) -> Potential:
    """The potential of a checkpoint folder.

    Args:
        folder: with ``params.pt``, ``config.pt`` and ``normalizers.pt``.
        make: makes the network.
        device: where its model is to be.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, was written when parameters of the descriptor meant something
            else, or names a class that is not loaded from files.
    """
    stored = checkpoint.load_folder(folder)
    config, scalers = stored["config"], from_file(stored["normalizers"])
    descriptor = construct_descriptor(config["dataset"]["descriptor"])
    checkpoint.check_version(folder, stored, descriptor)
    warn_of_constant(scalers, str(folder))
    section = config.get("model", {})
    ModelConfig(**section)  # raises where a value cannot be
    dtype = dtype_of(config.get("cmd", {}).get("dtype", "float64"))
    with torch.random.fork_rng(devices=[]):
        model = make(section, descriptor.elements, config["dataset"]["fp_length"], dtype)
    checkpoint.load_parameters(model, folder, torch.device("cpu"))
    keys = Keys.of(config["dataset"].get("keys"))
    return Potential(model.to(device), descriptor, scalers, keys)
