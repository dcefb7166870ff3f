"""What a comparison of two sides shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from amptorch.config import Config

from .compare_job import Run
from .compare_sample import Sample
from .original import published
from .report import Figure, Report, Section, Table
from .report.plots import bars
from .stages import EPOCHS, STAGES

NUMBERS = 1e-10
"""Largest difference of fingerprints and of primes, relative to the largest of them; both sides
compute them in float64."""

SINGLE = 1e-5
"""The same where AMPTorch itself, as it does with that precision, keeps them in float32."""

RUNS = {"float64": 1e-6, "float32": 1e-3}
"""Largest relative difference of losses, and of energies and forces beside their errors."""


@dataclass
class Comparison:
    """What was found.

    Attributes:
        sides: by name, what they found on the sample: "original", "optimized", maybe "AMPTorch".
        whole: what this package found with all frames and epochs.
        sample: of the frames.
        from_file: how many of all frames are in the file.
        settings: the configuration, with all epochs.
        threads: of torch.
        store: form of the derivatives in files, or None.
    """

    sides: dict[str, Run]
    whole: Run
    sample: Sample
    from_file: int
    settings: Config
    threads: int
    store: str | None

    @property
    def original(self) -> Run:
        """On the sample."""
        return self.sides["original"]

    @property
    def optimized(self) -> Run:
        """On the sample."""
        return self.sides["optimized"]

    @property
    def dtype(self) -> str:
        """In words."""
        return str(self.settings.cmd.torch_dtype).removeprefix("torch.")

    @property
    def is_published(self) -> bool:
        """Whether the published costs are of such frames and settings."""
        model = self.settings.model
        return (
            all(image.get_chemical_formula() == published.FORMULA for image in self.sample.images)
            and self.original.fingerprints.shape[1] == published.FUNCTIONS
            and list(model.hidden_layers or [model.num_nodes] * model.num_layers) == [20, 20, 20]
            and (self.dtype, self.threads) == ("float64", 1)
        )


def fill(report: Report, found: Comparison) -> None:
    """Add checks, measurements and sections to a report."""
    for side in list(found.sides)[1:]:
        _check_numbers(report, found, side)
        _check_run(report, found, side)
    _measure(report, found)
    report.sections += [
        _whole(report, found),
        _stages(report, found),
        _memory(found),
        _errors(found),
    ]
    report.sections.append(_published(report, found))


def _check_numbers(report: Report, found: Comparison, side: str) -> None:
    """Whether a side's fingerprints and primes of the first frame are the original's."""
    n_atoms = len(found.sample.images[0])
    original, other = found.original, found.sides[side]
    limit = NUMBERS if other.fingerprints.dtype == np.float64 else SINGLE
    error = np.abs(original.fingerprints - other.fingerprints).max()
    scale = np.abs(original.fingerprints).max()
    what = f"original and {side}, relative difference"
    report.check(f"fingerprints, {what}", error / scale, limit)
    shape = (original.fingerprints.size, 3 * n_atoms)
    matrices = [
        coo_array((values, (rows, columns)), shape)
        for rows, columns, values in (original.primes, other.primes)
    ]
    error, scale = abs(matrices[0] - matrices[1]).max(), abs(matrices[0]).max()
    report.check(f"primes, {what}", error / scale, limit)


def _check_run(report: Report, found: Comparison, side: str) -> None:
    """Whether a side's run on the sample is the original's."""
    original, other, limit = found.original, found.sides[side], RUNS[found.dtype]
    epochs = f"{len(original.history)} epochs"
    columns = original.history[0].keys() & other.history[0].keys() - {"dur"}
    losses = {name for name in columns if name.endswith("loss")}
    report.check(
        f"losses of {epochs}, original and {side}, relative difference",
        _difference(original, other, losses),
        limit,
    )
    report.check(
        f"errors in the history of {epochs}, original and {side}, relative difference",
        _difference(original, other, columns - losses),
        limit + _rounding(found, columns - losses),
    )
    energy_error, force_error = _rmse(found, original)
    report.check(
        f"energies after {epochs}, original and {side}",
        max(_energy_differences(found, original.energies, other.energies)),
        limit * energy_error,
        "eV/atom",
    )
    pairs = zip(original.forces, other.forces, strict=True)
    largest = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    report.check(
        f"forces after {epochs}, original and {side}", largest, limit * force_error, "eV/Å"
    )


def _difference(one: Run, other: Run, columns: set[str]) -> float:
    """Largest of the columns of two histories, relative."""
    rows = list(zip(one.history, other.history, strict=True))
    return max(abs(a[name] - b[name]) / abs(a[name]) for a, b in rows for name in columns)


def _rounding(found: Comparison, columns: set[str]) -> float:
    """What the original's rounding of target energies to float32 makes of its errors, relative;
    here they are only rounded where it does not show."""
    energies = [abs(image.get_potential_energy()) for image in found.sample.images]
    least = min(row[name] for row in found.original.history for name in columns if "energy" in name)
    return float(np.spacing(np.float32(max(energies)))) / least


def _energy_differences(
    found: Comparison, one: Sequence[float], other: Sequence[float]
) -> NDArray[np.float64]:
    """eV/atom."""
    sizes = [len(image) for image in found.sample.images]
    return np.abs(np.subtract(one, other)) / sizes


def _rmse(found: Comparison, run: Run) -> tuple[float, float]:
    """Of energies (eV/atom) and forces (eV/Å) of the sample."""
    images = found.sample.images
    energies = [image.get_potential_energy(apply_constraint=False) for image in images]
    forces = np.concatenate([image.get_forces(apply_constraint=False) for image in images])
    of_energies = _energy_differences(found, run.energies, energies)
    of_forces = np.concatenate(run.forces) - forces
    return tuple(float(np.sqrt(np.mean(each**2))) for each in (of_energies, of_forces))


def _measure(report: Report, found: Comparison) -> None:
    """All costs, by side and stage."""
    for side, run in found.sides.items():
        n_frames = len(found.sample.images)
        run.stages["whole epoch"] = [1e3 * seconds / n_frames for seconds in run.epochs]
        for stage in STAGES:
            if stage.name in run.stages:
                report.measure(f"{side}/{stage.name}", run.stages[stage.name], stage.unit)
        for name, (samples, _) in of_all_frames(found, side).items():
            unit = "MB" if name == "peak memory" else "s"
            report.measure(f"{side}/{name}", samples, unit)


def of_all_frames(found: Comparison, side: str) -> dict[str, tuple[list[float], str]]:
    """Costs for all frames and 100 epochs, and how they were found; seconds and MB."""
    run = found.whole if side == "optimized" else found.sides[side]
    share, n_frames = found.sample.share, found.sample.n_frames
    scaled: list[str] = []
    if side == "optimized" or n_frames == len(found.sample.images):
        share = 1.0
    else:
        scaled = [f"{len(found.sample.images)} of {n_frames} frames"]
    load = [share * (run.read + run.load)]
    epochs = [share * seconds for seconds in run.epochs]
    training = sum(epochs) if len(epochs) == EPOCHS else EPOCHS * float(np.median(epochs))
    of_epochs = [*scaled, *([f"{len(epochs)} epochs"] if len(epochs) != EPOCHS else [])]
    costs = {
        "load": (load, _how(scaled)),
        "an epoch": (epochs, _how(scaled)),
        f"load + {EPOCHS} epochs": ([load[0] + training], _how(of_epochs)),
    }
    if run.megabytes:
        more = (share - 1.0) * run.megabytes["kept"] if scaled else 0.0
        costs["peak memory"] = ([run.megabytes["peak"] + more], _how(scaled))
    return costs


def _how(scaled: Sequence[str]) -> str:
    return f"scaled from {' and '.join(scaled)}" if scaled else "measured"


def _whole(report: Report, found: Comparison) -> Section:
    """From the file to the trained potential."""
    costs = {side: of_all_frames(found, side) for side in found.sides}
    header = ["", *(word for side in costs for word in (side, "")), "speed-up"]
    rows = []
    for name in costs["original"]:
        cells = [f"{name} ({'MB' if name == 'peak memory' else 's'})"]
        medians = {}
        for side, each in costs.items():
            samples, how = each.get(name, ([], ""))
            medians[side] = float(np.median(samples)) if samples else np.nan
            cells += [_number(medians[side]), how] if samples else ["", ""]
        rows.append([*cells, _number(medians["original"] / medians["optimized"])])
    text = (
        f"{found.sample.n_frames} frames, {found.dtype}, {found.threads} "
        f"thread{'s' if found.threads > 1 else ''}. What is scaled from frames is scaled in "
        "proportion to atoms (memory: by what is kept of the frames), from epochs by their median. "
        "To load is all that comes before the first epoch: reading, fingerprints with primes, "
        "scaling" + (", and the file they go to." if found.store else ".")
    )
    drawn = [each for each in report.measurements if each.unit == "s"]
    figure = Figure("whole", bars(drawn), "Seconds for all frames, on a logarithmic axis")
    heading = "From the file to the trained potential"
    return Section(heading, [text], [Table(header, rows)], [figure])


def _stages(report: Report, found: Comparison) -> Section:
    rows = []
    for stage in STAGES:
        samples = {side: run.stages.get(stage.name) for side, run in found.sides.items()}
        cells = [_spread(each) if each else "" for each in samples.values()]
        medians = [float(np.median(samples[side])) for side in ("original", "optimized")]
        name = stage.name if stage.unit == "ms/frame" else f"{stage.name} ({stage.unit})"
        rows.append([name, stage.what, *cells, _number(medians[0] / medians[1])])
    drawn = [each for each in report.measurements if each.unit == "ms/frame"]
    images = found.sample.images
    text = (
        f"Milliseconds a frame over the same {len(images)} frames, spread evenly over the set; "
        f"{found.threads} thread{'s' if found.threads > 1 else ''}, batches of "
        f"{min(found.settings.optim.batch_size, len(images))}. Medians, and quartiles in brackets, "
        "over passes."
    )
    return Section(
        "Stages",
        [text],
        [Table(["stage", "what it does", *found.sides, "speed-up"], rows)],
        [Figure("stages", bars(drawn), "Stages side by side, on a logarithmic axis")],
    )


def _spread(samples: Sequence[float]) -> str:
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75])
    return f"{_number(median)} ({_number(low)}–{_number(high)})"


def _number(value: float) -> str:
    """Three digits, without an exponent where there are more before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _memory(found: Comparison) -> Section:
    names = {
        "before": "before the first frame is converted (MB)",
        "peak": "peak of the process, load and training (MB)",
        "kept": "of which kept of the frames to train on (MB)",
        "allocated": "asked for by Python and NumPy to make the first frame ready (MB)",
    }
    sides = ("original", "optimized")
    rows = [
        [words, *(_number(found.sides[side].megabytes[name]) for side in sides)]
        for name, words in names.items()
    ]
    private = found.whole.megabytes["private"]
    text = (
        f"Of the processes that load and train the sample of {len(found.sample.images)} frames. "
        "What torch and C++ ask for is in the peak, but not in the last row. The process of this "
        f"package with all {found.sample.n_frames} frames had at most {private:.0f} MB, mapped "
        "files not counted."
    )
    return Section("Memory", [text], [Table(["", *sides], rows)])


def _errors(found: Comparison) -> Section:
    epochs = len(found.original.history)
    runs = {f"{side}, {epochs} epochs on the sample": run for side, run in found.sides.items()}
    if found.whole is not found.optimized:
        runs[f"optimized, {len(found.whole.history)} epochs on all frames"] = found.whole
    rows = []
    for name, run in runs.items():
        energy, force = _rmse(found, run)
        rows.append([name, f"{1e3 * energy:.4f}", f"{force:.6f}"])
    header = ["", "energy RMSE (meV/atom)", "force RMSE (eV/Å)"]
    text = "Of the frames of the sample."
    return Section("Errors", [text], [Table(header, rows)])


def _published(report: Report, found: Comparison) -> Section:
    """Whether the stages stand to each other as in AMPTorch itself."""
    medians = {name: float(np.median(each)) for name, each in found.original.stages.items()}
    costs, reference = published.with_step(medians), published.MILLISECONDS
    first = next(iter(reference))
    rows = []
    for stage, published_cost in reference.items():
        ratios = [published_cost / reference[first], costs[stage] / costs[first]]
        row = [stage, f"{published_cost:.0f}", f"{costs[stage]:.3g}"]
        rows.append([*row, *(f"{each:.3f}" for each in ratios), f"{ratios[1] / ratios[0]:.2f}"])
        if found.is_published and stage != first:
            what = f"{stage} beside {first}, factor from the published proportion"
            report.check(what, published.deviation(medians, stage), published.WITHIN)
    text = [
        "The original here is written anew from its description. Milliseconds of AMPTorch itself "
        "were published for a frame of 164 atoms on one thread of some machine; on another one, "
        "and with the Python and torch of today, they are others. What must hold is how the stages "
        f"stand to each other, within a factor of {published.WITHIN:g}."
    ]
    if not found.is_published:
        text.append(
            "These frames or settings are not the published ones, where other proportions are to "
            "be expected: the table is for orientation, and nothing is checked."
        )
    header = ["stage", "published (ms)", "here (ms)", "published, proportion", "here", "factor"]
    return Section("Is it the original?", text, [Table(header, rows)])
