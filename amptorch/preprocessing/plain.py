"""Scalers as plain values for the header of a store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler

_KINDS: dict[str, type] = {
    "feature": FeatureScaler,
    "target": TargetScaler,
    "baseline": AtomicCorrectionScaler,
}


def scalers_to_json(scalers: Mapping[str, Any]) -> dict[str, Any]:
    """The state of scalers, by "feature", "target" and "baseline"."""
    return {name: _plain(vars(scaler)) for name, scaler in scalers.items()}


def scalers_from_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The scalers of :func:`scalers_to_json`; tensors are float64."""
    scalers = {}
    for name, state in values.items():
        scaler: Any = object.__new__(_KINDS[name])
        vars(scaler).update(_from_plain(state))
        scalers[name] = scaler
    return scalers


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": value.double().tolist()}
    if isinstance(value, Mapping):
        # Pairs: the keys are atomic numbers, which JSON would turn into text.
        return {"items": [[key, _plain(entry)] for key, entry in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_plain(entry) for entry in value]}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(entry) for entry in value]
    if not isinstance(value, Mapping):
        return value
    if "tensor" in value:
        return torch.tensor(value["tensor"], dtype=torch.float64)
    if "tuple" in value:
        return tuple(_from_plain(entry) for entry in value["tuple"])
    return {key: _from_plain(entry) for key, entry in value["items"]}
