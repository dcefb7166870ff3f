"""Potentials from checkpoint folders, of this package and of the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.keys import Keys
from ..descriptor import construct_descriptor
from ..descriptor.base_descriptor import BaseDescriptor
from ..files import checkpoint
from ..preprocessing.scaling import Scalers, from_file, warn_of_constant
from .model import Model
from .potential import Potential
from .precision import dtype_of
from .registry import Inputs, family_named, model_name


def is_run_folder(path: Path) -> bool:
    """Whether a path is a folder that has one of a checkpoint's files, at least."""
    return path.is_dir() and any((path / name).is_file() for name in checkpoint.NEEDED)


@dataclass
class RunFolder:
    """A checkpoint folder.

    Attributes:
        path: with ``params.pt``, ``config.pt`` and ``normalizers.pt``.
        config: of the run, in sections.
        descriptor, scalers: of the potential.
    """

    path: Path
    config: Mapping[str, Mapping[str, Any]]
    descriptor: BaseDescriptor
    scalers: Scalers

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The folder at a path.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is damaged, was written when parameters of the descriptor meant
                something else, or names a class that is not loaded from files.

        Warns:
            NotAdditiveWarning: the potential has a constant beside its baseline.
        """
        stored = checkpoint.load_folder(path)
        scalers = from_file(stored["normalizers"])
        descriptor = construct_descriptor(stored["config"]["dataset"]["descriptor"])
        checkpoint.check_version(path, stored, descriptor)
        warn_of_constant(scalers, str(path))
        return cls(Path(path), stored["config"], descriptor, scalers)

    @property
    def inputs(self) -> Inputs:
        """Of the model."""
        elements = list(self.descriptor.elements)
        return Inputs(elements, self.config["dataset"]["fp_length"], self.descriptor)

    def potential(self, device: torch.device) -> Potential:
        """The potential, its model on a device."""
        section = self.config.get("model", {})
        family = family_named(model_name(section))
        dtype = dtype_of(self.config.get("cmd", {}).get("dtype", "float64"))
        with torch.random.fork_rng(devices=[]):
            model = family.make(family.Settings(**section), self.inputs, dtype)
        self.load_parameters(model, torch.device("cpu"))
        keys = Keys.of(self.config["dataset"].get("keys"))
        model = model.to(device).for_prediction()
        return Potential(model, self.descriptor, self.scalers, keys)

    def load_parameters(self, model: Model, device: torch.device) -> None:
        """Set the parameters of a model to the folder's.

        Raises:
            ValueError: they are of another model.
        """
        checkpoint.load_parameters(model, self.path, device)


def read_run_folder(path: Path, device: torch.device) -> Potential:
    """The potential of a checkpoint folder; see :meth:`RunFolder.open` for what is raised."""
    return RunFolder.open(path).potential(device)
