"""The configuration: typed sections behind the nested dict of the original."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import torch

from .dataset.settings import DatasetConfig
from .errors import check_integer, check_keys, is_number, nearest
from .fit.losses import CustomLoss, PerAtomLoss
from .fit.nep_loss import NepLoss
from .fit.settings import FitSettings, OptimConfig
from .plain import plain
from .potentials.networks.activations import ACTIVATIONS
from .potentials.precision import dtype_of
from .potentials.registry import family_named, model_name
from .potentials.settings import ModelSettings
from .preprocessing import baselines

_NAMES: dict[tuple[str, str], dict[str, Any]] = {
    ("model", "activation"): {name.lower(): kind for name, kind in ACTIVATIONS.items()},
    ("optim", "loss_fn"): {
        kind.__name__.lower(): kind for kind in (CustomLoss, PerAtomLoss, NepLoss)
    },
    ("cmd", "dtype"): {"float64": torch.DoubleTensor, "float32": torch.FloatTensor},
}


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

    model: ModelSettings
    optim: FitSettings
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
        model, optim = config.get("model", {}), config.get("optim", {})
        family = family_named(model_name(model))
        fit = family.name_of_fit(optim.get("fit"))
        settings = family.fit_named(fit).Settings
        sections = cls(
            _section(family.Settings, model, "model"),
            _section(settings, {**settings.suited(optim), **optim, "fit": fit}, "optim"),
            _section(DatasetConfig, config.get("dataset", {}), "dataset"),
            _section(CmdConfig, cmd, "cmd"),
        )
        sections._check_forces()
        return sections

    @property
    def gradients(self) -> OptimConfig:
        """The section "optim" of a fit by gradients."""
        assert isinstance(self.optim, OptimConfig)
        return self.optim

    def _check_forces(self) -> None:
        if self.model.get_forces:
            return
        self.optim.settle_without_forces()
        if self.dataset.target_scaling == "forces":
            raise ValueError("dataset: target_scaling 'forces' needs the model's get_forces True")


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
        if name == "dataset" and "baseline" in rest:
            rest["baseline"] = baselines.written(rest["baseline"])
        sections[name] = {**plain(rest), **kept}
    return sections


def with_classes(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A configuration with the classes that it names; it is not changed.

    Raises:
        ValueError: a name that is not known; the nearest is given.
    """
    made = {name: dict(section) for name, section in config.items()}
    for (section, key), known in _NAMES.items():
        value = made.get(section, {}).get(key)
        if isinstance(value, str):
            made[section][key] = _named(value, known, f"{section}: {key}")
    return made


def _named(value: str, known: Mapping[str, Any], where: str) -> Any:
    if value.lower() not in known:
        raise ValueError(f"{where}: unknown name {value!r}; {nearest(value.lower(), known)}")
    return known[value.lower()]
