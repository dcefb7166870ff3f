"""The section "dataset" of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data.keys import Keys
from ..data.reading import Source, in_units
from ..data.units import Units
from ..descriptor.schemes import Setup, class_of
from ..errors import check_choice, is_number
from ..preprocessing import baselines


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
    baseline: object = None  # see amptorch.preprocessing.baselines.Wanted
    target_scaling: str = "energy"
    weight_key: str | None = None
    keys: Mapping[str, str] | None = None
    length_unit: str | None = None
    energy_unit: str | None = None
    descriptor: Any = None  # written into saved configurations, with the two below
    fp_length: int | None = None
    descriptor_version: int | None = None

    def __post_init__(self) -> None:
        if not (is_number(self.val_split) and 0 <= self.val_split < 1):
            raise ValueError(f"dataset: expected val_split in [0, 1), got {self.val_split!r}")
        for name, known in (
            ("cache", ("no", "partial", "full")),
            ("derivatives", ("auto", "cached", "on_the_fly")),
            ("val_split_mode", ("cv", "inorder")),
            ("target_scaling", ("energy", "per_atom", "forces", "none")),
        ):
            check_choice(self, name, known, "dataset")
        if self.elements is not None:
            self.elements = [str(element) for element in self.elements]
        if self.prune is not None and not (is_number(self.prune) and self.prune > 0):
            raise ValueError(f"dataset: expected prune to be a range > 0, got {self.prune!r}")
        if self.cache == "partial" and self.val_split and self.val_split_mode == "cv":
            raise ValueError("dataset: cache 'partial' needs val_split_mode 'inorder', got 'cv'")
        Keys.of(self.keys)
        try:
            baselines.check(self.baseline)
        except ValueError as error:
            raise ValueError(f"dataset: {error}") from error
        Units.of(self.length_unit, self.energy_unit)

    @property
    def source(self) -> Source:
        """``raw_data``, its files in these units."""
        return in_units(self.raw_data, self.length_unit, self.energy_unit)

    @property
    def scaling_of_features(self) -> dict[str, Any]:
        """``scaling``, or "none" for a descriptor that bears none."""
        return dict(self.scaling) if class_of(self.fp_scheme).scaled else {"type": "none"}

    @property
    def target_keys(self) -> Keys:
        """Names of energy, forces, stress and virial."""
        return Keys.of(self.keys)

    def setup(self, elements: Sequence[str]) -> Setup:
        """What makes the descriptor for some elements."""
        return (self.fp_scheme, self.fp_params, self.cutoff_params, elements)

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
