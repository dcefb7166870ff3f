"""A report of a fit: numbers as JSON, text, figures, and everything in one HTML page."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ase import Atoms

from ..data.keys import Keys
from ..dataset.in_memory import AtomsDataset
from ..descriptor.from_data import Choice
from ..errors import nearest
from ..potentials.potential import HasPotential, Potential
from . import markdown, text
from .chemiscope import write_chemiscope
from .content import WORST, model, report_of, settings
from .drawing import figures_of, write_figures
from .errors import Evaluation
from .learning import History
from .page import page
from .pictures import check_matplotlib, write_pictures
from .predicting import evaluate
from .sections import sections
from .worst import write_worst

EXTRAS = ("pictures", "chemiscope")


@dataclass
class Part:
    """Images that a potential is evaluated on.

    Attributes:
        images: with energies.
        source: file they come from, if any; named in the report with its checksum.
        indices: what the frames are called, default their places in ``images``.
        data: the data set that has them, scaled, at these places, if it is in memory: fingerprints
            are then not computed again.
    """

    images: Sequence[Atoms]
    source: Path | None = None
    indices: Sequence[int] | None = None
    data: AtomsDataset | None = None

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

    config: dict[str, Any]
    verbose: bool
    descriptor_choice: Choice | None
    train_dataset: Any

    @property
    def history(self) -> History:
        """Losses and errors of every epoch."""

    @property
    def parts(self) -> tuple[list[int], list[int]] | None:
        """Indices of the training and of the validation images, if there are any of these."""


def training_parts(
    trainer: Run, images: Sequence[Atoms], source: Path | None = None
) -> dict[str, Part]:
    """The images that a trainer was trained on: "training", and "validation" if it had any."""
    data = trainer.train_dataset
    known = data if isinstance(data, AtomsDataset) and len(data) == len(images) else None
    if trainer.parts is None:
        return {"training": Part(images, source, data=known)}
    return {
        kind: Part([images[index] for index in indices], source, indices, known)
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
    also: Sequence[str] = (),
    bins: int = 0,
) -> dict[str, Any]:
    """Evaluate a potential and write ``report.html``, ``.md``, ``.txt``, ``.json``,
    ``worst.extxyz`` and figures.

    Args:
        trainer: a trained or loaded :class:`amptorch.AtomsTrainer`, or a potential, of whose
            training nothing is known.
        parts: "training", "validation", "test": the images to evaluate on.
        out: folder to write.
        name: title of the report.
        seconds: what making the data set and training took.
        plots: draw figures, in the page and as SVG files.
        keys: names of energy, forces, stress and virial, default those of the training data.
        also: any of "pictures", PNG files under the names that MedeA gives them, with matplotlib;
            and "chemiscope", an input of that viewer, ``chemiscope.json.gz``.
        bins: of histograms of all components of the fingerprints of the first part; 0 makes none.

    Returns:
        What ``report.json`` holds; energies in eV per atom, forces in eV/Å, stresses in eV/Å^3.

    Raises:
        ImportError: "pictures" without matplotlib.
        ValueError: another name in ``also``.
    """
    check_extras(also)
    run = None if isinstance(trainer, Potential) else trainer
    show = run is not None and run.verbose
    evaluations = {
        kind: evaluate(trainer, part.images, part.indices, keys, show, *known)
        for kind, part, known in zip(parts, parts.values(), _known(parts, bins), strict=True)
    }
    history: History = [] if run is None else run.history
    about = {
        "data": {kind: part.describe() for kind, part in parts.items()},
        "model": model(trainer.potential, None if run is None else run.descriptor_choice),
        "settings": None if run is None else settings(run.config),
    }
    report = report_of(name, about, evaluations, history, seconds)
    write_files(report, evaluations, history, Path(out), plots, also)
    return report


def _known(parts: Mapping[str, Part], bins: int) -> Iterator[tuple[int, AtomsDataset | None]]:
    """Bins of the histograms of each part, of which the first has some, and the data set that its
    fingerprints are taken from: for histograms they are computed unscaled."""
    for place, part in enumerate(parts.values()):
        yield (bins, None) if bins and not place else (0, part.data)


def write_files(
    report: Mapping[str, Any],
    evaluations: Mapping[str, Evaluation],
    history: History,
    out: Path,
    plots: bool = True,
    also: Sequence[str] = (),
) -> None:
    """Write all files of a report to a folder, see :func:`write_report`."""
    out.mkdir(parents=True, exist_ok=True)
    whole = json.dumps(_finite(report), indent=2, allow_nan=False)
    (out / "report.json").write_text(whole + "\n", encoding="utf-8")
    figures = figures_of(report, evaluations, history) if plots else []
    content = sections(report, write_figures(figures, out))
    (out / "report.md").write_text(markdown.page(report["name"], content), encoding="utf-8")
    (out / "report.txt").write_text(text.page(report["name"], content), encoding="utf-8")
    (out / "report.html").write_text(page(report, evaluations, figures), encoding="utf-8")
    write_worst(evaluations, WORST, out / "worst.extxyz")
    if "pictures" in also:
        write_pictures(evaluations, history, out)
    if "chemiscope" in also:
        write_chemiscope(report["name"], evaluations, out / "chemiscope.json.gz")


def check_extras(also: Sequence[str]) -> None:
    """Raise what :func:`write_report` raises of ``also``, before any work is done."""
    for name in also:
        if name not in EXTRAS:
            raise ValueError(f"also: unknown {name!r}; {nearest(name, EXTRAS)}")
    if "pictures" in also:
        check_matplotlib()


def _finite(value: Any) -> Any:
    """The same with null, as JSON has it, for what is no finite number."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
