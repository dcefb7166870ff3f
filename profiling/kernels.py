"""Cost of the fingerprint kernels: agreement with the reference first, then milliseconds a frame.

Every operation is timed on every frame; a frame's time is the median of its repeats, and what is
reported is the median, with quartiles, over frames.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read

from amptorch.descriptor import BaseDescriptor, construct_descriptor
from amptorch.kernels.environment import Environment
from amptorch.preprocessing.validation import elements_of
from amptorch.report.machine import describe

from .fit import SYMMETRY_FUNCTIONS
from .neighbor_scaling import neighbor_scaling
from .streaming import streaming_memory
from .timing import milliseconds, spread

SETS: dict[str, tuple[str, Any]] = {
    "symmetry functions (36)": ("gaussian", SYMMETRY_FUNCTIONS),
    "GMPOrderNorm (20)": (
        "gmpordernorm",
        {"MCSHs": {"orders": [0, 1, 2, 3], "sigmas": [0.4, 0.8, 1.2, 1.6, 2.0]}},
    ),
}
AGREEMENT = {torch.float64: 1e-9, torch.float32: 2e-4}


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
    """Largest difference from the float64 reference, relative to the largest value.

    Raises:
        AssertionError: more than ``AGREEMENT`` of this dtype.
    """
    exact = operations(descriptor, environment, descriptor.kernel.OPERATORS.reference)
    found = operations(descriptor, environment.to(dtype))
    errors = {}
    for name, call in exact.items():
        expected = call()
        error = (found[name]().double() - expected).abs().max() / expected.abs().max()
        errors[name] = float(error)
        assert error < AGREEMENT[dtype], f"{name} differs from the reference by {error:.1e}"
    return errors


def cost(
    descriptor: BaseDescriptor, images: Sequence[Atoms], dtype: torch.dtype, repeats: int
) -> dict[str, Any]:
    """Milliseconds a frame of the neighbour list and of every operation, and sizes."""
    durations: dict[str, list[float]] = {}
    environments = []
    for image in images:
        environment = descriptor.environment(image).to(dtype)
        environments.append(environment)
        calls = {"neighbours": lambda image=image: descriptor.environment(image)}
        calls.update(operations(descriptor, environment))
        for name, call in calls.items():
            durations.setdefault(name, []).append(float(np.median(milliseconds(call, repeats))))
    for name in ("forward", "forward + jacobian", "vjp"):
        sums = zip(durations["neighbours"], durations[name], strict=True)
        durations[f"neighbours + {name}"] = [a + b for a, b in sums]
    blocks = operations(descriptor, environments[0])["forward + jacobian"]()
    return {
        "milliseconds": {name: spread(values) for name, values in durations.items()},
        "pairs_per_frame": float(np.mean([each.n_pairs for each in environments])),
        "jacobian_megabytes": blocks.numel() * blocks.element_size() / 1e6,
    }


def measure(
    images: Sequence[Atoms], threads: int, dtype: torch.dtype, repeats: int
) -> dict[str, Any]:
    """All parameter sets on the images."""
    torch.set_num_threads(threads)
    results = {}
    for name, descriptor in descriptors(images).items():
        results[name] = {
            "disagreement": disagreement(descriptor, descriptor.environment(images[0]), dtype),
            **cost(descriptor, images, dtype, repeats),
            "streaming": streaming_memory(descriptor, images),
        }
    return {
        "name": "kernels",
        "machine": describe(),
        "dtype": str(dtype).removeprefix("torch."),
        "frames": len(images),
        "atoms_per_frame": float(np.mean([len(image) for image in images])),
        "sets": results,
    }


def table(report: dict[str, Any]) -> str:
    """Medians in words."""
    lines = [
        f"{report['frames']} frames of {report['atoms_per_frame']:.0f} atoms, {report['dtype']}, "
        f"{report['machine']['threads']} threads, {report['machine']['processor']}"
    ]
    for name, result in report["sets"].items():
        worst = max(result["disagreement"].values())
        lines += [
            "",
            f"{name}: differs from the reference by at most {worst:.1e}; Jacobian "
            f"{result['jacobian_megabytes']:.2f} MB",
        ]
        memory = zip(*result["streaming"].values(), strict=True)
        peaks = [f"{peak:.1f} MB after {frames} frames" for frames, peak in memory]
        lines.append(f"  peak memory of a process that keeps nothing: {', '.join(peaks)}")
        for operation, value in result["milliseconds"].items():
            lines.append(
                f"  {operation:32s} {value['median']:8.2f} ms  ({value['q1']:.2f} to "
                f"{value['q3']:.2f})"
            )
    return "\n".join(lines)


def add_command(commands: Any) -> None:
    """Add ``kernels`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("kernels", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--scaling", type=Path, help="also plot cost against neighbours, PNG")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    images = read(arguments.data, f":{arguments.frames}")
    dtype = getattr(torch, arguments.dtype)
    report = measure(images, arguments.threads, dtype, arguments.repeats)
    print(table(report))
    if arguments.scaling:
        report["neighbor_scaling"] = neighbor_scaling(images[0], arguments.scaling)
        for name, curve in report["neighbor_scaling"].items():
            print(f"{name}: cost grows as neighbours to the power {curve['exponent']:.2f}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
