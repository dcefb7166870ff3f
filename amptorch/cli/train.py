"""``train``: train on the data of a configuration file, and report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.inspection import Inspection
from ..data.keys import Keys
from ..data.reading import load_images
from ..data.targets import TargetReader
from ..processes import group
from ..report import Part, summary, training_parts, write_report
from ..report.plots import check_matplotlib
from ..trainer import AtomsTrainer
from .config_file import read_config


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser("train", help="train a potential and write a report of it")
    parser.add_argument("config", help="YAML or JSON file with the trainer's configuration")
    parser.add_argument("--test", type=Path, help="file of images kept apart, to evaluate on")
    parser.add_argument("--out", type=Path, help="folder of the report, default the checkpoint's")
    parser.add_argument("--resume", type=Path, help="checkpoint folder to go on from")
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="in place of the file's value; may be repeated",
    )
    parser.add_argument("--no-plots", dest="plots", action="store_false", help="text only")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train, evaluate, write the report, print the table of errors; under ``torchrun`` the first
    process does all but the training."""
    if arguments.plots:
        check_matplotlib()
    config = read_config(arguments.config, arguments.changes)
    test = {} if arguments.test is None else {"test": _test_part(arguments.test, config)}
    trainer = AtomsTrainer(config)
    begun = time.perf_counter()
    if arguments.resume is not None:
        trainer.load_pretrained(arguments.resume)
    trainer.train()
    seconds = time.perf_counter() - begun
    group.first_alone(lambda: _report(trainer, test, seconds, arguments))


def _report(
    trainer: AtomsTrainer, test: dict[str, Part], seconds: float, arguments: argparse.Namespace
) -> None:
    settings = trainer.settings
    parts: dict[str, Part] = {}
    if settings.dataset.raw_data is not None:
        source = Path(settings.dataset.raw_data)
        parts = training_parts(trainer, load_images(source), source)
    folder = trainer.cp_dir or settings.cmd.run_dir
    out = arguments.out or Path(folder) / "report"
    name = settings.cmd.identifier or Path(arguments.config).stem
    report = write_report(trainer, {**parts, **test}, out, name, seconds, arguments.plots)
    print(f"\n{summary(report)}\n\nreport: {out / 'report.html'}")


def _test_part(path: Path, config: Mapping[str, Any]) -> Part:
    """The images kept apart, looked at before training, which may take hours."""
    images = load_images(path, "--test")
    keys = Keys.of(config.get("dataset", {}).get("keys"))
    inspection = Inspection(TargetReader(forces=False, keys=keys))
    inspection.read(images)
    inspection.warn()
    return Part(images, path)
