"""The trainer's configuration from a file: its nested dict, with classes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import with_classes
from .settings import read_change, read_settings


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
    for place, value in map(read_change, changes):
        section, _, key = place.partition(".")
        config.setdefault(section, {})[key] = value
