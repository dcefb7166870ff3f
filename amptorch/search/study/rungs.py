"""Ending trials early: successive halving, trial by trial.

L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys (2020): where a trial
comes to a rung, it goes on if it is among the best third of those that came there before. With
several objectives, better is what is better in one of them and worse in none.
"""

from __future__ import annotations

from collections.abc import Sequence

# Parts of the epochs at which a trial is looked at, the part that goes on, and trials that must
# have come to a rung before. A trial has few epochs as it is, and before a third of them steps are
# so large that errors order little.
RUNGS = (1 / 3,)
KEPT = 3
FEWEST = 3


def rung_of(epoch: int, epochs: int) -> int | None:
    """The rung that this epoch, from 1 on, is the first to reach; the last epoch reaches none."""
    found = [k for k, share in enumerate(RUNGS) if epoch - 1 < share * epochs <= epoch < epochs]
    return found[-1] if found else None


def is_poor(scores: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
    """Whether a trial is to end at a rung.

    Args:
        scores: its own, all made small.
        others: of those that came there before.
    """
    if len(others) < FEWEST:
        return False
    better = sum(dominates(each, scores) for each in others)
    return better >= (len(others) + 1) / KEPT


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether it is better in one number and worse in none."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
