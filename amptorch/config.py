"""The configuration: typed sections behind the nested dict of the original."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, TypeVar

import torch
from torch import nn

from . import optimizers
from .data.keys import Keys
from .errors import check_keys, nearest
from .losses import CustomLoss
from .plain import plain_sections

_DTYPES = {
    "doubletensor": torch.float64,
    "floattensor": torch.float32,
    "double": torch.float64,
    "float64": torch.float64,
    "float32": torch.float32,
}


@dataclass
class ModelConfig:
    """Network: handed on to the model class as keyword arguments."""

    name: str = "bpnn"
    get_forces: bool = True
    num_layers: int = 5
    num_nodes: int = 20
    hidden_layers: Sequence[int] | None = None
    activation: type[nn.Module] = nn.Tanh
    batchnorm: bool = False
    dropout: bool = False
    dropout_rate: float = 0.5
    initialization: str = "xavier"

    def __post_init__(self) -> None:
        known, given = ("bpnn", "singlenn"), self.name
        self.name = str(given).lower()
        if self.name not in known:
            raise ValueError(f"model: unknown name {given!r}; {nearest(self.name, known)}")
        _check_class(self, "activation", "model", "torch.nn.Tanh")
        _check_integer(self, "num_layers", "model", least=0)
        _check_integer(self, "num_nodes", "model", least=1)
        if self.hidden_layers is not None and not _are_widths(self.hidden_layers):
            raise ValueError(
                f"model: expected hidden_layers to be a list of integers >= 1, got "
                f"{self.hidden_layers!r}"
            )
        if not (_is_number(self.dropout_rate) and 0 <= self.dropout_rate < 1):
            raise ValueError(f"model: expected dropout_rate in [0, 1), got {self.dropout_rate!r}")


@dataclass
class OptimConfig:
    """Optimization."""

    gpus: int = 0
    device: Any = None  # accepted as in the original, not used
    force_coefficient: float = 0.0
    lr: float = 1e-1
    batch_size: int = 32
    epochs: int = 100
    optimizer: str | type[torch.optim.Optimizer] = torch.optim.Adam
    optimizer_args: Mapping[str, Any] = field(default_factory=dict)
    loss_fn: type[nn.Module] = CustomLoss
    loss: str = "mse"
    energy_loss: str = "total"
    huber_delta: float = 1.0
    stress_coefficient: float = 0.0
    balance: str | None = None
    gradient_clip: float | None = None
    ema: float = 0.0
    metric: str = "mae"
    cp_metric: str = "energy"
    scheduler: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            _check_integer(self, name, "optim", least=1)
        _check_class(self, "loss_fn", "optim", "amptorch.model.CustomLoss")
        _check_choice(self, "metric", ("mae", "mse"), "optim")
        _check_choice(self, "cp_metric", ("energy", "forces"), "optim")
        for name in ("lr", "gradient_clip"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise ValueError(f"optim: expected {name} > 0, got {value!r}")
        for name in ("force_coefficient", "stress_coefficient", "ema"):
            value = getattr(self, name)
            if not _is_number(value):
                raise ValueError(f"optim: expected {name} to be a number, got {value!r}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"optim: expected ema in [0, 1), got {self.ema!r}")
        optimizers.check_settings(self.choice, self)
        if self.scheduler is not None:
            check_keys(self.scheduler, ["policy", "params"], "optim, scheduler")

    @property
    def choice(self) -> optimizers.Choice:
        """What ``optimizer`` names."""
        return optimizers.choose(self.optimizer, self.optimizer_args)


@dataclass
class DatasetConfig:
    """Data, descriptor and scaling."""

    raw_data: Any = None
    lmdb_path: Sequence[str] | str | None = None
    cache: str = "no"
    derivatives: str = "auto"
    val_split: float = 0.0
    val_split_mode: str = "cv"
    elements: Sequence[str] | None = None
    fp_scheme: str = "gmpordernorm"
    fp_params: Any = None
    prune: float | None = None
    cutoff_params: Mapping[str, Any] = field(default_factory=lambda: {"cutoff_func": "Cosine"})
    save_fps: bool = True
    scaling: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "normalize", "range": (0, 1)}
    )
    baseline: str | None = None
    target_scaling: str = "energy"
    weight_key: str | None = None
    keys: Mapping[str, str] | None = None
    descriptor: Any = None  # written into saved configurations, with the two below
    fp_length: int | None = None
    descriptor_version: int | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.val_split) and 0 <= self.val_split < 1):
            raise ValueError(f"dataset: expected val_split in [0, 1), got {self.val_split!r}")
        for name, known in (
            ("cache", ("no", "partial", "full")),
            ("derivatives", ("auto", "cached", "on_the_fly")),
            ("val_split_mode", ("cv", "inorder")),
            ("baseline", (None, "linear")),
            ("target_scaling", ("energy", "per_atom", "forces")),
        ):
            _check_choice(self, name, known, "dataset")
        if self.elements is not None:
            self.elements = [str(element) for element in self.elements]
        if self.prune is not None and not (_is_number(self.prune) and self.prune > 0):
            raise ValueError(f"dataset: expected prune to be a range > 0, got {self.prune!r}")
        if self.cache == "partial" and self.val_split and self.val_split_mode == "cv":
            raise ValueError("dataset: cache 'partial' needs val_split_mode 'inorder', got 'cv'")
        Keys.of(self.keys)

    @property
    def target_keys(self) -> Keys:
        """Names of energy, forces, stress and virial."""
        return Keys.of(self.keys)

    def check_source(self) -> None:
        """Raise unless exactly one of ``raw_data`` and ``lmdb_path`` is given."""
        given = [name for name in ("raw_data", "lmdb_path") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "dataset: expected exactly one of 'raw_data' and 'lmdb_path', got "
                f"{' and '.join(given) or 'neither'}"
            )
        if self.lmdb_path is not None and self.prune is not None:
            raise ValueError(
                "dataset: prune needs raw_data: the files of lmdb_path have their descriptor"
            )
        if self.lmdb_path is not None and self.keys is not None:
            raise ValueError(
                "dataset: keys need raw_data: the files of lmdb_path have their energies and forces"
            )
        if self.lmdb_path is not None and self.derivatives != "auto":
            raise ValueError(
                "dataset: derivatives are as the files of lmdb_path were built, expected none "
                f"given, got {self.derivatives!r}"
            )


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

    def __post_init__(self) -> None:
        if _last_name(self.dtype) not in _DTYPES:
            raise ValueError(
                f"cmd: expected dtype torch.DoubleTensor or torch.FloatTensor, got {self.dtype!r}"
            )
        _check_integer(self, "seed", "cmd", least=0)
        self.identifier = str(self.identifier)

    @property
    def torch_dtype(self) -> torch.dtype:
        """float64 or float32."""
        return _DTYPES[_last_name(self.dtype)]


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
        sections = cls(
            _section(ModelConfig, config.get("model", {}), "model"),
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


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and isfinite(value)


def _are_widths(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(type(n) is int and n >= 1 for n in value)


def _last_name(dtype: Any) -> str:
    """``float64`` of ``torch.float64``, ``"torch.float64"`` and ``"Float64"``."""
    return str(getattr(dtype, "__name__", dtype)).rsplit(".", maxsplit=1)[-1].lower()


def _check_integer(section: Any, name: str, where: str, least: int) -> None:
    value = getattr(section, name)
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{where}: expected {name} to be an integer >= {least}, got {value!r}")


def _check_class(section: Any, name: str, where: str, example: str) -> None:
    value = getattr(section, name)
    if not callable(value):
        raise ValueError(f"{where}: expected {name} to be a class like {example}, got {value!r}")


def _check_choice(section: Any, name: str, known: tuple[Any, ...], where: str) -> None:
    value = getattr(section, name)
    if value not in known:
        raise ValueError(f"{where}: expected {name} to be one of {known}, got {value!r}")


Section = TypeVar("Section")


def _section(kind: type[Section], values: Mapping[str, Any], name: str) -> Section:
    check_keys(values, [entry.name for entry in fields(kind)], name)  # type: ignore[arg-type]
    return kind(**values)
