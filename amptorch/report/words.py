"""What a report says in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .units import QUANTITIES, number

Report = Mapping[str, Any]


def least_seen(report: Report) -> str:
    """The set that says most about frames to come."""
    errors = report["errors"]
    return next(kind for kind in ("test", "validation", *errors) if kind in errors)


def verdict(report: Report) -> str:
    """In one sentence, how well the set that says most is predicted."""
    if not report["errors"]:
        return "No frames to evaluate on."
    kind = least_seen(report)
    errors, frames = report["errors"][kind], report["data"][kind]["frames"]
    parts = [
        f"{each.plural.lower()} to {each.text(errors[each.name]['rmse'])} {each.unit}"
        for each in QUANTITIES
        if each.name in errors
    ]
    many = "1 frame" if frames == 1 else f"{frames} frames"
    return f"RMSE on {many} of the {kind} set: {', '.join(parts)}."


def model(report: Report) -> str:
    """Descriptor, size of the model, and how long it was trained."""
    about, training = report["model"], report["training"]
    text = (
        f"{about['descriptor']}, {about['features']} features, cutoff {about['cutoff']:g} Å, "
        f"{about['parameters']} parameters, {about['dtype']}"
    )
    if training["epochs"]:
        text += f"; {training['epochs']} epochs"
    if training["best_epoch"] is not None:
        text += f", the best is {training['best_epoch']}"
    return text + "."


def cost(report: Report) -> str:
    """What training took, and an atom of it."""
    seconds, an_atom = report["training"]["seconds"], report["cost"]["training"]
    parts = []
    if seconds["data set and training"] is not None:
        parts.append(f"data set and training {number(seconds['data set and training'], 0)} s")
    if seconds["an epoch"] is not None:
        parts.append(f"an epoch {number(seconds['an epoch'], 2)} s")
    if an_atom is not None:
        parts[-1] += f", {number(an_atom, 0)} µs an atom"
    return "; ".join(parts).capitalize() + "." if parts else ""


def machine(about: Mapping[str, Any]) -> str:
    """Processor, threads and versions."""
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return (
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, "
        f"Python {about['python']}, {packages}."
    )
