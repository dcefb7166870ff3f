"""A report of a fit: numbers as JSON, text as Markdown, everything in one HTML page, and plots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from ..data.keys import Keys
from ..descriptor.from_data import Choice
from ..potentials.potential import HasPotential, Potential
from . import html, markdown
from .errors import Evaluation, evaluate
from .machine import describe
from .plots import best_epoch, write_plots
from .sections import sections

WORST = 10


@dataclass
class Part:
    """Images that a potential is evaluated on.

    Attributes:
        images: with energies.
        source: file they come from, if any; named in the report with its checksum.
        indices: what the frames are called, default their places in ``images``.
    """

    images: Sequence[Atoms]
    source: Path | None = None
    indices: Sequence[int] | None = None

    def describe(self) -> dict[str, Any]:
        """Source, number of frames, smallest and largest number of atoms."""
        sizes = [len(image) for image in self.images]
        about: dict[str, Any] = {"frames": len(sizes), "atoms": [min(sizes), max(sizes)]}
        if self.source is not None:
            about["file"] = self.source.name
            about["sha256"] = hashlib.sha256(self.source.read_bytes()).hexdigest()
        return about


class Run(HasPotential, Protocol):
    """A potential with what is known of its training: a trainer."""

    verbose: bool
    descriptor_choice: Choice | None

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """Losses and errors of every epoch."""

    @property
    def parts(self) -> tuple[list[int], list[int]] | None:
        """Indices of the training and of the validation images, if there are any of these."""


def training_parts(
    trainer: Run, images: Sequence[Atoms], source: Path | None = None
) -> dict[str, Part]:
    """The images that a trainer was trained on: "training", and "validation" if it had any."""
    if trainer.parts is None:
        return {"training": Part(images, source)}
    return {
        kind: Part([images[index] for index in indices], source, indices)
        for kind, indices in zip(("training", "validation"), trainer.parts, strict=True)
    }


def write_report(
    trainer: Run | Potential,
    parts: Mapping[str, Part],
    out: str | Path,
    name: str = "Fit",
    seconds: float | None = None,
    plots: bool = True,
    keys: Keys | None = None,
) -> dict[str, Any]:
    """Evaluate a potential and write ``report.json``, ``report.md``, ``report.html`` and plots.

    Args:
        trainer: a trained or loaded :class:`amptorch.AtomsTrainer`, or a potential, of whose
            training nothing is known.
        parts: "training", "validation", "test": the images to evaluate on.
        out: folder to write.
        name: title of the report.
        seconds: what making the data set and training took.
        plots: draw plots, with matplotlib.
        keys: names of energy, forces, stress and virial, default those of the training data.

    Returns:
        What ``report.json`` holds; energies in eV per atom, forces in eV/Å, stresses in eV/Å^3.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    run = None if isinstance(trainer, Potential) else trainer
    show = run is not None and run.verbose
    evaluations = {
        kind: evaluate(trainer, part.images, part.indices, keys, show)
        for kind, part in parts.items()
    }
    history = [] if run is None else run.history
    report = {
        "name": name,
        "data": {kind: part.describe() for kind, part in parts.items()},
        "model": _model(trainer.potential, None if run is None else run.descriptor_choice),
        "training": _training(history, seconds),
        **_errors(evaluations),
        "machine": describe(),
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    images = write_plots(evaluations, history, out) if plots else []
    content = sections(report, images)
    (out / "report.md").write_text(markdown.page(name, content), encoding="utf-8")
    (out / "report.html").write_text(html.page(name, content, out), encoding="utf-8")
    return report


def _model(potential: Potential, choice: Choice | None) -> dict[str, Any]:
    descriptor = potential.descriptor
    return {
        "elements": potential.elements,
        "descriptor": descriptor.descriptor_type,
        "features": int(descriptor.n_features),
        "cutoff": float(descriptor.cutoff),
        "parameters": int(potential.model.num_params),
        "dtype": str(potential.dtype).removeprefix("torch."),
        "chosen_from_data": None if choice is None else choice.to_json(),
    }


def _training(history: Sequence[Mapping[str, Any]], seconds: float | None) -> dict[str, Any]:
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
    of_groups = {kind: each.by_group() for kind, each in evaluations.items()}
    return {
        "errors": {kind: each.errors() for kind, each in evaluations.items()},
        "forces_by_element": {kind: each.forces_by_element() for kind, each in evaluations.items()},
        "by_group": {kind: groups for kind, groups in of_groups.items() if groups},
        "extrapolation": {k: each.extrapolation for k, each in evaluations.items()},
        "worst": {kind: each.worst(WORST) for kind, each in evaluations.items()},
    }
