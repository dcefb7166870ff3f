"""How a descriptor is told from others, and made again: its setup, JSON, and hash."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from .schemes import (
    CutoffParams,
    Setup,
    construct_descriptor,
    parameters_to_json,
    setup_from_json,
    setup_to_json,
)
from .util import check_elements, hash_of, list_symbols_to_indices

if TYPE_CHECKING:
    from .base_descriptor import BaseDescriptor


class Identity(ABC):
    """The part of :class:`amptorch.descriptor.BaseDescriptor` that does not compute."""

    scheme: ClassVar[str]
    descriptor_type: ClassVar[str] = ""
    fp_params: Any
    cutoff_params: CutoffParams = None
    prime_threshold: float = 0.0

    def __init__(self, elements: Sequence[str]) -> None:
        self.elements = check_elements(elements)
        self.element_indices = list_symbols_to_indices(self.elements)

    @property
    def setup(self) -> Setup:
        """(fp_scheme, fp_params, cutoff_params, elements), of which ``construct_descriptor`` makes
        the same descriptor.

        Raises:
            ValueError: the class has no scheme of its own.
        """
        kind = type(self)
        if "scheme" not in vars(kind):
            raise ValueError(
                f"{kind.__name__}: has no scheme of its own, by which a store or a checkpoint "
                'finds its class: expected scheme = "..." in the class'
            )
        return (kind.scheme, self.fp_params, self.cutoff_params, self.elements)

    def to_json(self) -> list[Any]:
        """``setup`` as JSON knows it."""
        return setup_to_json(self.setup)

    @staticmethod
    def from_json(values: Sequence[Any]) -> BaseDescriptor:
        """The descriptor of :meth:`to_json`, of whatever scheme."""
        return construct_descriptor(setup_from_json(values))

    @classmethod
    def parameters_to_json(cls, parameters: Any) -> Any:
        """``fp_params`` as JSON knows them; ``ValueError`` for what it cannot hold."""
        return parameters_to_json(parameters)

    @classmethod
    def parameters_from_json(cls, values: Any) -> Any:
        """``fp_params`` of :meth:`parameters_to_json`."""
        return values

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that fixes fingerprints: plain values and arrays, for the hash."""

    @cached_property
    def descriptor_setup_hash(self) -> str:
        """See :meth:`get_descriptor_setup_hash`."""
        return self.get_descriptor_setup_hash()

    def get_descriptor_setup_hash(self) -> str:
        """md5 of all parameters, the element list and, where used, the pseudodensities."""
        threshold = {"prime_threshold": self.prime_threshold} if self.prime_threshold else {}
        return hash_of({**self._typed_settings(), **threshold})

    def _typed_settings(self) -> dict[str, Any]:
        # A class that is derived from another may give other numbers for the same settings.
        return {**self.settings(), "type": self.descriptor_type}

    def has_same_fingerprints(self, other: Identity) -> bool:
        """Whether only the primes that are dropped may differ."""
        return hash_of(self._typed_settings()) == hash_of(other._typed_settings())

    def changed_since(self, version: int) -> str | None:
        """Why files of this ``DESCRIPTOR_VERSION`` mean another descriptor, or None."""
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Identity):
            return NotImplemented
        return self.descriptor_setup_hash == other.descriptor_setup_hash

    def __hash__(self) -> int:
        return hash(self.descriptor_setup_hash)
