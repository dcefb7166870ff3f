"""The scalers of a data set together: fitted in the order in which they are applied."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from ase.data import atomic_numbers
from torch import Tensor

from ..data.baseline import Baseline
from ..data.frame import AtomsData
from ..data.statistics import Statistics
from ..plain import packed, unpacked
from . import baselines
from .utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler

KINDS: dict[str, type] = {
    "feature": FeatureScaler,
    "target": TargetScaler,
    "baseline": AtomicCorrectionScaler,
}

Scalers = dict[str, Any]
"""By "feature", "target" and, if there are any, "fixed", a baseline that is taken off targets where
they are read, and "baseline", energies of elements that are fitted to what is left."""

# eV per frame; under this a mean of energies above a baseline is rounding.
NO_CONSTANT = 1e-9


class NotAdditiveWarning(UserWarning):
    """Energies have a constant per frame, so that they do not add up over atoms."""


@dataclass(frozen=True)
class Scaling:
    """How a data set is scaled.

    Attributes:
        features: see :class:`FeatureScaler`.
        baseline: what is taken off first, see :class:`amptorch.preprocessing.baselines.Wanted`;
            "linear" fits energies of elements, see ``AtomicCorrectionScaler``.
        targets: see :class:`TargetScaler`.
        scalers: to apply, instead of fitting them.
    """

    features: Mapping[str, Any] | None = None
    baseline: object = None
    targets: str = "energy"
    scalers: Scalers | None = None

    @cached_property
    def wanted(self) -> baselines.Wanted:
        """What ``baseline`` asks for."""
        return baselines.Wanted.of(self.baseline)

    @property
    def fixed(self) -> Baseline | None:
        """What is taken off targets where they are read."""
        return self.scalers.get("fixed") if self.scalers else self.wanted.fixed


def fit_scalers(
    statistics: Statistics,
    forcetraining: bool,
    scaling: Scaling | None = None,
) -> Scalers:
    """Scalers of a data set from its statistics, unless they are given.

    Energies add up over atoms, but with the original's way, no baseline and target scaling
    "energy": the mean of the frames is taken off. The other target scalings, and fixed baselines,
    have one energy taken off for atoms of all elements, unless it is one for each.

    Args:
        statistics: of the unscaled data, above fixed baselines.
        forcetraining: forces and primes are scaled too.
        scaling: what is taken off and divided by.

    Warns:
        NotAdditiveWarning: frames differ in size where their mean is taken off.
    """
    scaling = scaling or Scaling()
    if scaling.scalers:
        return scaling.scalers
    wanted = scaling.wanted
    scalers: Scalers = {} if wanted.fixed is None else {"fixed": wanted.fixed}
    additive = wanted != baselines.Wanted() or scaling.targets != "energy"
    if additive:
        scalers["baseline"] = AtomicCorrectionScaler(statistics, wanted.linear)
        statistics = statistics.above(scalers["baseline"].energies)
    scalers["target"] = TargetScaler(statistics, forcetraining, scaling.targets, shift=not additive)
    scalers["feature"] = FeatureScaler(statistics, forcetraining, scaling.features)
    warn_of_sizes(scalers, statistics.sizes.tolist())
    return scalers


def warn_of_sizes(scalers: Scalers, sizes: Iterable[int]) -> None:
    """Warn if frames of different sizes have one constant taken off their energies."""
    different = set(sizes)
    if len(different) > 1 and "baseline" not in scalers and _has_constant(scalers):
        warnings.warn(
            f"energies will not add up: frames have {min(different)} to {max(different)} atoms, "
            f"and {float(scalers['target'].target_mean):.6g} eV is taken off the energy of each, "
            'whatever its size; dataset: {"baseline": "linear"} takes energies of atoms off',
            NotAdditiveWarning,
            stacklevel=2,
        )


def warn_of_constant(scalers: Scalers, where: str) -> None:
    """Warn if scalers that were read from ``where`` have a constant beside a baseline."""
    if "baseline" in scalers and _has_constant(scalers):
        warnings.warn(
            f"{where}: energies do not add up: {float(scalers['target'].target_mean):.6g} eV a "
            "frame, whatever its size, stand beside its baseline; train it again to be rid of it",
            NotAdditiveWarning,
            stacklevel=2,
        )


def baselines_of(scalers: Scalers) -> list[Baseline]:
    """What is to be added to the energies, forces and virials of a model."""
    return [scalers[name] for name in ("fixed", "baseline") if name in scalers]


def energies_of_elements(
    scalers: Scalers,
    elements: Sequence[str],
    program: str,
    frame_size: int | None = None,
    besides: tuple[type[Any], ...] = (),
) -> dict[str, float]:
    """Energies (eV) that scalers add to an atom of each element, for files that hold no more.

    Args:
        elements: chemical symbols.
        program: whose files they are, for errors.
        frame_size: number of atoms, where a mean of frames is taken off energies: it is shared
            among the atoms of a frame, which is right for frames of this size alone.
        besides: classes of baselines that have a place elsewhere.

    Raises:
        ValueError: a mean without ``frame_size``, or a baseline of another kind.
    """
    mean = float(scalers["target"].target_mean)
    if abs(mean) > NO_CONSTANT and frame_size is None:
        raise ValueError(
            f"{mean:.6g} eV stand for a frame of whatever size, which {program} cannot say: "
            "expected frame_size, the number of atoms of frames, for which it is right then, or a "
            'potential trained with dataset: {"baseline": "linear"}'
        )
    energies = dict.fromkeys(elements, mean / frame_size if frame_size else 0.0)
    for baseline in parts_of_baselines(scalers):
        if isinstance(baseline, besides):
            continue
        if not isinstance(baseline, AtomicCorrectionScaler):
            raise ValueError(
                f"{program} has energies of atoms alone, got the baseline {baseline.name!r}"
            )
        for element in elements:
            energies[element] += baseline.energies.get(atomic_numbers[element], 0.0)
    return energies


def parts_of_baselines(scalers: Scalers) -> list[Baseline]:
    """The same as :func:`baselines_of`, sums as what they are sums of."""
    return [part for each in baselines_of(scalers) for part in baselines.parts_of(each)]


def to_file(scalers: Scalers) -> dict[str, Any]:
    """Scalers as checkpoints hold them: those that the original knows as they are."""
    kept = {name: scaler for name, scaler in scalers.items() if name != "fixed"}
    return {**kept, "fixed": baselines.to_state(scalers["fixed"])} if "fixed" in scalers else kept


def from_file(kept: Mapping[str, Any]) -> Scalers:
    """The scalers of :func:`to_file`."""
    if "fixed" not in kept:
        return dict(kept)
    return {**kept, "fixed": baselines.from_state(kept["fixed"])}


def scale(data_list: Sequence[AtomsData], scalers: Scalers) -> None:
    """Scale images in place: fingerprints and, by factors that are kept beside them, primes."""
    if "baseline" in scalers:
        scalers["baseline"].norm(data_list)
    scalers["feature"].norm(data_list, disable_tqdm=True)
    scalers["target"].norm(data_list, disable_tqdm=True)


def unscaled(data: AtomsData, scalers: Scalers, with_primes: bool = False) -> AtomsData:
    """A copy of a scaled image as it was, in float64; fixed baselines stay off."""
    factors, shifts = scalers["feature"].affine(data.atomic_numbers.cpu())
    target = scalers["target"]
    energy = target.denorm(data.energy.cpu().double().reshape(()), pred="energy")
    if "baseline" in scalers:
        energy = energy + scalers["baseline"].total(data.atomic_numbers.cpu())
    plain = AtomsData(
        fingerprint=(data.fingerprint.cpu().double() - shifts) / factors,
        atomic_numbers=data.atomic_numbers.cpu(),
        num_nodes=data.num_nodes,
        energy=energy,
    )
    if "forces" in data:
        plain.forces = target.denorm(data.forces.cpu().double(), pred="forces")
    if with_primes and data.primes is not None:
        plain.primes = data.primes.scaled(1.0 / factors)
    return plain


def _has_constant(scalers: Scalers) -> bool:
    """Whether predicted energies have a constant per frame."""
    return abs(float(scalers["target"].target_mean)) > NO_CONSTANT


def with_state(name: str, state: Mapping[str, Any]) -> Any:
    """The scaler "feature", "target" or "baseline" whose attributes are ``state``."""
    scaler: Any = object.__new__(KINDS[name])
    vars(scaler).update(state)
    return scaler


def scalers_to_json(scalers: Scalers) -> dict[str, Any]:
    """The state of scalers as plain values, for the header of a store."""

    def put(path: str, values: Tensor) -> dict[str, Any]:
        return {"tensor": values.double().tolist()}

    return {name: packed(vars(scaler), name, put) for name, scaler in scalers.items()}


def scalers_from_json(values: Mapping[str, Any]) -> Scalers:
    """The scalers of :func:`scalers_to_json`; tensors are float64."""

    def take(entry: Mapping[str, Any]) -> Tensor:
        return torch.tensor(entry["tensor"], dtype=torch.float64)

    return {name: with_state(name, unpacked(state, take)) for name, state in values.items()}
