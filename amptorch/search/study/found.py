"""What a search has found: its trials in plain values, the front, and which features matter."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .rungs import dominates
from .space import Space
from .training import mean_error

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

FEWEST = 6  # trials of a family from which the importance of its values is estimated


@dataclass(frozen=True)
class Found:
    """A trial.

    Attributes:
        number: from 0 on.
        state: "complete", "pruned", "failed", "running", "lost" or "waiting".
        family: of its potential, empty before it began.
        values: of its configuration, by place.
        scores: by objective.
        errors: see :class:`.training.Outcome`; with ``cost``, ``seconds`` and ``parameters``.
        failure: why it failed, or nothing.
    """

    number: int
    state: str
    family: str
    values: Mapping[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    cost: float = math.nan
    seconds: float = math.nan
    parameters: int = 0
    failure: str = ""

    @property
    def error(self) -> float:
        """Geometric mean of the errors of energies and forces."""
        return mean_error(self.errors)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is no number is left out."""
        return {
            name: value
            for name, value in vars(self).items()
            if not (isinstance(value, float) and math.isnan(value))
        }


def trials_of(study: Study, objectives: Sequence[str]) -> list[Found]:
    """All that began."""
    return [
        _found(trial, objectives)
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name != "WAITING"
    ]


def _found(trial: FrozenTrial, objectives: Sequence[str]) -> Found:
    known, state = trial.user_attrs, trial.state.name.lower()
    if state == "fail":
        state = "failed" if "failure" in known else "lost"
    about = known.get("family", ""), known.get("values", {})
    outcome = known.get("outcome") if state == "complete" else None
    if outcome is None:
        return Found(trial.number, state, *about, failure=known.get("failure", ""))
    scores = dict(zip(objectives, trial.values, strict=True))
    more = {name: outcome[name] for name in ("errors", "cost", "seconds", "parameters")}
    return Found(trial.number, state, *about, scores, **more)


def front_of(trials: Sequence[Found]) -> list[Found]:
    """Those that no other is better than in one objective and worse in none, by the first one."""
    done = [trial for trial in trials if trial.scores]
    front = [
        one
        for one in done
        if not any(dominates(list(o.scores.values()), list(one.scores.values())) for o in done)
    ]
    return sorted(front, key=lambda trial: next(iter(trial.scores.values())))


def best_of(trials: Sequence[Found], at_most: float | None = None) -> Found:
    """The first of the front.

    Args:
        trials: at least one complete.
        at_most: µs an atom that it may cost.

    Raises:
        ValueError: none is that cheap.
    """
    done = [trial for trial in trials if trial.scores]
    if at_most is not None:
        cheapest = min(trial.cost for trial in done)
        done = [trial for trial in done if trial.cost <= at_most]
        if not done:
            raise ValueError(
                f"at_most: no trial costs {at_most:g} µs an atom or less, the cheapest "
                f"{cheapest:.3g}"
            )
    return front_of(done)[0]


def importance(study: Study, space: Space, objective: int = 0) -> dict[str, dict[str, float]]:
    """By family, the part of each value in how the logarithm of an objective varies over trials,
    as optuna estimates it (functional analysis of variance); without families of few trials."""
    found = {}
    for family in space.bases:
        own = [
            trial
            for trial in study.get_trials(deepcopy=False)
            if trial.values and trial.user_attrs.get("family") == family
        ]
        parts = _importance(own, objective) if len(own) >= FEWEST else {}
        if parts:
            found[family] = parts
    return found


def _importance(trials: Sequence[FrozenTrial], objective: int) -> dict[str, float]:
    import optuna

    names = [
        name
        for name in set.intersection(*(set(t.params) for t in trials))
        if ":" in name or "." in name
    ]
    alone = optuna.create_study()
    for trial in trials:
        alone.add_trial(
            optuna.trial.create_trial(
                params={name: trial.params[name] for name in names},
                distributions={name: trial.distributions[name] for name in names},
                value=math.log(max(trial.values[objective], 1e-300)),
            )
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            parts = optuna.importance.get_param_importances(alone, evaluator=evaluator)
    except (ImportError, RuntimeError, ValueError):  # without scikit-learn, or where nothing varies
        return {}
    return {name.rpartition(": ")[2]: float(part) for name, part in parts.items()}


def number_of(value: Any) -> float | None:
    """What stands for a value on an axis: itself, or the first of a list; None for words."""
    if isinstance(value, (list, tuple)) and value:
        return number_of(value[0])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def written(value: Any) -> str:
    """A value in a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
