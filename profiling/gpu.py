"""A GPU's kernels against what its memory allows, fingerprints of many frames, training epochs, and
force calls of large cells.

The parts are ``kernels``, ``inference``, ``fingerprints``, and an epoch with derivatives
``on_the_fly`` and one with ``cached`` ones; ``profiling/gpu_run.sh`` runs each in a process of its
own. ``--device cpu`` takes the CPU in place of a GPU, to try the command.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import torch

from . import gpu_epoch, gpu_fingerprints, gpu_inference, gpu_kernels
from .frames import Frames
from .report import Data, Report, finish, typed

SMOKE = ["--data", "{data}", "--frames", "4", "--batch", "2", "--repeats", "1", "--out", "{out}"]
SMOKE += ["--device", "cpu"]
PARTS = {
    "kernels": gpu_kernels.measure,
    "inference": gpu_inference.measure,
    "fingerprints": gpu_fingerprints.measure,
    "on_the_fly": partial(gpu_epoch.measure, form="on_the_fly"),
    "cached": partial(gpu_epoch.measure, form="cached"),
}


def lacks(device: str) -> str:
    """What this command lacks here, or nothing."""
    if device == "cpu" or torch.cuda.is_available():
        return ""
    return f"gpu: needs a GPU with CUDA, and torch {torch.__version__} sees none"


def add_command(commands: Any) -> None:
    """Add ``gpu`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "gpu", help=" ".join(__doc__.split("\n\n")[0].split())
    )
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--frames", type=int, default=256, help="of all batches")
    parser.add_argument("--batch", type=int, default=64, help="frames of a batch")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument(
        "--trace", type=Path, help="file for what chrome://tracing shows of an epoch"
    )
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-gpu")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if lacks(arguments.device):
        raise SystemExit(lacks(arguments.device))
    torch.set_num_threads(arguments.threads)
    frames = Frames(arguments.data, arguments.frames)
    report = _report(arguments, frames)
    work = gpu_kernels.Work(
        list(frames),
        torch.device(arguments.device),
        getattr(torch, arguments.dtype),
        arguments.batch,
        arguments.repeats,
        arguments.trace,
    )
    for part in arguments.parts:
        PARTS[part](report, work)
    finish(report, arguments.out)


def _report(arguments: argparse.Namespace, frames: Frames) -> Report:
    names = ("parts", "frames", "batch", "dtype", "repeats", "threads", "device")
    settings = {name: getattr(arguments, name) for name in names}
    remark = f"{frames.from_file} of the file, the others displaced copies of these."
    images = list(itertools.islice(frames, frames.from_file))
    report = Report(
        "gpu",
        "A GPU's kernels, fingerprints, epochs and force calls",
        typed("gpu", data=arguments.data, **settings),
        data={"frames": Data.of(arguments.data, images, remark)},
        settings=settings,
    )
    on_gpu = arguments.device == "cuda"
    report.settings["card"] = torch.cuda.get_device_name() if on_gpu else "none"
    return report
