"""The search for what a configuration leaves open, for the commands that search."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

from ..errors import nearest
from ..files.config_text import CONFIG_TEXT, config_text
from ..files.whole import write_whole
from ..potentials.registry import at_place, families, family_named, model_name
from ..processes import group
from ..recipe import Recipe
from ..search.journal import Journal
from ..search.minimize import Search
from ..search.report import write_path
from ..search.space import configured
from .config_file import with_classes
from .configuration import Config
from .interrupt import noticed
from .parser import WrongUsage

JOURNAL = "journal.jsonl"
# Of a bounded run's time, for the search; of the trials, at points all over.
SHARE, EVERYWHERE = 0.8, 0.3


def searched(chosen: Recipe, arguments: argparse.Namespace, begun: float) -> Config:
    """The configuration of a training: where its descriptor was chosen from the data, and its
    family has a search, what this found.

    Args:
        chosen: the configuration with the reasons of what was chosen.
        arguments: with ``trials``, ``time``, ``resume`` and ``quiet``; where ``trials`` is None it
            becomes that of the family.
        begun: of ``time.monotonic()``, from which on the time counts.
    """
    model = str(model_name(chosen.config["model"])).lower()
    family = family_named(model)
    if arguments.trials is None:
        arguments.trials = family.trials
    by_rules = ("dataset", "fp_params") in chosen.reasons and arguments.resume is None
    if not (model in family.searches and by_rules and arguments.trials > 0):
        return chosen.config
    until = math.inf if arguments.time is None else begun + SHARE * arguments.time
    section = chosen.config["cmd"]
    name = f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{section['identifier']}"
    return tuned(
        chosen.config, arguments, until, Path(section.get("run_dir", "./")) / "tuned" / name
    )


def tuned(config: Config, arguments: argparse.Namespace, until: float, folder: Path) -> Config:
    """Search, write journal, path and configuration to a folder; the configuration.

    A folder that has a journal of the same search is gone on with.

    Raises:
        WrongUsage: a configuration of which nothing is searched, or several processes.
        Interrupted: after all was written.
    """
    model = str(model_name(config["model"])).lower()
    searches = family_named(model).searches
    if model not in searches:
        known = [name for each in families().values() for name in each.searches]
        raise WrongUsage(f"model: nothing is searched for {model!r}; {nearest(model, known)}")
    if group.start()[1] > 1:
        raise WrongUsage("--trials: a search runs in one process; amptorch tune first, then train")
    with noticed("the search") as lines:
        problem = at_place(searches[model])(with_classes(config))
        search = _search(problem, config, arguments, until, folder)
        best = search.run()
        found = configured(problem.placed(config), problem.parameters, best.values)
        found["optim"].update(best.details["optim"])
        text = config_text(found)
        write_whole(folder / CONFIG_TEXT, lambda: text.encode(), "--out: ")
        path = write_path(search.done, search.parameters, folder)
        print(f"search: fit {best.number} of {len(search.done)} is the best: {path}")
        lines += [f"the best so far: {folder / CONFIG_TEXT}", "to go on: the same command with "]
        lines[-1] += f"--out {folder}" if arguments.command == "tune" else f"tune --out {folder}"
    return found


def _search(
    problem: Any, config: Config, arguments: argparse.Namespace, until: float, folder: Path
) -> Search:
    sections = {
        name: {key: value for key, value in section.items() if key not in ("raw_data", "verbose")}
        for name, section in config.items()
    }
    everywhere = max(1, round(EVERYWHERE * arguments.trials))
    about = {"data": problem.about, "everywhere": everywhere, "config": sections}
    return Search(
        problem.parameters,
        problem,
        arguments.trials,
        everywhere,
        Journal(folder / JOURNAL, about),
        until,
        show=not arguments.quiet,
    )
