"""The trainer's configuration from a file: its nested dict, with classes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from ..errors import nearest
from ..fit.losses import CustomLoss, PerAtomLoss
from ..fit.nep_loss import NepLoss
from ..potentials.networks.activations import ACTIVATIONS
from .parser import WrongUsage
from .settings import Loader, read_settings

_LOSSES = {kind.__name__.lower(): kind for kind in (CustomLoss, PerAtomLoss, NepLoss)}
_DTYPES = {"float64": torch.DoubleTensor, "float32": torch.FloatTensor}
_NAMES: dict[tuple[str, str], dict[str, Any]] = {
    ("model", "activation"): {name.lower(): kind for name, kind in ACTIVATIONS.items()},
    ("optim", "loss_fn"): _LOSSES,
    ("cmd", "dtype"): _DTYPES,
}


def read_config(path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration in a YAML or JSON file.

    Args:
        path: the file; activation, loss_fn and dtype by name ("tanh", "peratomloss", "float32"),
            any case; optimizers have names anyway.
        changes: ``section.key=value``, the value as in YAML, put in place of the file's.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, a section that is not a mapping, a name that is not known, or a
            change of another form.
    """
    config = read_plain(path)
    apply(config, changes)
    return with_classes(config)


def read_plain(path: str | Path) -> dict[str, dict[str, Any]]:
    """The sections in a YAML or JSON file, classes by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, or a section that is not a mapping.
    """
    config = read_settings(path, "config")
    for name, section in config.items():
        if not isinstance(section, Mapping):
            raise ValueError(f"config: {path}: expected {name} to be a mapping, got {section!r}")
        config[name] = dict(section)
    return config


def apply(config: dict[str, dict[str, Any]], changes: Sequence[str]) -> None:
    """Put ``section.key=value`` in place of what a configuration says.

    Raises:
        WrongUsage: a change of another form.
    """
    for change in changes:
        _apply(config, change)


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


def _apply(config: dict[str, dict[str, Any]], change: str) -> None:
    place, equals, value = change.partition("=")
    section, dot, key = place.partition(".")
    if not (section and dot and key and equals):
        raise WrongUsage(f"--set: expected section.key=value, got {change!r}")
    try:
        config.setdefault(section, {})[key] = yaml.load(value, Loader)
    except yaml.YAMLError as error:
        raise WrongUsage(f"--set: {value!r} is not a value in YAML: {error}") from error


def _named(value: str, known: Mapping[str, Any], where: str) -> Any:
    if value.lower() not in known:
        raise ValueError(f"{where}: unknown name {value!r}; {nearest(value.lower(), known)}")
    return known[value.lower()]
