"""What ``report.json`` holds: energies in eV per atom, forces in eV/Å, stresses in eV/Å^3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..descriptor.from_data import Choice
from ..plain import plain
from ..potentials.potential import Potential
from ..potentials.precision import name_of
from .errors import Evaluation, size_bins
from .histograms import to_json
from .learning import History, best_epoch
from .machine import describe
from .remarks import remarks

WORST = 10


def report_of(
    name: str,
    about: Mapping[str, Any],
    evaluations: Mapping[str, Evaluation],
    history: History,
    seconds: float | None = None,
) -> dict[str, Any]:
    """The whole report.

    Args:
        name: its title.
        about: "data", "model" and "settings".
        evaluations: by set.
        history: a row an epoch.
        seconds: what making the data set and training took.
    """
    training = _training(history, seconds)
    return {
        "name": name,
        **about,
        "training": training,
        **_errors(evaluations),
        "warnings": remarks(evaluations, training),
        "cost": _cost(evaluations, training),
        "machine": describe(),
    }


def model(potential: Potential, choice: Choice | None) -> dict[str, Any]:
    """Elements, descriptor and size of a potential."""
    descriptor = potential.descriptor
    return {
        "elements": potential.elements,
        "descriptor": descriptor.descriptor_type,
        "features": int(descriptor.n_features),
        "cutoff": float(descriptor.cutoff),
        "parameters": int(potential.model.num_params),
        "dtype": name_of(potential.dtype),
        "chosen_from_data": None if choice is None else choice.to_json(),
    }


def settings(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A configuration as text and numbers, without images and what came of them."""
    skipped = {"raw_data", "descriptor"}
    sections = {
        name: {key: _shown(plain(value)) for key, value in section.items() if key not in skipped}
        for name, section in config.items()
    }
    raw = config.get("dataset", {}).get("raw_data")
    names = [raw] if isinstance(raw, (str, Path)) else raw
    if isinstance(names, (list, tuple)) and all(isinstance(each, (str, Path)) for each in names):
        sections["dataset"]["raw_data"] = [str(each) for each in names]
    return sections


def _shown(value: Any) -> Any:
    """What JSON holds as it is, else words."""
    if isinstance(value, Mapping):
        return {str(key): _shown(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(getattr(value, "__name__", value))


def _training(history: History, seconds: float | None) -> dict[str, Any]:
    durations = [row["dur"] for row in history if "dur" in row]
    return {
        "epochs": len(history),
        "best_epoch": best_epoch(history),
        "seconds": {
            "data set and training": seconds,
            "an epoch": float(np.median(durations)) if durations else None,
        },
    }


def _errors(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    groups = {kind: each.by_group() for kind, each in evaluations.items()}
    bins = size_bins(evaluations.values())
    sizes = {kind: each.by_size(bins) for kind, each in evaluations.items()}
    return {
        "errors": {kind: each.errors() for kind, each in evaluations.items()},
        "forces_by_element": {kind: each.forces_by_element() for kind, each in evaluations.items()},
        "by_group": {kind: found for kind, found in groups.items() if found},
        "by_size": {kind: found for kind, found in sizes.items() if found},
        "extrapolation": {k: each.extrapolation for k, each in evaluations.items()},
        "histograms": {k: to_json(each.histograms) for k, each in evaluations.items()},
        "worst": {kind: each.worst(WORST) for kind, each in evaluations.items()},
    }


def _cost(evaluations: Mapping[str, Evaluation], training: Mapping[str, Any]) -> dict[str, Any]:
    """Microseconds an atom: of an epoch of training, and of predicting each set."""
    atoms = {kind: int(each.sizes.sum()) for kind, each in evaluations.items()}
    epoch = training["seconds"]["an epoch"]
    trained = atoms.get("training", 0)
    return {
        "training": 1e6 * epoch / trained if epoch is not None and trained else None,
        "prediction": {
            kind: {
                name: 1e6 * seconds / atoms[kind]
                for name, seconds in zip(("fingerprints", "model"), each.seconds, strict=True)
            }
            for kind, each in evaluations.items()
            if sum(each.seconds)
        },
    }
