"""SNAP, tuned by ``amptorch tune`` without the frames it is judged by, beside a plain SVD fit.

Every frame is kept apart in one fold. What is tuned - cutoff, rfac0, weight of neighbours, weights
of groups, penalty - is chosen for each fold from the other ones, the search and its
cross-validation included, which has these folds again. Points all over, with which a search begins,
are the same for all folds, so that their rows are computed once. With ``--work`` journals are kept
in a folder, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from amptorch.fit.least_squares.fitted import Fitted
from amptorch.fit.least_squares.moments import Triangle
from amptorch.fit.least_squares.settings import LeastSquaresSettings
from amptorch.recipe import Facts, choose
from amptorch.search.journal import Journal, Trial
from amptorch.search.linear import LinearSearch, System
from amptorch.search.minimize import WIDTH, Search
from amptorch.search.space import Values, spread, values_of

from .report import Data, Report, Section, Table, finish, typed

SMOKE = ["--data", "{data}", "--models", "linear", "--folds", "3", "--trials", "2"]
SMOKE += ["--everywhere", "1", "--twojmax", "2", "2", "--limits", "9", "9", "--out", "{out}"]

MODELS = {"linear": "snap", "quadratic": "qsnap"}
# Å, of the plain fits, by model and element: those of mlearn.
PLAIN = {"linear": {"Mo": 4.6, "Si": 4.9}, "quadratic": {"Mo": 5.2, "Si": 4.9}}
KINDS = ("energy", "forces")
Choice = tuple[int, Values, dict[str, Any]]
"""A fold, the values for it, and the weights and penalty."""


@dataclass
class Errors:
    """Squares of errors on frames kept apart, summed over folds.

    Attributes:
        squares: of each kind, in eV/atom and eV/Å.
        counts: how many.
    """

    squares: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def add(self, system: System, settings: LeastSquaresSettings, fold: int, folds: int) -> None:
        """Fit all folds but one, and judge by this."""
        others = system.moments.of_folds(set(range(folds)) - {fold})
        solution, _ = Fitted(system.model, settings, others).solve()
        judged = system.moments.of_folds([fold])
        for kind in KINDS:
            own = {key: system.unit for key in judged.parts if key.kind == kind}
            self.squares[kind] += judged.squares(own, solution.coefficients)
            self.counts[kind] += judged.count(own)

    def rmse(self, kind: str) -> float:
        """In meV/atom or eV/Å."""
        unit = {"energy": 1000.0, "forces": 1.0}[kind]
        return unit * math.sqrt(self.squares[kind] / self.counts[kind])


@dataclass
class Judged:
    """The two fits of a model to a data set.

    Attributes:
        name: of the data set.
        model: "linear" or "quadratic".
        plain, tuned: errors.
        chosen: of each fold that is judged.
    """

    name: str
    model: str
    plain: Errors
    tuned: Errors
    chosen: list[Choice]

    @property
    def ratios(self) -> list[float]:
        """Tuned over plain, energies and forces."""
        return [self.tuned.rmse(kind) / self.plain.rmse(kind) for kind in KINDS]


def problem(frames: Sequence[Atoms], model: str, band: int, folds: int) -> LinearSearch:
    """The search in the configuration that ``amptorch train --potential`` starts from."""
    config = choose(Facts.of(frames), potential=MODELS[model]).config
    dataset = {**config["dataset"], "raw_data": list(frames)}
    dataset["fp_params"] = {**dataset["fp_params"], "twojmax": band}
    return LinearSearch({**config, "dataset": dataset, "cmd": {"verbose": False}}, folds)


def plain(
    frames: Sequence[Atoms],
    search: LinearSearch,
    model: str,
    folds: int,
    only: Sequence[int] | None = None,
) -> Errors:
    """Errors of the fits by singular values, w_E 100, w_F 1, all weights of neighbours 1, on all
    folds or some."""
    element = frames[0].get_chemical_symbols()[0]
    values = {each.name: 1.0 for each in search.parameters}
    cutoff = PLAIN[model].get(element, search.parameters[0].start)
    values |= {"fp_params.rcutfac": cutoff, "fp_params.rfac0": 0.99363}
    values |= {name: 0.5 for name in values if ".radelem." in name}
    system, found = search.system(values, Triangle), Errors()
    for fold in range(folds) if only is None else only:
        found.add(system, LeastSquaresSettings(solver="svd"), fold, folds)
    return found


def tuned(
    search: LinearSearch, journals: Mapping[int, Journal], arguments: argparse.Namespace
) -> tuple[Errors, list[Choice]]:
    """Errors of tuned fits, and what was chosen for each fold that has a journal."""
    folds, everywhere = arguments.folds, arguments.everywhere
    begin(search, journals, everywhere)
    errors, chosen, last = Errors(), [], None
    for fold, journal in journals.items():
        others = others_of(search, fold)

        def objective(values: Values, others: list[int] = others) -> tuple[float, dict[str, Any]]:
            return search.score(search.system(values), others)

        best = Search(search.parameters, objective, arguments.trials, everywhere, journal).run()
        if best.values != last:
            last, system = best.values, search.system(best.values)
        optim = best.details["optim"]
        errors.add(system, LeastSquaresSettings(**optim), fold, folds)
        chosen.append((fold, best.values, optim))
        print(f"  fold {fold}: {len(journal.known)} fits, {best.values} {optim}", flush=True)
    return errors, chosen


def others_of(search: LinearSearch, fold: int) -> list[int]:
    """All folds but one."""
    return [each for each in range(search.folds) if each != fold]


def begin(search: LinearSearch, journals: Mapping[int, Journal], everywhere: int) -> None:
    """Put into the journal of each fold what its search finds at points all over."""
    for number, steps in enumerate(islice(spread(search.parameters, WIDTH), everywhere)):
        values = values_of(search.parameters, steps)
        if all(journal.find(number, values) for journal in journals.values()):
            continue
        system = search.system(values)
        for fold, journal in journals.items():
            score, details = search.score(system, others_of(search, fold))
            journal.add(Trial(number, values, score, details))
        print(f"  point {number}: {values} {details['errors']}", flush=True)


def journals_of(
    path: Path, model: str, search: LinearSearch, arguments: argparse.Namespace
) -> dict[int, Journal]:
    """Of each fold that is judged, in the folder of ``--work`` if there is one."""
    about = {"data": search.about, "everywhere": arguments.everywhere, "config": search.config}
    about["config"] = {**about["config"], "dataset": about["config"]["dataset"]["fp_params"]}
    work = arguments.work
    names = {fold: f"{path.stem}-{model}-{fold}.jsonl" for fold in arguments.only}
    return {
        fold: Journal(None if work is None else work / name, about) for fold, name in names.items()
    }


def judge(path: Path, frames: Sequence[Atoms], model: str, arguments: argparse.Namespace) -> Judged:
    """Both fits of a model to a data set."""
    print(f"{path.stem}, {model}", flush=True)
    folds, band = arguments.folds, arguments.twojmax[list(MODELS).index(model)]
    search = problem(frames, model, band, folds)
    of_plain = plain(frames, search, model, folds, arguments.only)
    journals = journals_of(path, model, search, arguments)
    found = tuned(search, journals, arguments)
    judged = Judged(path.stem, model, of_plain, *found)
    print(" | ".join(row(judged)), flush=True)
    return judged


def row(judged: Judged) -> list[str]:
    """Of the table of errors."""
    energies, forces = (
        [f"{each.rmse(kind):.{digits}f}" for each in (judged.plain, judged.tuned)]
        for kind, digits in (("energy", 2), ("forces", 4))
    )
    mean = math.sqrt(math.prod(judged.ratios))
    return [f"{judged.name}, {judged.model}", *energies, *forces, f"{mean:.3f}"]


def describe(report: Report, found: Sequence[Judged], limits: Sequence[float]) -> None:
    """Put checks and tables into a report."""
    for model, limit in zip(MODELS, limits, strict=True):
        ratios = [ratio for each in found if each.model == model for ratio in each.ratios]
        if ratios:
            mean = math.exp(float(np.mean(np.log(ratios))))
            report.check(f"{model}: geometric mean of the ratios of errors", mean, limit)
    header = ["", "energy, plain (meV/atom)", "tuned", "force, plain (eV/Å)", "tuned"]
    table = Table([*header, "mean ratio"], [row(each) for each in found])
    text = [
        "RMSE over the folds that are judged, each frame by fits without it. Plain: SVD, w_E 100, "
        "w_F 1, rfac0 0.99363, cutoffs of mlearn's potentials, all weights of neighbours 1."
    ]
    report.sections.append(Section("Errors on frames kept apart", text, [table]))
    for each in found:
        rows = list(_chosen(each))
        columns = [*each.chosen[0][1], "energy weight", "alpha", "by group"]
        head = Table(["fold", *columns], rows)
        report.sections.append(Section(f"Chosen: {each.name}, {each.model}", [], [head]))


def _chosen(judged: Judged) -> Iterator[list[str]]:
    for fold, values, optim in judged.chosen:
        numbers = [*values.values(), optim["weights"]["energy"], optim["alpha"]]
        yield [str(fold), *(f"{each:.4g}" for each in numbers), str(optim.get("groups", ""))]


def add_command(commands: Any) -> None:
    """Add ``snap-accuracy`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "snap-accuracy", help=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="files that ASE reads")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--only", type=int, nargs="+", help="folds that are judged, default all")
    parser.add_argument("--trials", type=int, default=24, help="fits of the search of a fold")
    parser.add_argument(
        "--everywhere",
        type=int,
        default=8,
        help="the first ones, all over, which are the same for all folds",
    )
    parser.add_argument(
        "--twojmax", type=int, nargs=2, default=[8, 6], help="2J of linear and quadratic models"
    )
    parser.add_argument(
        "--limits",
        type=float,
        nargs=2,
        default=[0.85, 0.9],
        help="largest geometric mean of the ratios of errors that passes, linear and quadratic",
    )
    parser.add_argument("--work", type=Path, help="folder of journals, to go on from")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="folder to write")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    if arguments.only is None:
        arguments.only = list(range(arguments.folds))
    names = "data models folds only trials everywhere twojmax limits threads"
    options = {name: getattr(arguments, name) for name in names.split()}
    report = Report("snap-accuracy", "SNAP, tuned and plain", typed("snap-accuracy", **options))
    report.settings = {name: value for name, value in options.items() if name != "data"}
    found = []
    for path in arguments.data:
        frames = read(path, ":")
        report.data[path.stem] = Data.of(path, frames)
        found += [judge(path, frames, model, arguments) for model in arguments.models]
    describe(report, found, arguments.limits)
    finish(report, arguments.out)
