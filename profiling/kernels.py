"""Cost of the fingerprint kernels: agreement with the reference first, then milliseconds a frame.

Every operation is timed on every frame; a frame's time is the median of its repeats, and what is
reported is the median, with quartiles, over frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from amptorch.data.reading import elements_of
from amptorch.descriptor import BaseDescriptor, construct_descriptor
from amptorch.kernels.environment import Environment

from .fit import SYMMETRY_FUNCTIONS
from .neighbor_scaling import neighbor_scaling
from .report import Data, Figure, Report, Section, Table, finish, typed
from .report.plots import bars
from .streaming import streaming_memory
from .timing import milliseconds

SETS: dict[str, tuple[str, Any]] = {
    "symmetry functions (36)": ("gaussian", SYMMETRY_FUNCTIONS),
    "GMPOrderNorm (20)": (
        "gmpordernorm",
        {"MCSHs": {"orders": [0, 1, 2, 3], "sigmas": [0.4, 0.8, 1.2, 1.6, 2.0]}},
    ),
    "bispectrum (30)": ("snap", {"rcutfac": 5.0, "twojmax": 6}),
}
AGREEMENT = {torch.float64: 1e-9, torch.float32: 2e-4}
SMOKE = ["--data", "{data}", "--frames", "2", "--repeats", "1", "--out", "{out}"]


def descriptors(images: Sequence[Atoms]) -> dict[str, BaseDescriptor]:
    """The parameter sets that are timed, for the elements of the images."""
    elements = elements_of(images)
    cutoff = {"cutoff_func": "Cosine"}
    return {
        name: construct_descriptor((scheme, parameters, cutoff, elements))
        for name, (scheme, parameters) in SETS.items()
    }


def operations(
    descriptor: BaseDescriptor, environment: Environment, backend: Any = None
) -> dict[str, Callable[[], torch.Tensor]]:
    """The four operations of a kernel (or of another backend) on one environment."""
    random = torch.Generator().manual_seed(0)
    shape = (environment.n_atoms, descriptor.n_features)
    gradient = torch.randn(shape, generator=random, dtype=torch.float64).to(environment.vectors)
    changes = torch.randn(environment.vectors.shape, generator=random, dtype=torch.float64)
    changes = changes.to(environment.vectors)
    kernel, parameters = backend or descriptor.kernel, descriptor.parameters
    return {
        "forward": lambda: kernel.forward(environment, parameters),
        "forward + jacobian": lambda: kernel.jacobian(environment, parameters)[1],
        "vjp": lambda: kernel.vjp(environment, parameters, gradient),
        "jvp": lambda: kernel.jvp(environment, parameters, changes),
    }


def disagreement(
    descriptor: BaseDescriptor, environment: Environment, dtype: torch.dtype
) -> dict[str, float]:
    """Largest difference from the float64 reference, relative to the largest value."""
    exact = operations(descriptor, environment, descriptor.kernel.OPERATORS.reference)
    found = operations(descriptor, environment.to(dtype))
    errors = {}
    for name, call in exact.items():
        expected = call()
        error = (found[name]().double() - expected).abs().max() / expected.abs().max()
        errors[name] = float(error)
    return errors


def cost(
    descriptor: BaseDescriptor,
    environments: Sequence[Environment],
    images: Sequence[Atoms],
    repeats: int,
) -> dict[str, list[float]]:
    """Milliseconds of the neighbour list and of every operation, for each frame."""
    durations: dict[str, list[float]] = {}
    for environment, image in zip(environments, images, strict=True):
        calls = {"neighbours": lambda image=image: descriptor.environment(image)}
        calls.update(operations(descriptor, environment))
        for name, call in calls.items():
            durations.setdefault(name, []).append(float(np.median(milliseconds(call, repeats))))
    for name in ("forward", "forward + jacobian", "vjp"):
        sums = zip(durations["neighbours"], durations[name], strict=True)
        durations[f"neighbours + {name}"] = [a + b for a, b in sums]
    return durations


def measure(report: Report, images: Sequence[Atoms], dtype: torch.dtype, repeats: int) -> None:
    """Add all parameter sets, and cost against neighbours, to a report."""
    rows = []
    for name, descriptor in descriptors(images).items():
        environments = [descriptor.environment(image).to(dtype) for image in images]
        errors = disagreement(descriptor, descriptor.environment(images[0]), dtype)
        for operation, error in errors.items():
            what = f"{name}, {operation}: relative difference from the reference"
            report.check(what, error, AGREEMENT[dtype])
        for stage, samples in cost(descriptor, environments, images, repeats).items():
            report.measure(f"{name}/{stage}", samples, "ms/frame")
        blocks = operations(descriptor, environments[0])["forward + jacobian"]()
        memory = streaming_memory(descriptor, images)
        sizes = blocks.numel() * blocks.element_size() / 1e6, *memory.values()
        rows.append([name, str(environments[0].n_pairs), *(f"{size:.1f}" for size in sizes)])
    header = ["", "pairs of the first frame", "its Jacobian (MB)"]
    header += [f"after {frames} frames (MB)" for frames in memory]
    text = (
        "Peak memory of a process that computes fingerprints and Jacobians of frame after frame "
        "and keeps none; and the median time of each operation, with quartiles over frames."
    )
    figure = Figure("operations", bars(report.measurements))
    report.sections.append(Section("Operations", [text], [Table(header, rows)], [figure]))
    report.sections.append(neighbor_scaling(images[0]))


def add_command(commands: Any) -> None:
    """Add ``kernels`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("kernels", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-kernels")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    images = read(arguments.data, f":{arguments.frames}")
    options = {name: getattr(arguments, name) for name in ("frames", "threads", "dtype", "repeats")}
    report = Report(
        "kernels",
        "Cost of the fingerprint kernels",
        typed("kernels", data=arguments.data, **options),
        data={"frames": Data.of(arguments.data, images)},
        settings=options,
    )
    measure(report, images, getattr(torch, arguments.dtype), arguments.repeats)
    finish(report, arguments.out)
