"""One value of a configuration that is searched, and where in it the value stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import is_number, nearest

if TYPE_CHECKING:
    from optuna.trial import Trial

Place = tuple[str | int, ...]
Sections = Mapping[str, Any]
Found = str | float | int
"""What optuna knows of a value: choices are JSON, as lists may be among them."""

KEYS = ("choices", "low", "high", "log", "step", "factor")
EVERY = "*"
"""In a place: all keys that are there."""


@dataclass(frozen=True)
class Dimension:
    """A value of a configuration.

    Attributes:
        name: of the parameter: its place, behind the name of a family where it is of one alone.
        place: section, key, and the keys and indices below it; ``EVERY`` with a factor alone.
        choices: one of these; a single one is not searched.
        low, high, log, step: else a number between these, evenly or by its logarithm, whole where
            both are; ``step`` apart.
        factor: the number is a factor of what the recipe of a family says, or of each number in a
            list there.
    """

    name: str
    place: Place
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    factor: bool = False

    @property
    def searched(self) -> bool:
        """Whether there is more than one value."""
        return len(self.choices) != 1

    @property
    def whole(self) -> bool:
        """Whether the numbers are."""
        return isinstance(self.low, int) and isinstance(self.high, int) and not self.factor

    def suggest(self, trial: Trial) -> Found:
        """What a trial is to have."""
        if self.choices:
            return trial.suggest_categorical(self.name, [json.dumps(each) for each in self.choices])  # type: ignore[return-value]
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(
                self.name, int(self.low), int(self.high), step=step, log=self.log
            )
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def value(self, found: Found, base: Sections) -> Any:
        """The value for a configuration, where ``base`` is the recipe; floats have five digits."""
        if self.choices:
            return json.loads(str(found))
        if self.factor:
            return _times(value_at(base, self.place), float(found))
        return found if self.whole else float(f"{float(found):.5g}")

    def start(self, base: Sections) -> Found | None:
        """What stands for the recipe's own value, None where that is not among those searched."""
        if self.factor:
            return 1.0 if self.low <= 1.0 <= self.high else None
        try:
            value = value_at(base, self.place)
        except (KeyError, IndexError, TypeError):
            return None
        if self.choices:
            return json.dumps(value) if value in self.choices else None
        return value if is_number(value) and self.low <= value <= self.high else None


def read_dimension(name: str, place: Place, entry: Any) -> Dimension:
    """The dimension that an entry of a space says.

    Args:
        name, place: its own.
        entry: a mapping with ``choices``, with ``low`` and ``high``, or with ``factor``, two
            numbers; anything else is a value that is not searched.

    Raises:
        ValueError: a mapping of another form, or another value than a factor for several places.
    """
    if EVERY in place and not (isinstance(entry, Mapping) and "factor" in entry):
        raise ValueError(f"space: {name}: expected a factor for every value, got {entry!r}")
    if not isinstance(entry, Mapping) or not set(entry) & set(KEYS):
        return Dimension(name, place, choices=(entry,))
    for key in entry:
        if key not in KEYS:
            raise ValueError(f"space: {name}: unknown key {key!r}; {nearest(str(key), KEYS)}")
    if "choices" in entry:
        choices = entry["choices"]
        if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
            raise ValueError(f"space: {name}: expected choices to be a list, got {choices!r}")
        return Dimension(name, place, choices=tuple(choices))
    low, high = _ends(name, entry)
    log = bool(entry.get("log", "factor" in entry))
    if log and low <= 0:
        raise ValueError(f"space: {name}: expected low > 0 with log, got {low!r}")
    return Dimension(name, place, (), low, high, log, entry.get("step"), factor="factor" in entry)


def _ends(name: str, entry: Mapping[str, Any]) -> tuple[float, float]:
    ends = entry.get("factor", [entry.get("low"), entry.get("high")])
    good = isinstance(ends, Sequence) and len(ends) == 2 and all(map(is_number, ends))
    if not good or not ends[0] < ends[1]:
        raise ValueError(
            f"space: {name}: expected choices, numbers low < high, or two factors, got "
            f"{dict(entry)!r}"
        )
    return ends[0], ends[1]


def place_of(dotted: str) -> Place:
    """Section, keys and indices of "dataset.fp_params.cutoff.0"."""
    return tuple(int(each) if each.isdigit() else each for each in dotted.split("."))


def value_at(config: Sections, place: Place) -> Any:
    """What stands at a place, or at all that ``EVERY`` makes of it, as a list.

    Raises:
        KeyError, IndexError, TypeError: nothing does.
    """
    inside: Any = config
    for number, key in enumerate(place, start=1):
        if key == EVERY:
            return [value_at(inside[each], place[number:]) for each in inside]
        inside = inside[key]
    return inside


def put(config: dict[str, Any], place: Place, value: Any) -> None:
    """Set what :func:`value_at` gives of a place, whose surroundings are there.

    Raises:
        KeyError, IndexError, TypeError: they are not.
    """
    if EVERY in place:
        before = place.index(EVERY)
        inside = value_at(config, place[:before])
        for key, own in zip(inside, value, strict=True):
            put(inside, (key, *place[before + 1 :]), own)
        return
    *way, last = place
    value_at(config, tuple(way))[last] = value


def _times(value: Any, factor: float) -> Any:
    """Whole numbers stay whole, and at least 1; others have four digits."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_times(each, factor) for each in value]
    if isinstance(value, int):
        return max(1, round(factor * value))
    return float(f"{factor * value:.4g}")
