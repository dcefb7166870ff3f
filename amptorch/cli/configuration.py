"""The configuration that a command line asks for: a file's, with what it lacks chosen from data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..data.keys import Keys
from ..data.reading import in_units, is_large, load_images, read_images
from ..files.config_text import CONFIG_TEXT
from ..processes import group
from ..recipe import OF_DATA, Facts, Recipe, choose, complete, suited
from ..recipe.suited import NETWORKS
from .config_file import apply, read_plain
from .parser import WrongUsage
from .settings import given_keys, read_change

SECTIONS = ("model", "optim", "dataset", "cmd")
UNITS = ("length_unit", "energy_unit")
Config = dict[str, dict[str, Any]]


def configuration(arguments: argparse.Namespace) -> Config:
    """The configuration of a command's data, file, preset and changes; what was chosen is printed.

    Raises:
        WrongUsage: neither data nor a configuration, or two configurations.
    """
    return shown(arguments).config


def shown(arguments: argparse.Namespace) -> Recipe:
    """The same, with the reasons of what was chosen."""
    chosen = choose_configuration(arguments, arguments.resume)
    if arguments.quiet:
        chosen.config["cmd"]["verbose"] = False
    if chosen.config["cmd"].get("verbose", True):
        print("\n".join(chosen.summary()))
    return chosen


def choose_configuration(arguments: argparse.Namespace, resume: Path | None) -> Recipe:
    """The configuration, with the reasons of what was chosen.

    Args:
        arguments: with ``data``, ``keys``, ``preset``, ``potential`` and ``changes``.
        resume: folder of a run whose configuration is taken where none is given.
    """
    config = _given(arguments.data, resume)
    if arguments.keys:
        section = config.setdefault("dataset", {})
        section["keys"] = given_keys(arguments.keys, Keys.of(section.get("keys"))).given()
    units = {name: getattr(arguments, name, None) for name in UNITS}
    if any(units.values()):
        config.setdefault("dataset", {}).update({k: v for k, v in units.items() if v is not None})
    whole = {**config, **_touched(arguments.changes, config)}
    asked = {name: dict(each) for name, each in config.items()}
    apply(asked, arguments.changes)
    chosen = completed(whole, arguments.preset, _kind(arguments, asked))
    apply(chosen.config, arguments.changes)
    for place, _ in map(read_change, arguments.changes):
        name, _, key = place.partition(".")
        chosen.reasons.pop((name, key), None)
    chosen.config["cmd"].setdefault("identifier", _identifier(chosen.config["dataset"]))
    return chosen


def _kind(arguments: argparse.Namespace, config: Config) -> str | None:
    """The kind of potential: of ACE that which is linear, where it is asked for; None, to be chosen
    by the data, where nothing says which."""
    kind: str | None = arguments.potential
    if getattr(arguments, "linear", False):
        if kind not in (None, "ace", "linear_ace"):
            raise WrongUsage(f"--linear: expected --potential ace, got {kind}")
        return "linear_ace"
    return NETWORKS if kind is None and _is_of_networks(config) else kind


def _is_of_networks(config: Config) -> bool:
    """Whether it has values of which each kind of potential has its own, or several processes are
    to train."""
    given = {**{name: {} for name in SECTIONS}, **config}
    own = given["model"] or given["optim"] or set(given["dataset"]) - OF_DATA
    return bool(own) or group.start()[1] > 1


def _touched(changes: Sequence[str], config: Config) -> Config:
    """Sections ``dataset`` with the data that changes name, which the rules look at."""
    section = {"dataset": dict(config.get("dataset", {}))}
    looked_at = tuple(f"dataset.{name}=" for name in ("raw_data", *UNITS))
    apply(section, [each for each in changes if each.startswith(looked_at)])
    return section if section["dataset"] else {}


def completed(config: Config, preset: str, potential: str | None) -> Recipe:
    """What a configuration lacks, chosen from its data, where these are images; the kind of
    potential, too, if it is None."""
    dataset = config.get("dataset", {})
    source = dataset.get("raw_data")
    if source is None or (set(SECTIONS) <= set(config) and "fp_params" in dataset):
        return Recipe({**{name: {} for name in SECTIONS}, **config})
    source = in_units(source, *(dataset.get(name) for name in UNITS))
    images = None if is_large(source) else load_images(source)
    every = partial(read_images, images or source, "raw_data")
    facts = replace(Facts.of(every(), dataset.get("keys")), every=every)
    if config.get("model", {}).get("get_forces") is False:
        facts = replace(facts, forces=False)
    kind, why = suited(facts) if potential is None else (potential, "")
    chosen = choose(facts, preset, kind)
    if why:
        reason = chosen.reasons["model", "name"]
        chosen.reasons["model", "name"] = f"{reason}; --potential {kind}, of {why}"
    return replace(complete(config, chosen), images=images)


def _given(data: Sequence[str], resume: Path | None) -> Config:
    """The configuration among names of data, or that of a run to go on with, with the data."""
    files = [name for name in data if _is_config(name)]
    if len(files) > 1:
        raise WrongUsage(f"DATA: expected at most one configuration, got {' and '.join(files)}")
    if not data and resume is None:
        raise WrongUsage("DATA: expected data or a configuration, got neither")
    names = [name for name in data if name not in files]
    if not files and resume is not None and (resume / CONFIG_TEXT).is_file():
        files = [str(resume / CONFIG_TEXT)]
    config = read_plain(files[0]) if files else {}
    if names:
        config.setdefault("dataset", {})["raw_data"] = names[0] if len(names) == 1 else names
    return config


def _is_config(name: str) -> bool:
    """Whether a name is that of a configuration; ASE's databases may be called .json too."""
    path = Path(name)
    if path.suffix.lower() != ".json":
        return path.suffix.lower() in (".yaml", ".yml")
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        return False
    return isinstance(values, dict) and bool(set(values) & set(SECTIONS))


def _identifier(dataset: Mapping[str, Any]) -> str:
    source = dataset.get("raw_data")
    first = source if isinstance(source, (str, Path)) else next(iter(source or ()), "")
    return Path(str(first).rpartition("@")[0] or str(first)).name.split(".")[0]
