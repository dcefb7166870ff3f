"""A configuration as YAML: what a run was told, to read and to run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..plain import plain

CONFIG_TEXT = "config.yaml"
# What a data set writes into a configuration.
_WRITTEN = ("descriptor", "fp_length", "descriptor_version")
_PRECISIONS = {
    **dict.fromkeys((torch.FloatTensor, torch.float32), "float32"),
    **dict.fromkeys((torch.DoubleTensor, torch.float64), "float64"),
}


def config_text(
    config: Mapping[str, Mapping[str, Any]], comments: Mapping[tuple[str, str], str] | None = None
) -> str:
    """YAML of a configuration, classes by name. What YAML does not have, images and other objects,
    is a comment.

    Args:
        config: sections.
        comments: put behind a value, by section and key.
    """
    lines = []
    for section, values in config.items():
        lines.append(f"{section}:" if values else f"{section}: {{}}")
        for key, value in values.items():
            if key not in _WRITTEN and value is not None:
                lines += _entry(key, value, (comments or {}).get((section, key), ""))
        lines.append("")
    return "\n".join(lines)


def _entry(key: str, value: Any, comment: str) -> list[str]:
    import yaml  # predicting needs none of it

    try:
        text = yaml.safe_dump(
            _named(value), default_flow_style=True, sort_keys=False, width=80, allow_unicode=True
        ).removesuffix("...\n")
    except yaml.YAMLError:
        return [f"  # {key}: {type(value).__name__}, not plain"]
    first, *more = text.splitlines()
    told = [f"  # {comment}"] if comment else []
    return [*told, f"  {key}: {first}", *(f"    {line}" for line in more)]


def _named(value: Any) -> Any:
    """Plain values, and names of classes."""
    if isinstance(value, (type, torch.dtype)):
        return _PRECISIONS.get(value) or getattr(value, "__name__", str(value))
    if isinstance(value, Mapping):
        return {str(key): _named(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(entry) for entry in value]
    return plain(value)
