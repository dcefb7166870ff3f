"""How often each fingerprint component takes which values: a small picture a component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from typing import Any

import numpy as np

from ..data.frame import AtomsData
from ..descriptor.base_descriptor import BaseDescriptor

WIDTH, HEIGHT = 200, 40  # pixels of a picture


@dataclass(frozen=True)
class Histogram:
    """Of one component over the atoms of an element.

    Attributes:
        element: chemical symbol.
        component: what it is.
        low, high: least and largest value, the outer edges of the bins.
        counts: atoms in each bin.
    """

    element: str
    component: str
    low: float
    high: float
    counts: list[int]


def histograms_of(
    descriptor: BaseDescriptor, data: Sequence[AtomsData], bins: int
) -> list[Histogram]:
    """All of unscaled fingerprints, element by element.

    Args:
        descriptor: made the fingerprints.
        data: with fingerprints and atomic numbers.
        bins: of each histogram.
    """
    values = np.concatenate([each.fingerprint.cpu().numpy() for each in data])
    numbers = np.concatenate([each.atomic_numbers.numpy() for each in data])
    found = []
    for element, number in zip(descriptor.elements, descriptor.element_indices, strict=True):
        own = values[numbers == number]
        for name, column in zip(descriptor.names_of(element), own.T, strict=False):
            if len(column):
                counts, edges = np.histogram(column, bins, (column.min(), column.max()))
                ends = float(edges[0]), float(edges[-1])
                found.append(Histogram(element, name, *ends, counts.tolist()))
    return found


def to_json(histograms: Sequence[Histogram]) -> list[dict[str, Any]]:
    """As ``report.json`` holds them."""
    return [asdict(each) for each in histograms]


def folded(parts: Mapping[str, Sequence[Histogram]]) -> Iterator[str]:
    """Pictures that open at a click, of each set that has any, element by element."""
    for kind, histograms in parts.items():
        if not histograms:
            continue
        summary = f"Histograms of fingerprint components, {kind}"
        body = "".join(
            f'<h3>{escape(element)}</h3><div class="small">{"".join(map(_figure, own))}</div>'
            for element, own in groupby(histograms, lambda each: each.element)
        )
        yield f"<details><summary>{escape(summary)}</summary>{body}</details>"


def _figure(each: Histogram) -> str:
    words = f"{each.component}: {each.low:.4g} to {each.high:.4g}"
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(words)}"><path class="bars training" d="{_outline(each.counts)}"/>'
        f"</svg><figcaption>{escape(words)}</figcaption></figure>"
    )


def _outline(counts: Sequence[int]) -> str:
    """The path around all bars, in pixels; bins of one height are one bar."""
    tallest, place = max(max(counts), 1), 0
    path = [f"M0 {HEIGHT}"]
    for height, run in groupby(HEIGHT - round(HEIGHT * count / tallest) for count in counts):
        place += len(list(run))
        path.append(f"V{height}H{WIDTH * place / len(counts):g}")
    return "".join([*path, f"V{HEIGHT}Z"])
