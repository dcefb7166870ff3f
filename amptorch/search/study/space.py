"""What is searched: families of potentials, and of each of them values of its configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...config import Config, with_classes
from ...errors import nearest
from .dimension import Dimension, Found, place_of, put, read_dimension, value_at

if TYPE_CHECKING:
    from optuna.trial import Trial

POTENTIAL = "potential"
Sections = dict[str, dict[str, Any]]
Given = Mapping[str, Any]


@dataclass(frozen=True)
class Drawn:
    """A configuration to try.

    Attributes:
        family: of its potential.
        config: all of it, but the data.
        values: what of it was searched, by place.
    """

    family: str
    config: Sections
    values: dict[str, Any]


@dataclass(frozen=True)
class Space:
    """The space of a search.

    Attributes:
        bases: by family, the configuration that its recipe chooses for the data.
        dimensions: by family, what is put in place of it.
    """

    bases: Mapping[str, Sections]
    dimensions: Mapping[str, tuple[Dimension, ...]]

    @classmethod
    def of(cls, given: Given, bases: Mapping[str, Sections]) -> Space:
        """The space that a file says.

        Args:
            given: entries (:func:`.dimension.read_dimension`) by place, such as
                ``"optim.lr"``, for every family that has such a key; under the name of a family
                those of this one alone; and under "potential" the families, as ``{"choices":
                [...]}`` or a name.
            bases: by family, for the data.

        Raises:
            ValueError: an unknown family, an entry of another form, or one that no family takes.
        """
        families = _families(given, list(bases))
        own = {family: dict(given.get(family) or {}) for family in families}
        common = {key: entry for key, entry in given.items() if "." in key}
        for key in given:
            if key not in (POTENTIAL, *bases, *common):
                known = [POTENTIAL, *bases]
                raise ValueError(
                    f"space: unknown {key!r}, expected a place as section.key, a family or "
                    f"{POTENTIAL!r}; {nearest(str(key), known)}"
                )
        found: dict[str, list[Dimension]] = {family: [] for family in families}
        for key, entry in common.items():
            dimension = read_dimension(key, place_of(key), entry)
            taken = [each for each in families if _problem(dimension, bases[each]) is None]
            if not taken:
                raise ValueError(f"space: {_problem(dimension, bases[families[0]])}")
            for family in taken:
                if key not in own[family]:
                    found[family].append(dimension)
        for family, entries in own.items():
            found[family] += list(_of_family(family, entries, bases[family]))
        return cls(
            {family: bases[family] for family in families},
            {family: tuple(each) for family, each in found.items()},
        )

    def draw(self, trial: Trial) -> Drawn:
        """What a trial is to try."""
        names = list(self.bases)
        family = names[0]
        if len(names) > 1:
            family = trial.suggest_categorical(POTENTIAL, names)
        found = {each.name: each.suggest(trial) for each in self._searched(family)}
        return self.configured(family, found)

    def configured(self, family: str, found: Mapping[str, Found]) -> Drawn:
        """The configuration of a family with some values; those that are not given are its own."""
        base = self.bases[family]
        config, values = copy.deepcopy(base), {}
        for each in self.dimensions[family]:
            if not each.searched:
                put(config, each.place, each.choices[0])
            elif each.name in found:
                value = each.value(found[each.name], base)
                put(config, each.place, value)
                values[".".join(map(str, each.place))] = value
        return Drawn(family, config, values)

    def starts(self) -> list[dict[str, Found]]:
        """Parameters of each family's recipe, as far as they are in the space."""
        several = len(self.bases) > 1
        return [
            {
                **({POTENTIAL: family} if several else {}),
                **{
                    each.name: start
                    for each in self._searched(family)
                    for start in [each.start(self.bases[family])]
                    if start is not None
                },
            }
            for family in self.bases
        ]

    def says(self, family: str, *place: str) -> bool:
        """Whether a value of a family is in the space, searched or not."""
        return any(each.place == place for each in self.dimensions[family])

    def descriptor_is_fixed(self, family: str) -> bool:
        """Whether all trials of a family have the same fingerprints."""
        keys = ("fp_scheme", "fp_params", "cutoff_params", "prune")
        return not any(
            each.place[0] == "dataset" and each.place[1] in keys for each in self._searched(family)
        )

    def _searched(self, family: str) -> list[Dimension]:
        return [each for each in self.dimensions[family] if each.searched]


def _families(given: Given, known: Sequence[str]) -> list[str]:
    """Those named, or those that have entries, or the first."""
    entry = given.get(POTENTIAL)
    if entry is None:
        return [each for each in known if each in given] or list(known[:1])
    names = entry.get("choices") if isinstance(entry, Mapping) else [entry]
    for name in names or [entry]:
        if name not in known:
            raise ValueError(f"space: potential: unknown {name!r}; {nearest(str(name), known)}")
    return list(names or ())


def _of_family(family: str, entries: Given, base: Sections) -> Iterator[Dimension]:
    for key, entry in entries.items():
        dimension = read_dimension(f"{family}: {key}", place_of(key), entry)
        problem = _problem(dimension, base)
        if problem is not None:
            raise ValueError(f"space: {problem}")
        yield dimension


def _problem(dimension: Dimension, base: Sections) -> str | None:
    """Why a family cannot have a value here, or None."""
    config = copy.deepcopy(base)
    try:
        value = dimension.choices[0] if dimension.choices else dimension.low
        if dimension.factor:
            value = value_at(base, dimension.place)
        put(config, dimension.place, value)
    except (KeyError, IndexError, TypeError):
        return f"{dimension.name}: the recipe has no such place"
    try:
        Config.from_dict(with_classes(config))
    except ValueError as error:
        return f"{dimension.name}: {error}"
    return None
