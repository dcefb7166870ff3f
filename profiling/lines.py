"""Time by line: the Python functions that load, train and predict, line by line.

Every line is traced, which makes Python look slower than it is beside the kernels: read shares, not
seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import pkgutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from .options import add_options, start
from .report import Listing, Report, Section, Table, finish
from .workload import warm_up, watched

SMOKE = ["--data", "{data}", "--frames", "3", "--epochs", "1", "--out", "{out}"]
ROOT = Path(__file__).parents[1]
HOTTEST = 20  # lines in the table
AGREEMENT = 1e-6  # eV

HOT = (
    "amptorch.dataset.training_data:TrainingData._from_images",
    "amptorch.data.memory:estimate_memory",
    "amptorch.dataset.in_memory:AtomsDataset.process",
    "amptorch.preprocessing.atoms_to_data:AtomsToData.convert_all",
    "amptorch.preprocessing.atoms_to_data:AtomsToData._convert",
    "amptorch.descriptor.base_descriptor:BaseDescriptor.environments",
    "amptorch.kernels.neighbors:find_neighbors_of_frames",
    "amptorch.kernels.operators:Compiled._rebuild",
    "amptorch.kernels.operators:flatten",
    "amptorch.kernels.backends:Cpp.run",
    "amptorch.data.statistics:Statistics.of",
    "amptorch.preprocessing.scaling:fit_scalers",
    "amptorch.preprocessing.scaling:scale",
    "amptorch.data.frame:_collate",
    "amptorch.data.primes:join",
    "amptorch.fit.net:AtomsNet.train_step_single",
    "amptorch.fit.fused:FusedSteps._step",
    "amptorch.kernels.batch_loss:batch_loss",
    "amptorch.potentials.networks.model:AtomisticModel.kernel_shape",
    "amptorch.fit.metrics:MemEffEpochScoring.on_batch_end",
    "amptorch.fit.metrics:ErrorSum.__call__",
    "amptorch.potentials.evaluator:Evaluator._some",
    "amptorch.potentials.evaluator:Evaluator._together",
    "amptorch.potentials.force_call:ForceCall.run",
    "amptorch.kernels.force_pass:ForcePass.run",
)
"""What is traced: modules and names in them, in the order in which a run comes to them."""


@dataclass
class Traced:
    """A function that was traced.

    Attributes:
        name: as in ``HOT``.
        file: relative to the repository.
        first: number of its first line.
        source: its lines.
        hits, seconds: of each line; what a line calls is in its seconds.
    """

    name: str
    file: str
    first: int
    source: list[str]
    hits: list[int]
    seconds: list[float]

    @property
    def anchor(self) -> str:
        """Of its listing."""
        return self.name.replace(":", ".")


def missing() -> str:
    """What this command lacks here, or nothing."""
    if importlib.util.find_spec("line_profiler") is None:
        return "lines: needs line_profiler: pip install 'amptorch[profiling]'"
    return ""


def resolve(name: str) -> Callable[..., Any]:
    """The plain function behind a name of ``HOT``, without decorators.

    Raises:
        AttributeError, ImportError: there is none.
    """
    return inspect.unwrap(pkgutil.resolve_name(name))


def trace(names: Sequence[str], run: Callable[[], Any]) -> tuple[list[Traced], Any]:
    """Trace functions while ``run`` runs; those that it came to, and what it returns."""
    from line_profiler import LineProfiler

    functions = {name: resolve(name) for name in names}
    profiler = LineProfiler(*functions.values())
    result = profiler.runcall(run)
    stats = profiler.get_stats()
    lines = {
        (file, first): {number: (hits, cost * stats.unit) for number, hits, cost in rows}
        for (file, first, _), rows in stats.timings.items()
    }
    found = []
    for name, function in functions.items():
        source, first = inspect.getsourcelines(function)
        file = str(inspect.getsourcefile(function))
        rows = lines.get((file, first), {})
        if rows:
            costs = [rows.get(first + index, (0, 0.0)) for index in range(len(source))]
            hits, seconds = map(list, zip(*costs, strict=True))
            place = Path(file).resolve().relative_to(ROOT).as_posix()
            text = [line.rstrip() for line in source]
            found.append(Traced(name, place, first, text, hits, seconds))
    return found, result


def measure(report: Report, images: Sequence[Atoms], epochs: int) -> None:
    """Trace a run and add what was found to a report."""
    warm_up(images)
    seconds = []

    def run() -> Any:
        begun = time.perf_counter()
        predicted = watched(images, epochs)
        seconds.append(time.perf_counter() - begun)
        return predicted["energy"]

    expected = run()
    found, energies = trace(HOT, run)
    error = max(abs(one - other) for one, other in zip(energies, expected, strict=True))
    report.check("energies of the traced run and of one that is not", error, AGREEMENT, "eV")
    plain, traced = seconds
    report.measure("plain/whole run", [plain], "s")
    report.measure("traced/whole run", [traced], "s")
    for each in found:
        report.measure(f"traced/{each.name}", [sum(each.seconds)], "s")
    report.sections.append(_functions(found, plain, traced))
    report.sections.append(_hottest(found, traced))
    reached = {each.name for each in found}
    not_reached = [f"`{name}`" for name in HOT if name not in reached]
    left_out = [f"The run did not come to {', '.join(not_reached)}."] if not_reached else []
    listings = [_listing(each, traced) for each in found]
    report.sections.append(Section("Annotated source", left_out, listings=listings))


def _functions(found: Sequence[Traced], plain: float, seconds: float) -> Section:
    rows = [
        [
            f"[{each.name}](#{each.anchor})",
            f"{sum(each.seconds):.3f}",
            f"{sum(each.seconds) / seconds:.1%}",
        ]
        for each in sorted(found, key=lambda each: -sum(each.seconds))
    ]
    text = (
        f"The run took {seconds:.2f} s while it was traced and {plain:.2f} s before. What a "
        "function calls is in its time, so shares do not add up to 100 %."
    )
    header = ["function", "seconds", "share of the run"]
    return Section("Functions", [text], [Table(header, rows)])


def _hottest(found: Sequence[Traced], seconds: float) -> Section:
    lines = [
        (cost, hits, each, each.first + index)
        for each in found
        for index, (hits, cost) in enumerate(zip(each.hits, each.seconds, strict=True))
        if hits
    ]
    lines.sort(key=lambda line: -line[0])
    rows = [
        [
            f"[{each.file}:{number}](#{each.anchor}-{number})",
            f"`{each.source[number - each.first].strip()}`",
            str(hits),
            f"{cost:.3f}",
            f"{cost / seconds:.1%}",
        ]
        for cost, hits, each, number in lines[:HOTTEST]
    ]
    header = ["line", "", "hits", "seconds", "share of the run"]
    return Section("Hottest lines", tables=[Table(header, rows)])


def _listing(each: Traced, seconds: float) -> Listing:
    shares = [cost / seconds for cost in each.seconds]
    lines = [
        f"{hits or '':>7} {f'{share:.1%}' if hits else '':>6}  {line}"
        for hits, share, line in zip(each.hits, shares, each.source, strict=True)
    ]
    shares = [min(share, 1.0) for share in shares]
    caption = f"{each.file}, `{each.name}`: hits, share of the run, source"
    return Listing(each.anchor, lines, caption, each.first, shares)


def add_command(commands: Any) -> None:
    """Add ``lines`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("lines", help=__doc__.splitlines()[0])
    add_options(parser, frames=40)
    parser.add_argument("--epochs", type=int, default=5)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(missing())
    report, images = start(arguments, "Time by line")
    measure(report, images, arguments.epochs)
    finish(report, arguments.out)
