"""Which functions the rounds of a ladder have."""

from __future__ import annotations

from collections.abc import Sequence

from ...potentials.ace.functions import Expansion, Function
from ...potentials.ace.model import Ace
from .settings import Ladder

Chosen = Sequence[Sequence[int]]
"""Places of functions of each element, ascending."""


def rounds_of(model: Ace, ladder: Ladder | None) -> list[Chosen]:
    """Functions of each round: at first those with coefficients, in each round the next ones of all
    blocks (functions of an element with the same set of neighbours), at last all."""
    expansion = model.expansion
    whole = [list(range(len(each))) for each in expansion.functions]
    if ladder is None:
        return [whole]
    present = model.coefficients.detach().any(1).tolist()
    found: list[Chosen] = []
    blocks = _blocks(expansion, ladder, present)
    counts = {key: sum(has for _, _, has in members) for key, members in blocks.items()}
    while any(counts[key] < len(members) for key, members in blocks.items()):
        for key, members in blocks.items():
            step = max(ladder.step, round(ladder.fraction * counts[key]), 1)
            counts[key] = min(counts[key] + step, len(members))
        chosen: list[list[int]] = [[] for _ in expansion.functions]
        for key, members in blocks.items():
            chosen[key[0]] += [place for _, place, _ in members[: counts[key]]]
        found.append([sorted(each) for each in chosen])
    return found or [whole]


Member = tuple[tuple[object, ...], int, bool]


def _blocks(
    expansion: Expansion, ladder: Ladder, present: Sequence[bool]
) -> dict[tuple[int, tuple[int, ...]], list[Member]]:
    """By element and set of neighbours, functions in the order in which they come: those that are
    there already first."""
    found: dict[tuple[int, tuple[int, ...]], list[Member]] = {}
    both = zip(expansion.functions, expansion.spans, strict=True)
    for element, (functions, (first, _)) in enumerate(both):
        for place, each in enumerate(functions):
            key = element, tuple(sorted({*each.mus} - {element}))
            has = present[first + place]
            found.setdefault(key, []).append(((not has, *_order(each, ladder)), place, has))
    return {key: sorted(members) for key, members in found.items()}


def _order(function: Function, ladder: Ladder) -> tuple[object, ...]:
    body = len(function.ns), function.ns, function.ls, function.lint or (), function.mus
    power = len(function.ns) + sum(function.ns) + sum(function.ls)
    return (power, *body) if ladder.order == "power" else body
