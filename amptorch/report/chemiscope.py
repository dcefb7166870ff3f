"""An input of the viewer chemiscope: every frame with its errors, to be looked through.

Format: https://chemiscope.org/docs, "Chemiscope JSON file format".
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from .errors import Evaluation, Frame, Parity


def write_chemiscope(name: str, evaluations: Mapping[str, Evaluation], path: Path) -> None:
    """Write a ``.json.gz`` of the frames of all sets.

    Forces are compared in some frames only where others lack them: such a property is left out of
    the file, which has a value of each property for every frame.
    """
    frames = [(kind, frame) for kind, each in evaluations.items() for frame in each.frames]
    properties = {
        key: {"target": "structure", **about}
        for key, about in _properties(frames).items()
        if None not in about["values"]
    }
    content = {
        "meta": {"name": name, "description": "Predictions of a potential beside references."},
        "structures": [_structure(frame.image) for _, frame in frames],
        "properties": properties,
    }
    if "energy error" in properties:
        shown = {"x": "reference energy", "y": "energy error", "color": "energy error"}
        axes = {axis: {"property": each} for axis, each in shown.items()}
        content["settings"] = {"map": {**axes, "symbol": "set"}}
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump(content, file, allow_nan=False)


def _structure(image: Atoms) -> dict[str, Any]:
    x, y, z = np.round(image.positions, 4).T.tolist()
    found = {"size": len(image), "names": image.get_chemical_symbols(), "x": x, "y": y, "z": z}
    if image.cell.rank == 3:
        found["cell"] = image.cell.array.ravel().tolist()
    return found


def _properties(frames: list[tuple[str, Frame]]) -> dict[str, dict[str, Any]]:
    rows = [
        {
            "frame": frame.index,
            "set": kind,
            "group": frame.group or "none",
            "atoms": len(frame.image),
            "reference energy": float(frame.energy.reference[0]),
            "predicted energy": _finite(frame.energy.predicted[0]),
            "energy error": _finite(1000 * frame.energy.difference[0]),
            "force RMSE": _rmse(frame.forces),
            "stress RMSE": _rmse(frame.stress),
        }
        for kind, frame in frames
    ]
    units = {
        "reference energy": "eV/atom",
        "predicted energy": "eV/atom",
        "energy error": "meV/atom",
        "force RMSE": "eV/Å",
        "stress RMSE": "eV/Å^3",
    }
    return {
        key: {
            "values": [row[key] for row in rows],
            **({"units": units[key]} if key in units else {}),
        }
        for key in rows[0]
    }


def _rmse(parity: Parity | None) -> float | None:
    return None if parity is None else _finite(parity.rmse)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
