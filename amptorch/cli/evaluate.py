"""``evaluate``: errors of a trained potential on images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..data.reading import load_images
from ..potentials.potential import Potential
from ..report import Part, summary, write_report
from ..report.plots import check_matplotlib
from ..trainer import AtomsTrainer
from .settings import add_keys, given_keys


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser("evaluate", help="report the errors of a trained potential")
    parser.add_argument("checkpoint", help="checkpoint folder or saved potential")
    parser.add_argument("data", type=Path, help="file of images that ASE reads, with energies")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_keys(parser)
    parser.add_argument("--no-plots", dest="plots", action="store_false", help="text only")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Load, evaluate, write the report, print the table of errors."""
    if arguments.plots:
        check_matplotlib()
    images = load_images(arguments.data, "data")
    source = _opened(arguments.checkpoint)
    name = f"{Path(arguments.checkpoint).name} on {arguments.data.name}"
    parts = {"test": Part(images, arguments.data)}
    keys = given_keys(arguments.keys, source.potential.keys)
    report = write_report(source, parts, arguments.out, name, plots=arguments.plots, keys=keys)
    print(f"\n{summary(report)}\n\nreport: {arguments.out / 'report.html'}")


def _opened(path: str) -> AtomsTrainer | Potential:
    """A saved potential, or the trainer of a checkpoint folder, which has its history."""
    if Path(path).is_file():
        return Potential.load(path)
    trainer = AtomsTrainer()
    trainer.load_pretrained(path, gpu2cpu=True)
    return trainer
