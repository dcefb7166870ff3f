"""What of a descriptor is searched: its parameters, in places of their own in a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

from .space import Parameter, configured

PLACE = ("dataset", "fp_params")
# Bounds of cutoffs, in parts of where the search starts.
NEAREST, FARTHEST = 0.65, 1.5


def searched(
    config: Mapping[str, Any], elements: Sequence[str]
) -> tuple[dict[str, Any], list[Parameter]]:
    """A copy of a configuration that has each parameter of its descriptor in a place of its own,
    and these.

    Of "snap" the cutoff, the radii of all elements but the first, whose scale is that of the
    cutoff, and the weights of all, beside which the central atom's own is 1; of "ace" the cutoff of
    each pair of elements, Å; of other descriptors none.
    """
    made = configured(config, [], {})
    dataset = made.get("dataset", {})
    of_scheme = {"snap": _bispectrum, "ace": _bonds}.get(dataset.get("fp_scheme"))
    return made, [] if of_scheme is None else of_scheme(dataset["fp_params"], elements)


def _bispectrum(given: dict[str, Any], elements: Sequence[str]) -> list[Parameter]:
    for name, default in (("radelem", 0.5), ("wj", 1.0)):
        given[name] = _by_element(given.get(name, default), elements)
    given.setdefault("rfac0", 0.99363)
    rfac0 = float(given["rfac0"])
    found = [
        _cutoff("rcutfac", start=float(given["rcutfac"])),
        # Beyond 1 the map to the sphere is not continuous.
        Parameter((*PLACE, "rfac0"), rfac0, 0.04, 0.5, max(0.9975, rfac0)),
    ]
    for element in elements:
        radius, weight = float(given["radelem"][element]), float(given["wj"][element])
        if element != elements[0]:
            own = (*PLACE, "radelem", element)
            found.append(Parameter(own, radius, 0.1, 0.6 * radius, 1.6 * radius, True))
        own = (*PLACE, "wj", element)
        low, high = sorted((0.15 * weight, 4.0 * weight))
        found.append(Parameter(own, weight, 0.25, low, high, True))
    return found


def _bonds(given: dict[str, Any], elements: Sequence[str]) -> list[Parameter]:
    bonds, found = given.setdefault("bonds", {}), []
    for first, second in combinations_with_replacement(elements, 2):
        pair, other = f"{first}-{second}", f"{second}-{first}"
        name = other if other in bonds else pair
        bond = bonds.setdefault(name, {})
        both = {**given, **bond}
        bond["cutoff"] = float(both["cutoff"])
        # Within the inner cutoff there are no functions.
        own = ("bonds", name, "cutoff")
        found.append(_cutoff(*own, start=bond["cutoff"], least=float(both.get("inner", 0.0))))
    return found


def _cutoff(*place: str, start: float, least: float = 0.0) -> Parameter:
    low = min(start, max(NEAREST * start, least))
    return Parameter((*PLACE, *place), start, 0.1, low, FARTHEST * start, True)


def _by_element(given: Any, elements: Sequence[str]) -> dict[str, float]:
    if isinstance(given, Mapping):
        return dict(given)
    values = list(given) if isinstance(given, (list, tuple)) else [given] * len(elements)
    return dict(zip(elements, values, strict=True))
