"""A configuration for data, and the reason of each of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from ..errors import nearest
from ..potentials.registry import at_place, recipes
from .facts import Facts
from .rules import PRESETS
from .suited import NETWORKS

# Keys of the section "dataset" that say which data there are, and nothing of what is made of them.
OF_DATA = {
    *("raw_data", "keys", "length_unit", "energy_unit", "weight_key", "elements"),
    *("val_split", "val_split_mode", "save_fps"),
}


@dataclass
class Recipe:
    """A configuration in plain values, classes by name.

    Attributes:
        config: its sections.
        reasons: why a value is what it is, by section and key.
        images: of its data, where all were read.
    """

    config: dict[str, dict[str, Any]]
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    images: Sequence[Atoms] | None = field(default=None, compare=False, repr=False)

    def summary(self) -> list[str]:
        """A line for each value that has a reason."""
        return [
            f"{section}.{key} = {_short(self.config[section][key])}: {why}"
            for (section, key), why in self.reasons.items()
        ]


def choose(facts: Facts, preset: str = "standard", potential: str = NETWORKS) -> Recipe:
    """The whole configuration for data, but for where they are.

    Args:
        facts: of the data.
        preset: "fast", "standard" or "accurate".
        potential: name of the rules, "networks", "snap", ..., see
            :func:`amptorch.potentials.registry.recipes`.

    Raises:
        ValueError: a preset or family that is not known.
    """
    places = recipes()
    for name, value, known in (("preset", preset, PRESETS), ("potential", potential, places)):
        if value not in known:
            raise ValueError(f"{name}: unknown {value!r}; {nearest(value, known)}")
    recipe = Recipe({name: {} for name in ("model", "optim", "dataset", "cmd")})
    for section, key, value, why in at_place(places[potential])(facts, PRESETS[preset]):
        recipe.config[section][key] = value
        if why:
            recipe.reasons[section, key] = why
    return recipe


def complete(config: Mapping[str, Mapping[str, Any]], chosen: Recipe) -> Recipe:
    """A configuration whose absent sections are those of a recipe.

    A section "dataset" that only says which data there are, so has no ``fp_params``, gets the rest
    from the recipe.

    Args:
        config: what was given; sections and their keys win.
        chosen: for the same data.
    """
    sections: dict[str, dict[str, Any]] = {name: dict(each) for name, each in config.items()}
    for name, section in chosen.config.items():
        given = dict(config.get(name, {}))
        takes = name not in config or (name == "dataset" and set(given) <= OF_DATA)
        sections[name] = {**section, **given} if takes else given
    _agree(sections, config)
    reasons = {
        (name, key): why
        for (name, key), why in chosen.reasons.items()
        if sections[name].get(key) == chosen.config[name].get(key)
    }
    return Recipe(sections, reasons)


def _agree(sections: dict[str, dict[str, Any]], given: Mapping[str, Any]) -> None:
    """Sections that were not given follow those that were: a model may be without forces, and
    fingerprints without what stresses need."""
    if "optim" not in given and not gives_stresses(sections):
        sections["optim"].pop("stress_coefficient", None)
    if sections["model"].get("get_forces", True):
        return
    if "optim" not in given:
        sections["optim"]["force_coefficient"] = 0.0
    if sections["dataset"].get("target_scaling") == "forces":
        sections["dataset"]["target_scaling"] = "per_atom"


def gives_stresses(config: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a potential of a configuration has stresses: with a ``prime_threshold`` it has forces
    alone."""
    params = config["dataset"].get("fp_params")
    drops = isinstance(params, Mapping) and bool(params.get("prime_threshold"))
    return bool(config["model"].get("get_forces", True)) and not drops


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 90 else text[:87] + "..."
