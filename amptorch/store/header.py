"""What a store holds, said once: descriptor, precision, form of the derivatives. Plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
import xxhash

from ..descriptor.base_descriptor import DESCRIPTOR_VERSION, BaseDescriptor
from ..descriptor.schemes import (
    Setup,
    class_of,
    construct_descriptor,
    register,
    setup_from_json,
    setup_to_json,
)
from ..errors import nearest
from .errors import StoreError
from .record import DERIVATIVES, DTYPES

FORMAT = 2
"""Version of the layout of stores."""

KERNEL_VERSION = 2
"""Raise it when the numbers that kernels give change: stores of another version are not read."""


@dataclass(frozen=True)
class Header:
    """What every record of a store has in common.

    Attributes:
        setup: (fp_scheme, fp_params, cutoff_params, elements), see ``construct_descriptor``.
        dtype: of fingerprints, vectors and blocks.
        derivatives: "cached" (pair Jacobian stored), "on_the_fly" (pairs stored), "sparse"
            (matrices stored, as in files of the original or with a ``prime_threshold``) or "none".
        kernel_version: of the kernels that computed them.
        weight_key: key of ``image.info`` under which weights of images were read, or None.
        baseline: ``content_key`` of what was taken off the targets, or None.
    """

    setup: Setup
    dtype: torch.dtype = torch.float32
    derivatives: str = "cached"
    kernel_version: int = KERNEL_VERSION
    weight_key: str | None = None
    baseline: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {self.dtype!r}")
        if self.derivatives not in DERIVATIVES:
            hint = nearest(str(self.derivatives), DERIVATIVES)
            raise ValueError(f"derivatives: unknown form {self.derivatives!r}; {hint}")

    def __reduce__(self) -> Any:
        # With the class of its scheme, so that a process that reads it imports the class.
        values = [getattr(self, field.name) for field in fields(self)]
        return _unpickled, (class_of(self.setup[0]), values)

    @cached_property
    def descriptor(self) -> BaseDescriptor:
        """The descriptor of the setup."""
        return construct_descriptor(self.setup)

    def as_stored(self) -> Header:
        """With matrices in place of pair Jacobians where the descriptor drops primes: it drops sums
        over images, which pairs do not have."""
        drops = self.derivatives == "cached" and self.descriptor.prime_threshold > 0
        return replace(self, derivatives="sparse") if drops else self

    @property
    def elements(self) -> list[str]:
        """Chemical symbols, in the descriptor's order."""
        return self.descriptor.elements

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Header):
            return NotImplemented
        return self.summary() == other.summary()

    def __hash__(self) -> int:
        return hash(str(self))

    def summary(self) -> dict[str, Any]:
        """What two stores must agree in."""
        # Only where there is one: headers of stores without it stay as they were.
        above = {} if self.baseline is None else {"baseline": self.baseline}
        return {
            "descriptor": self.descriptor.descriptor_type,
            "descriptor_hash": self.descriptor.descriptor_setup_hash,
            "elements": self.elements,
            "dtype": str(self.dtype).removeprefix("torch."),
            "derivatives": self.derivatives,
            "kernel_version": self.kernel_version,
            "weight_key": self.weight_key,
            **above,
        }

    def __str__(self) -> str:
        entries = {**self.summary(), "elements": "-".join(self.elements)}
        return ", ".join(f"{name} {value}" for name, value in entries.items())

    @property
    def hash(self) -> str:
        """Sixteen digits that stand for :meth:`summary`."""
        return xxhash.xxh3_64_hexdigest(json.dumps(self.summary(), sort_keys=True).encode())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": FORMAT,
            **self.summary(),
            "descriptor_version": DESCRIPTOR_VERSION,
            "setup": setup_to_json(self.setup),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Header:
        """The header of :meth:`to_json`.

        Raises:
            StoreError: another format or kernel version, parameters that meant something else when
                they were written, or that do not give the descriptor they are said to give.
        """
        for name, known in (("format", FORMAT), ("kernel_version", KERNEL_VERSION)):
            if values.get(name) != known:
                raise StoreError(
                    f"its {name} is {values.get(name)!r}, expected {known}; build it again"
                )
        header = cls(
            setup_from_json(values["setup"]),
            getattr(torch, values["dtype"]),
            values["derivatives"],
            weight_key=values["weight_key"],
            baseline=values.get("baseline"),
        )
        changed = header.descriptor.changed_since(values.get("descriptor_version", 1))
        if changed is not None:
            raise StoreError(f"{changed}; build it again")
        found = header.descriptor.descriptor_setup_hash
        if found != values["descriptor_hash"]:
            raise StoreError(
                f"its parameters give the descriptor {found}, not {values['descriptor_hash']}, "
                "for which it was built"
            )
        return header


def _unpickled(kind: type[BaseDescriptor], values: Sequence[Any]) -> Header:
    register(kind)  # pickled by value, a class is not
    return Header(*values)
