"""What a reader must know before trusting the numbers of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import Evaluation, Values
from .units import QUANTITIES, Quantity

ENOUGH = 10  # values; of less, R² and ratios mean nothing
WORSE = 2.0  # times the training error
POOR = 0.5  # R²
SHIFTED = 0.5  # mean error, as part of the RMSE
OUTLIER = 10.0  # largest error, times the RMSE of all


def remarks(evaluations: Mapping[str, Evaluation], training: Mapping[str, Any]) -> list[str]:
    """Sentences, the weightiest first; none where there is nothing to say.

    Args:
        evaluations: by set.
        training: "epochs" and "best_epoch" of a report.
    """
    found = []
    if set(evaluations) == {"training"}:
        found.append(
            "All frames were trained on: nothing here says how well others are predicted. Keep "
            "some apart (--test, or dataset: val_split)."
        )
    for kind, each in evaluations.items():
        found += _of_set(kind, each)
    found += _worse(evaluations)
    best = training["best_epoch"]
    if best is not None and best == training["epochs"] > 1:
        found.append(f"The last epoch, {best}, is the best: more epochs may help.")
    return found


def _of_set(kind: str, evaluation: Evaluation) -> Iterator[str]:
    if evaluation.extrapolation:
        yield f"{kind}: {evaluation.extrapolation}."
    outliers: list[str] = []
    for quantity in QUANTITIES:
        values = evaluation.parity(quantity.name)
        if values is None:
            continue
        what = quantity.plural.lower()
        bad = int((~np.isfinite(values.predicted)).sum())
        if bad:
            yield f"{kind}: {bad} predicted {what} are not finite numbers."
            continue
        compared, frames = len(values.places), len(evaluation.frames)
        if compared < frames:
            yield f"{kind}: {what} are compared for {compared} of {frames} frames."
        if values.difference.size >= ENOUGH:
            yield from _of_errors(kind, quantity, values)
            outliers += _outliers(quantity, values, evaluation)
    if outliers:
        yield f"{kind}: the largest errors are far beyond the RMSE: {', '.join(outliers)}."


def _of_errors(kind: str, quantity: Quantity, values: Values) -> Iterator[str]:
    mean, r2 = float(values.difference.mean()), values.errors()["r2"]
    if r2 is not None and r2 < POOR:
        what = quantity.plural.lower()
        yield f"{kind}: {what} have R² {round(r2, 2) + 0.0:.2f}: hardly better than their mean."
    if quantity.name == "energy" and abs(mean) > SHIFTED * values.rmse:
        yield f"{kind}: energies are shifted, by {quantity.text(mean)} {quantity.unit} on average."


def _outliers(quantity: Quantity, values: Values, evaluation: Evaluation) -> Iterator[str]:
    largest = float(np.abs(values.difference).max())
    if largest > OUTLIER * values.rmse:
        frame = evaluation.frames[evaluation.order(quantity.name)[0]].index
        times = f"{largest / values.rmse:.0f} times, in frame {frame}"
        yield f"{quantity.short} {quantity.text(largest)} {quantity.unit} ({times})"


def _worse(evaluations: Mapping[str, Evaluation]) -> Iterator[str]:
    """Where frames that were not trained on are predicted much worse."""
    training = evaluations.get("training")
    for kind, quantity in _pairs([each for each in evaluations if each != "training"]):
        values = evaluations[kind].parity(quantity.name)
        own = None if training is None else training.parity(quantity.name)
        if (
            values is None
            or own is None
            or min(values.difference.size, own.difference.size) < ENOUGH
        ):
            continue
        if values.rmse > WORSE * own.rmse > 0:
            yield (
                f"{kind}: the RMSE of {quantity.plural.lower()} is {values.rmse / own.rmse:.1f} "
                "times that of the training frames: overfitted, or frames of another kind."
            )


def _pairs(kinds: Sequence[str]) -> list[tuple[str, Quantity]]:
    return [(kind, quantity) for kind in kinds for quantity in QUANTITIES]


def r2_text(errors: Mapping[str, Any]) -> str:
    """R², or why it means nothing."""
    if errors["values"] < ENOUGH:
        return "too few"
    return "no spread" if errors["r2"] is None else f"{errors['r2']:.4f}"
