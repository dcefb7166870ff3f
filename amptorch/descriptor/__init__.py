"""What a descriptor is: parameters, validation, hash. Numerics are in ``amptorch.kernels``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import check_keys, nearest
from .base_descriptor import BaseDescriptor
from .Gaussian import Gaussian
from .GMP import GMP
from .GMPOrderNorm import GMPOrderNorm

SCHEMES = ("gaussian", "gmp", "gmpordernorm")


def construct_descriptor(
    descriptor_setup: tuple[str, Any, Mapping[str, Any] | str | None, Sequence[str]],
) -> BaseDescriptor:
    """The descriptor of ``(fp_scheme, fp_params, cutoff_params, elements)``.

    Args:
        descriptor_setup: scheme "gaussian", "gmp" or "gmpordernorm"; its parameters; for
            "gaussian" the cutoff function, ``{"cutoff_func": ..., "gamma": ...}``; elements.
    """
    scheme, parameters, cutoff_params, elements = descriptor_setup
    name = str(scheme).lower()
    if name not in SCHEMES:
        raise ValueError(f"fp_scheme: unknown scheme {scheme!r}; {nearest(name, SCHEMES)}")
    if not parameters:
        raise ValueError("fp_params: expected descriptor parameters, found none")
    if is_auto(parameters):
        raise ValueError(
            "fp_params: 'auto' is decided by the data: expected explicit parameters here, such as "
            "amptorch.descriptor.from_data.choose(setup, images).setup"
        )
    if name == "gaussian":
        options = cutoff_params if isinstance(cutoff_params, Mapping) else {}
        check_keys(options, ["cutoff_func", "gamma"], "cutoff_params")
        return Gaussian(parameters, elements, **options)
    return (GMP if name == "gmp" else GMPOrderNorm)(parameters, elements)


def is_auto(parameters: Any) -> bool:
    """Whether ``fp_params`` asks for a set chosen from the data."""
    return parameters == "auto" or (isinstance(parameters, Mapping) and "auto" in parameters)


__all__ = ["SCHEMES", "BaseDescriptor", "construct_descriptor", "is_auto"]
