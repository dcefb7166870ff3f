"""Predictions of a potential beside the numbers that images hold."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from ase import Atoms

from ..data.keys import Keys
from ..data.targets import MissingTargetError, read_energy, read_forces, read_stress
from ..potentials import prediction
from ..potentials.active_set import TOLERANCE
from ..potentials.evaluator import Scaled
from ..potentials.potential import HasPotential, Potential
from ..preprocessing import ExtrapolationWarning
from .errors import Array, Evaluation, Frame, Parity
from .histograms import histograms_of


def evaluate(
    trainer: HasPotential,
    images: Sequence[Atoms],
    indices: Sequence[int] | None = None,
    keys: Keys | None = None,
    show_progress: bool = False,
    bins: int = 0,
    data: Scaled | None = None,
) -> Evaluation:
    """Predict images and set the numbers beside their own.

    Args:
        trainer: a trained or loaded :class:`amptorch.AtomsTrainer`, or a potential.
        images: with energies; forces and stresses are compared where an image has them.
        indices: what the frames are called, default their places in ``images``.
        keys: names of energy, forces, stress and virial, default those of the training data.
        show_progress: show a progress bar.
        bins: of histograms of the components of fingerprints; 0 makes none.
        data: the training data, whose places the ``indices`` are; fingerprints are taken from it.

    Raises:
        ValueError: an image without energy, or with numbers that are none.
    """
    indices = range(len(images)) if indices is None else indices
    potential = trainer.potential
    keys = potential.keys if keys is None else keys
    if data is None:
        found, extrapolation = _predict(potential, images, show_progress)
    else:
        found, extrapolation = potential.evaluate_scaled(images, data, indices), ""
    frames = []
    for place, (index, image) in enumerate(zip(indices, images, strict=True)):
        name = f"image {index}"
        energy = np.array([read_energy(image, name, keys), found.energy[place]])
        forces = found.forces[place] if found.forces else None
        stress = found.stress[place] if found.stress else None
        frames.append(
            Frame(
                index,
                image,
                Parity(energy[:1] / len(image), energy[1:] / len(image)),
                _compared(read_forces, image, name, keys, forces),
                _compared(read_stress, image, name, keys, stress),
            )
        )
    histograms = histograms_of(potential.descriptor, found.unscaled, bins) if bins else []
    return Evaluation(frames, extrapolation, found.seconds, histograms)


def _predict(
    potential: Potential, images: Sequence[Atoms], show_progress: bool
) -> tuple[prediction.Evaluation, str]:
    """Predictions, and as text the warning that belongs into a report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = potential.evaluate(images, potential.forces, show_progress=show_progress)
        potential.warn_outside(found)
    texts = []
    for each in caught:
        if issubclass(each.category, ExtrapolationWarning):
            texts.append(str(each.message))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return found, "; ".join([*texts, *_of_grades(potential.grades(found))])


def _of_grades(grades: Sequence[Array] | None) -> Iterator[str]:
    if grades is None:
        return
    largest = np.array([each.max(initial=0.0) for each in grades])
    beyond = largest > TOLERANCE
    if beyond.any():
        atoms = sum(int((each > TOLERANCE).sum()) for each in grades)
        yield (
            f"extrapolation grades above 1, of {atoms} atoms in {int(beyond.sum())} of "
            f"{len(grades)} frames; the largest is {largest.max():.4g}, in frame "
            f"{int(largest.argmax())}"
        )


def _compared(
    read: Callable[[Atoms, str, Keys], Array],
    image: Atoms,
    name: str,
    keys: Keys,
    predicted: Array | None,
) -> Parity | None:
    if predicted is None:
        return None
    try:
        reference = read(image, name, keys)
    except MissingTargetError:
        return None
    return None if np.isnan(reference).any() else Parity(reference, predicted)
