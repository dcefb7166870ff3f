"""``search``: the best potential for frames, of all families, and its cost."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import yaml

from ..files.config_text import CONFIG_TEXT
from ..files.whole import write_whole
from ..search.study.confirm import FOLDER, Confirmation, Confirming
from ..search.study.default import default_space
from ..search.study.found import best_of, importance, trials_of
from ..search.study.page import Content, write_search
from ..search.study.problem import OBJECTIVES, Problem
from ..search.study.space import Space
from ..search.study.storage import SAMPLERS
from ..search.study.work import Plan, search
from .interrupt import noticed
from .options import add_output, seconds
from .parser import WrongUsage, examples
from .runs import COMMITTEE
from .searching import Frames, add_frames, changed, frames_of
from .settings import read_settings

# Of the minutes, for what is searched where something is confirmed after it; and for what is not
# training. Parts of the first that one trial may take.
SHARE, SPARE, TRIALS_IN_TIME = 0.6, 0.01, 30
SPACE = "space.yaml"


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "search",
        help="search families of potentials and their values for the best at each cost",
        description="Try configurations, of all families of potentials or of those in a space, and "
        "report the front of errors on frames kept apart against measured cost per atom "
        "(docs/choosing.md). The same command goes on with its folder, also in several shells at "
        "once.",
        epilog=examples(
            "amptorch search data.extxyz --minutes 60 --test 40",
            "amptorch search data.extxyz space.yaml --workers 2 --objectives energy,forces,cost",
            "amptorch search data.extxyz --families ace,nep --at-most 5 --test-data other.traj",
        ),
    )
    add_frames(parser, "; and at most one space, .yaml")
    _add_search(parser)
    _add_trials(parser)
    parser.add_argument("--out", type=Path, default=Path("search"), help="folder, default search")
    add_output(parser)
    parser.set_defaults(run=run)


def _add_search(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("search")
    names = "; ".join(f"{name}: {about}" for name, about in OBJECTIVES.items())
    group.add_argument(
        "--objectives",
        default="error,cost",
        metavar="A,B",
        help=f"made small, default error,cost. {names}",
    )
    group.add_argument("--sampler", choices=SAMPLERS, default="tpe")
    group.add_argument("--seed", type=int, default=0, help="of the sampler, default 0")
    group.add_argument("--no-pruning", dest="prune", action="store_false", help="end nothing early")
    group.add_argument(
        "--storage", metavar="URL", help="a database in place of a file in the folder"
    )
    group.add_argument("--study", metavar="NAME", help="its name there, default that of the folder")
    group.add_argument("--workers", type=int, default=1, help="processes, default 1")
    group.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="have so many workers of a Dask cluster at work, 'tcp://host:port' or 'local'; all "
        "must see the folder",
    )
    group.add_argument("--minutes", type=float, help="of search and confirmation together")
    group.add_argument("--trials", type=int, help="at most, of all processes and runs together")


def _add_trials(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("frames and trials")
    group.add_argument("--folds", type=int, default=5, help="parts of the frames, default 5")
    group.add_argument(
        "--judged", type=int, default=1, help="folds kept apart in turn in each trial, default 1"
    )
    group.add_argument(
        "--trial-time",
        type=seconds,
        metavar="TIME",
        help="of one trial, default 1/30 of the minutes for trials, of all workers",
    )
    group.add_argument(
        "--test", type=int, default=0, metavar="N", help="last frames that choose nothing"
    )
    group.add_argument("--test-data", metavar="DATA", help="the same, from elsewhere")
    group.add_argument(
        "--confirm",
        type=int,
        metavar="SEEDS",
        help="train the best again, default one for each worker, at least 2",
    )
    group.add_argument(
        "--at-most", type=float, metavar="COST", help="µs an atom that the best may cost"
    )


def run(arguments: argparse.Namespace) -> None:
    """Search, confirm, report."""
    begun = time.time()
    _check(arguments)
    if arguments.dask is not None:
        arguments.out = arguments.out.resolve()
    plan, frames = _plan(arguments, begun)
    problem = plan.problem
    with noticed("the search") as lines:
        lines += [f"its trials: {arguments.out}", "to go on: the same command"]
        study = search(plan, arguments.workers, arguments.dask)
        trials = trials_of(study, problem.objectives)
        best = best_of(trials, arguments.at_most)
        (number,) = [t for t in study.get_trials(deepcopy=False) if t.number == best.number]
        drawn = problem.space.configured(best.family, number.params)
        problem.write_config(drawn, arguments.out / CONFIG_TEXT)
        matters = importance(study, problem.space)
        families = list(problem.space.bases)
        about = {"data": problem.data(frames.test), "settings": _settings(arguments, plan)}
        confirmed = None

        def write(confirmed: Confirmation | None) -> Path:
            found = (problem.objectives, trials, families, best, matters, about, confirmed)
            return write_search(Content(f"Search: {arguments.out.name}", *found), arguments.out)

        path = write(None)
        if arguments.confirm:
            given = (drawn, best.number, frames.test, arguments.confirm)
            end = _end(arguments, begun)
            confirmed = Confirming(problem, *given, end, arguments.workers, arguments.dask).run()
            members = json.dumps({"members": list(confirmed.outcomes)}, indent=1)
            write_whole(arguments.out / FOLDER / COMMITTEE, members.encode)
            path = write(confirmed)
    print((arguments.out / "report.md").read_text(encoding="utf-8").partition("## The best")[0])
    print(f"report: {path}\nconfiguration: {arguments.out / CONFIG_TEXT}")


def _check(arguments: argparse.Namespace) -> None:
    if arguments.minutes is None and arguments.trials is None:
        raise WrongUsage("--minutes, --trials: expected one of them, got neither")
    for name, least in (("workers", 1), ("confirm", 0), ("trials", 1), ("minutes", 0)):
        value = getattr(arguments, name)
        if value is not None and not value >= least:
            raise WrongUsage(f"--{name}: expected {least} or more, got {value}")
    if arguments.confirm is None:
        arguments.confirm = max(2, arguments.workers)
    if arguments.test and arguments.test_data:
        raise WrongUsage("--test, --test-data: expected one of them, got both")


def _plan(arguments: argparse.Namespace, begun: float) -> tuple[Plan, Frames]:
    spaces = [name for name in arguments.data if Path(name).suffix in (".yaml", ".yml")]
    if len(spaces) > 1:
        raise WrongUsage(f"DATA: expected at most one space, got {' and '.join(spaces)}")
    names = [name for name in arguments.data if name not in spaces]
    if not names:
        raise WrongUsage("DATA: expected frames, got none")
    frames = frames_of(arguments, names, arguments.test, arguments.test_data)
    given = read_settings(spaces[0], "space") if spaces else default_space(frames.bases)
    space = Space.of(changed(given, arguments.changes), frames.bases)
    problem = Problem(
        frames.images,
        space,
        tuple(arguments.objectives.split(",")),
        min(arguments.folds, len(frames.images)),
        arguments.judged,
        arguments.out,
        frames.raw_data,
        frames.of_data,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(given, sort_keys=False, default_flow_style=None)
    write_whole(arguments.out / SPACE, text.encode)
    minutes = math.inf if arguments.minutes is None else 60.0 * arguments.minutes
    part = minutes * (SHARE if arguments.confirm else 1.0)
    in_time = max(5.0, part * arguments.workers / TRIALS_IN_TIME)
    limit = arguments.trial_time or (in_time if math.isfinite(in_time) else None)
    plan = Plan(
        problem,
        trials=arguments.trials or math.inf,
        until=begun + part,
        limit=limit,
        sampler=arguments.sampler,
        url=arguments.storage,
        name=arguments.study or arguments.out.name or "search",
        seed=arguments.seed,
        prune=arguments.prune,
        show=not arguments.quiet,
    )
    return plan, frames


def _settings(arguments: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    """What a report says of how the search was done."""
    names = ("sampler", "seed", "workers", "dask", "minutes", "confirm", "at_most", "prune")
    given = {name: getattr(arguments, name) for name in names}
    problem = {"folds": plan.problem.folds, "judged": plan.problem.judged}
    return {**given, **problem, "seconds of a trial": plan.limit}


def _end(arguments: argparse.Namespace, begun: float) -> float | None:
    """Of trainings that confirm."""
    minutes = arguments.minutes
    return None if minutes is None else begun + 60.0 * minutes * (1.0 - SPARE)
