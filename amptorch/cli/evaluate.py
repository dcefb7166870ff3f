"""``evaluate``: errors of a trained potential on images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..data.reading import load_images
from ..potentials.loading import load
from ..potentials.potential import Potential
from ..potentials.run_folder import is_run_folder
from ..report import Part, write_report
from ..trainer import AtomsTrainer
from . import reporting
from .options import DATA, add_data, add_output
from .parser import examples
from .settings import given_keys


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "evaluate",
        help="report the errors of a trained potential",
        description="Predict images and report the errors: as a page of figures, text and JSON.",
        epilog=examples(
            "amptorch evaluate checkpoints/2026-01-31-12-00-00-data test.extxyz --out report",
            "amptorch evaluate saved.potential a.extxyz b.traj --out report --chemiscope",
        ),
    )
    parser.add_argument("checkpoint", help="checkpoint folder or saved potential")
    add_data(parser, f"with energies: {DATA}")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    reporting.add_options(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Load, evaluate, write the report, print the table of errors."""
    reporting.check(arguments)
    images = load_images(arguments.data, "data")
    source = _opened(arguments.checkpoint, verbose=not arguments.quiet)
    data = [Path(each).name for each in arguments.data]
    name = f"{Path(arguments.checkpoint).name} on {', '.join(data)}"
    parts = {"test": Part(images, reporting.one_file(arguments.data))}
    keys = given_keys(arguments.keys, source.potential.keys)
    also = reporting.also(arguments)
    plots, bins = arguments.plots, arguments.histograms
    report = write_report(
        source, parts, arguments.out, name, plots=plots, keys=keys, also=also, bins=bins
    )
    reporting.show(report, arguments.out)


def _opened(path: str, verbose: bool) -> AtomsTrainer | Potential:
    """The trainer of a checkpoint folder, which has its history, or another kind of potential."""
    if Path(path).exists() and not is_run_folder(Path(path)):
        return load(path)
    trainer = AtomsTrainer()
    trainer.load_pretrained(path, gpu2cpu=True)
    trainer.verbose = trainer.verbose and verbose
    return trainer
