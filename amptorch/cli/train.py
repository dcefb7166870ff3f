"""``train``: from data, or a configuration file, to a potential and a report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ..data.inspection import Inspection
from ..data.keys import Keys
from ..data.reading import in_units, load_images
from ..data.targets import TargetReader
from ..dataset.in_memory import AtomsDataset
from ..files.config_text import CONFIG_TEXT
from ..processes import group
from ..report import Part, training_parts, write_report
from ..trainer import AtomsTrainer
from . import reporting
from .config_file import with_classes
from .configuration import shown
from .interrupt import how_to_go_on, noticed
from .options import DATA, add_output, add_recipe, add_time, add_trials
from .parser import examples
from .settings import add_keys, add_units
from .stable import check, stabilised
from .tuning import searched

# Of a bounded run, for what comes after training.
FOR_THE_REPORT = 0.05


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "train",
        help="train a potential and write a report of it",
        description="Train a potential on energies and forces. Without a configuration all is "
        "chosen from the data by rules, which are printed (docs/cli.md); a section that a "
        "configuration lacks is chosen too.",
        epilog=examples(
            "amptorch train data.extxyz",
            "amptorch train runs/*.extxyz more.traj@0:200 --test test.extxyz --time 10m",
            "amptorch train data.extxyz --potential snap --time 10m",
            "amptorch train config.yaml --set optim.epochs=50",
            "amptorch train --resume checkpoints/2026-01-31-12-00-00-data",
        ),
    )
    parser.add_argument(
        "data", nargs="*", metavar="DATA", help=f"{DATA}; and at most one configuration, .yaml"
    )
    add_keys(parser)
    add_units(parser)
    add_recipe(parser)
    add_time(parser)
    add_trials(parser, None, "100 of snap and qsnap, of others 0, which is none")
    parser.add_argument(
        "--stable",
        type=float,
        metavar="K",
        help="of linear potentials: run at this temperature, and fit frames of runs that go wrong "
        "as a smoother potential has them, until runs hold",
    )
    parser.add_argument("--test", metavar="DATA", help="images kept apart, to evaluate on")
    parser.add_argument("--out", type=Path, help="folder of the report, default the checkpoint's")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="checkpoint folder to go on from"
    )
    reporting.add_options(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train, evaluate, write the report, print the table of errors; under ``torchrun`` the first
    process does all but the training."""
    begun = time.monotonic()
    reporting.check(arguments)
    chosen = shown(arguments)
    config = searched(chosen, arguments, begun)
    test = {} if arguments.test is None else {"test": _test_part(arguments.test, config)}
    if arguments.time is not None:
        bound = arguments.time * (1 - FOR_THE_REPORT) - (time.monotonic() - begun)
        config["cmd"]["time_limit"] = max(bound, 1e-3)
    trainer = AtomsTrainer(with_classes(config))
    check(trainer, arguments.stable)
    trainer.images = chosen.images
    with noticed("training") as lines:
        try:
            if arguments.resume is not None:
                trainer.load_pretrained(arguments.resume)
            trainer.train()
            stabilised(trainer, arguments.stable, arguments.quiet)
        finally:
            lines += how_to_go_on(trainer.cp_dir)
    seconds = time.monotonic() - begun
    group.first_alone(lambda: finish(trainer, test, seconds, arguments))


def finish(
    trainer: AtomsTrainer, test: dict[str, Part], seconds: float, arguments: argparse.Namespace
) -> None:
    """Report a run, and say where what it made is.

    Args:
        trainer: that has trained.
        test: images kept apart, if any.
        seconds: what making the data set and training took.
        arguments: with ``out`` and what :func:`.reporting.add_options` adds.
    """
    settings = trainer.settings
    parts: dict[str, Part] = {}
    if settings.dataset.raw_data is not None:
        raw_data = settings.dataset.raw_data
        data = trainer.train_dataset
        known = isinstance(data, AtomsDataset)
        images = data.images if known else load_images(settings.dataset.source)
        parts = training_parts(trainer, images, reporting.one_file(raw_data))
    folder = Path(trainer.cp_dir or settings.cmd.run_dir)
    out = arguments.out or folder / "report"
    name = settings.cmd.identifier or "training"
    also, bins, parts = reporting.also(arguments), arguments.histograms, {**parts, **test}
    report = write_report(trainer, parts, out, name, seconds, arguments.plots, also=also, bins=bins)
    reporting.show(report, out)
    if trainer.cp_dir is not None:
        print(f"potential: {folder}\nconfiguration: {folder / CONFIG_TEXT}")


def _test_part(name: str, config: dict[str, dict[str, Any]]) -> Part:
    """The images kept apart, looked at before training, which may take hours."""
    dataset = config.get("dataset", {})
    units = dataset.get("length_unit"), dataset.get("energy_unit")
    images = load_images(in_units(name, *units), "--test")
    keys = Keys.of(dataset.get("keys"))
    inspection = Inspection(TargetReader(forces=False, keys=keys))
    inspection.read(images)
    inspection.warn()
    return Part(images, reporting.one_file(name))
