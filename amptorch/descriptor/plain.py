"""Descriptors as the values that construct them, and as JSON knows these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .base_descriptor import BaseDescriptor
from .Gaussian import Gaussian, GaussianDescriptorSet

Setup = tuple[str, Any, Any, Sequence[str]]


_TABLES = "gaussian_descriptor_set"


def setup_of(descriptor: BaseDescriptor | Setup) -> Setup:
    """(fp_scheme, fp_params, cutoff_params, elements) that construct a descriptor."""
    if not isinstance(descriptor, BaseDescriptor):
        return descriptor
    if isinstance(descriptor, Gaussian):
        return ("gaussian", descriptor.descriptor_set, None, descriptor.elements)
    parameters = vars(descriptor)["MCSHs"]
    return (descriptor.descriptor_type.lower(), parameters, None, descriptor.elements)


def to_plain(value: Any) -> Any:
    """Parameters as JSON knows them."""
    if isinstance(value, GaussianDescriptorSet):
        tables = {element: table.tolist() for element, table in value.descriptor_setup.items()}
        return {_TABLES: tables, "cutoff_params": to_plain(value.cutoff_params)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError(f"fp_params: a store cannot hold a {type(value).__name__}: {value!r}")


def from_plain(value: Any) -> Any:
    """Parameters of :func:`to_plain`."""
    if isinstance(value, Mapping) and _TABLES in value:
        return GaussianDescriptorSet.from_tables(value[_TABLES], value["cutoff_params"])
    return value
