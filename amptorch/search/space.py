"""What is searched: values of a configuration, as steps from where the search starts."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = dict[str, float]
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


@dataclass(frozen=True)
class Parameter:
    """A number of a configuration.

    Attributes:
        place: section, key, and the keys and indices below it.
        start: where the search starts.
        step: that is tried first: of the value, or of its logarithm.
        low, high: bounds.
        logarithmic: whether steps are factors.
    """

    place: tuple[str | int, ...]
    start: float
    step: float
    low: float
    high: float
    logarithmic: bool = False

    @property
    def name(self) -> str:
        """As ``--set`` takes it, without the section: "fp_params.wj.Mo"."""
        return ".".join(map(str, self.place[1:]))

    def value(self, steps: float) -> float:
        """So many steps from the start, within bounds."""
        away = self.step * steps
        value = self.start * math.exp(away) if self.logarithmic else self.start + away
        return min(max(value, self.low), self.high)

    @property
    def bounds(self) -> tuple[float, float]:
        """Those of steps."""
        ends = (self.low, self.high)
        if self.logarithmic:
            return tuple(math.log(each / self.start) / self.step for each in ends)  # type: ignore[return-value]
        return tuple((each - self.start) / self.step for each in ends)  # type: ignore[return-value]


def values_of(parameters: Sequence[Parameter], steps: Array) -> Values:
    """Values by name, rounded as a journal and a configuration have them."""
    return {
        each.name: float(f"{each.value(float(step)):.6g}")
        for each, step in zip(parameters, steps, strict=True)
    }


def configured(
    config: Mapping[str, Mapping[str, Any]], parameters: Sequence[Parameter], values: Values
) -> dict[str, Any]:
    """A copy of a configuration with these values in their places."""
    made = {
        name: {k: v if k == "raw_data" else copy.deepcopy(v) for k, v in section.items()}
        for name, section in config.items()
    }
    for each in parameters:
        *way, last = each.place
        inside: Any = made
        for key in way:
            inside = inside[key]
        inside[last] = values[each.name]
    return made


def spread(parameters: Sequence[Parameter], width: float) -> Iterator[Array]:
    """Points all over the box of ``width`` steps to either side of the start, within bounds: the
    start, then those of J. H. Halton, Numer. Math. 2, 84 (1960), without end."""
    bounds = [each.bounds for each in parameters]
    low = np.array([max(-width, each[0]) for each in bounds])
    high = np.array([min(width, each[1]) for each in bounds])
    yield np.zeros(len(parameters))
    number = 0
    while True:
        number += 1
        shares = [_mirrored(number, PRIMES[k % len(PRIMES)]) for k in range(len(parameters))]
        yield low + (high - low) * np.array(shares)


def _mirrored(number: int, base: int) -> float:
    """Digits of a number in a base, mirrored at the point."""
    share, unit = 0.0, 1.0 / base
    while number:
        number, digit = divmod(number, base)
        share, unit = share + digit * unit, unit / base
    return share
