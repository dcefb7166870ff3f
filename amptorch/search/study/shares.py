"""How many trials each family has: more, the less its best one errs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

# A family that errs twice as much as the best has a sixteenth of its trials.
POWER = 4


def next_family(families: Sequence[str], begun: Iterable[tuple[str | None, float | None]]) -> str:
    """The family whose turn it is: that of the most votes an additional trial, as V. D'Hondt gives
    seats, where votes are (least score of all / least of the family)⁴.

    Args:
        families: at least one.
        begun: of each trial its family and its score, made small, None where it has none.
    """
    least, number = dict.fromkeys(families, math.inf), dict.fromkeys(families, 0)
    for family, score in begun:
        if family in number:
            number[family] += 1
            least[family] = min(least[family], math.inf if score is None else max(score, 1e-300))
    best = min(least.values())
    votes = {
        name: (best / each) ** POWER if best < math.inf else 1.0 for name, each in least.items()
    }
    return max(families, key=lambda name: votes[name] / (number[name] + 1))
