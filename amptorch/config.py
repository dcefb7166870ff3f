"""The configuration: typed sections behind the nested dict of the original."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import torch
from torch import nn

from .dataset.settings import DatasetConfig
from .errors import check_integer, check_keys, is_number
from .fit import optimizers
from .fit.settings import OptimConfig
from .plain import plain
from .potentials.networks.settings import ModelConfig
from .potentials.precision import dtype_of
from .potentials.registry import family_named


@dataclass
class CmdConfig:
    """The run."""

    debug: bool = False
    dtype: Any = torch.DoubleTensor
    run_dir: str = "./"
    seed: int = 0
    identifier: str = ""
    verbose: bool = True
    logger: bool = False
    early_stopping: bool = False
    early_stopping_patience: int = 5
    time_limit: float | None = None  # seconds
    begun: float = field(default_factory=time.monotonic, init=False, compare=False)

    def __post_init__(self) -> None:
        if dtype_of(self.dtype) is None:
            raise ValueError(
                f"cmd: expected dtype torch.DoubleTensor or torch.FloatTensor, got {self.dtype!r}"
            )
        check_integer(self, "seed", "cmd", least=0)
        limit = self.time_limit
        if limit is not None and not (is_number(limit) and limit > 0):
            raise ValueError(f"cmd: expected time_limit to be seconds > 0, got {limit!r}")
        self.identifier = str(self.identifier)

    @property
    def torch_dtype(self) -> torch.dtype:
        """float64 or float32."""
        found = dtype_of(self.dtype)
        assert found is not None
        return found


@dataclass
class Config:
    """All sections."""

    model: ModelConfig
    optim: OptimConfig
    dataset: DatasetConfig
    cmd: CmdConfig

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Config:
        """Typed sections of the nested dict; every key is optional, and numbers, arrays, ranges and
        paths may be numpy's, torch's or Python's.

        Raises:
            ValueError: a key that is not known (the nearest known one is named) or a value out of
                range.
        """
        check_keys(config, [section.name for section in fields(cls)], "config")
        config = plain_sections(config)
        cmd = dict(config.get("cmd", {}))
        # The original spells this key with three p's.
        if "early_stoppping_patience" in cmd:
            cmd.setdefault("early_stopping_patience", cmd.pop("early_stoppping_patience"))
            cmd.pop("early_stoppping_patience", None)
        optim = config.get("optim", {})
        suited = optimizers.defaults(optim.get("optimizer"), optim.get("optimizer_args", {}))
        model = config.get("model", {})
        sections = cls(
            _section(family_named(model.get("name", ModelConfig.name)).Settings, model, "model"),
            _section(OptimConfig, {**suited, **optim}, "optim"),
            _section(DatasetConfig, config.get("dataset", {}), "dataset"),
            _section(CmdConfig, cmd, "cmd"),
        )
        sections._check_forces()
        return sections

    def _check_forces(self) -> None:
        if self.model.get_forces:
            return
        # The original ignores it too; the trainer says so.
        self.optim.force_coefficient = 0.0
        for name, expected in (("stress_coefficient", 0), ("cp_metric", "energy")):
            value = getattr(self.optim, name)
            if value != expected:
                raise ValueError(
                    f"optim: expected {name} {expected!r} where the model's get_forces is False, "
                    f"got {value!r}"
                )
        if self.dataset.target_scaling == "forces":
            raise ValueError("dataset: target_scaling 'forces' needs the model's get_forces True")

    def loss_arguments(self) -> dict[str, Any]:
        """Arguments of the loss; what is as by default is left out, except for the two that every
        loss takes."""
        optim = self.optim
        given = {name: getattr(optim, name) for name in ("force_coefficient", "loss")}
        for name in ("energy_loss", "huber_delta", "stress_coefficient", "balance"):
            if getattr(optim, name) != _default(optim, name):
                given[name] = getattr(optim, name)
        return given if self.dataset.weight_key is None else {**given, "weighted": True}

    def make_loss(self, loss: type[nn.Module]) -> nn.Module:
        """A loss of this class.

        Raises:
            ValueError: it does not take one of the arguments, or not this value.
        """
        arguments = self.loss_arguments()
        taken = inspect.signature(loss).parameters
        for name in arguments:
            if name not in taken and not any(p.kind == p.VAR_KEYWORD for p in taken.values()):
                raise ValueError(f"optim: {loss.__name__} takes no argument {name!r}")
        made = loss(**arguments)
        if self.optim.gpus > 1 and getattr(made, "per_image", False):
            raise ValueError("optim: this loss needs all images on one GPU, expected gpus <= 1")
        return made


def _default(section: Any, name: str) -> Any:
    return type(section).__dataclass_fields__[name].default


Section = TypeVar("Section")


def _section(kind: type[Section], values: Mapping[str, Any], name: str) -> Section:
    check_keys(values, [entry.name for entry in fields(kind) if entry.init], name)  # type: ignore[arg-type]
    return kind(**values)


def plain_sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration in plain types, all but its ``raw_data``; the mapping given is not changed.

    Raises:
        ValueError: a section that is not a mapping.
    """
    sections = {}
    for name, section in config.items():
        if not isinstance(section, Mapping):
            raise ValueError(f"config: expected {name} to be a mapping, got {section!r}")
        # Images may be many, and lists of the caller's.
        kept = {key: value for key, value in section.items() if key == "raw_data"}
        rest = {key: value for key, value in section.items() if key != "raw_data"}
        sections[name] = {**plain(rest), **kept}
    return sections
