"""``finetune``: train a potential further, on other frames."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from torch import nn

from ..data.reading import elements_of, load_images
from ..files import checkpoint
from ..potentials.networks.members import members_of
from ..potentials.networks.model import MLP
from ..potentials.registry import family_named, model_name
from ..recipe import Facts, choose, gives_stresses
from ..trainer import AtomsTrainer
from . import reporting
from .added_elements import write_extended
from .config_file import apply, with_classes
from .interrupt import how_to_go_on, noticed
from .options import DATA, add_output, add_recipe, add_time
from .parser import WrongUsage, examples
from .train import finish

SLOWER = 0.3  # of the learning rate of a new network


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "finetune",
        help="train a potential further, on other frames",
        description="Train the potential of a run further. It keeps weights, scalers and "
        "descriptor; optimizer and schedule begin anew, with the values that `amptorch train` "
        f"would take for the frames but {SLOWER:g} of its learning rate.",
        epilog=examples(
            "amptorch finetune checkpoints/RUN new.extxyz --time 5m",
            "amptorch finetune checkpoints/RUN new.extxyz --old data.extxyz --share 0.5 --freeze 1",
        ),
    )
    parser.add_argument("run_of", type=Path, metavar="RUN", help="checkpoint folder")
    parser.add_argument("data", nargs="+", metavar="DATA", help=DATA)
    parser.add_argument("--old", metavar="DATA", help="frames that it was trained on, to mix in")
    parser.add_argument(
        "--share", type=float, default=1.0, help="old frames for a new one, at most (1)"
    )
    parser.add_argument(
        "--freeze", type=int, default=0, metavar="N", help="leave the first N layers as they are"
    )
    add_recipe(parser)
    add_time(parser)
    parser.add_argument("--out", type=Path, help="folder of the report, default the checkpoint's")
    reporting.add_options(parser)
    add_output(parser)
    parser.set_defaults(run=run, test=None)


def run(arguments: argparse.Namespace) -> None:
    """Train, and report."""
    reporting.check(arguments)
    begun = time.monotonic()
    known = checkpoint.load_folder(arguments.run_of)["config"]["dataset"]["descriptor"][3]
    images = load_images(arguments.data, "data")
    images += old_frames(arguments.old, arguments.share, len(images))
    with tempfile.TemporaryDirectory() as scratch, noticed("training") as lines:
        start = _start(arguments, images, known, Path(scratch) / arguments.run_of.name)
        trainer = AtomsTrainer(
            configuration(checkpoint.load_folder(start)["config"], images, arguments)
        )
        try:
            trainer.load_pretrained(start)
            freeze(trainer.model, arguments.freeze, known)
            trainer.train()
        finally:
            lines += how_to_go_on(trainer.cp_dir)[:1]
    finish(trainer, {}, time.monotonic() - begun, arguments)


def configuration(
    stored: dict[str, Any], images: list[Atoms], arguments: argparse.Namespace
) -> dict[str, Any]:
    """That of the run, with the optimization that suits the frames."""
    keys = stored["dataset"].get("keys") or {}
    chosen = _chosen(stored, Facts.of(images, keys), arguments)
    if stored["model"].get("get_forces", True) is False:
        chosen["optim"].pop("force_coefficient", None)
    if not gives_stresses(stored):
        chosen["optim"].pop("stress_coefficient", None)
    chosen["optim"]["lr"] *= SLOWER
    dataset = {**stored["dataset"], "raw_data": images, "lmdb_path": None, "prune": None}
    dataset.update({key: chosen["dataset"][key] for key in ("val_split", "save_fps")})
    cmd = {key: stored["cmd"][key] for key in ("dtype",) if key in stored.get("cmd", {})}
    cmd.update(seed=0, identifier=f"finetuned-{arguments.run_of.name}"[:60])
    cmd.update(verbose=not arguments.quiet, time_limit=arguments.time)
    optim = with_classes({"optim": chosen["optim"]})["optim"]
    config = {"model": stored["model"], "optim": optim, "dataset": dataset, "cmd": cmd}
    apply(config, arguments.changes)
    return with_classes(config)


def _chosen(stored: dict[str, Any], facts: Facts, arguments: argparse.Namespace) -> dict[str, Any]:
    """By the rules of the run's family, where they are for steps."""
    own = family_named(model_name(stored["model"])).recipes
    for name in (arguments.potential if arguments.potential in own else None, *own):
        found = choose(facts, arguments.preset, name).config if name else {"optim": {}}
        if "lr" in found["optim"]:
            return found
    return choose(facts, arguments.preset).config


def old_frames(source: str | None, share: float, n_new: int) -> list[Atoms]:
    """Frames spread evenly over old ones, at most so many for each new one."""
    if share < 0:
        raise WrongUsage(f"--share: expected a number >= 0, got {share:g}")
    if source is None:
        return []
    images = load_images(source, "--old")
    number = min(round(share * n_new), len(images))
    return [images[k * len(images) // number] for k in range(number)]


def _start(
    arguments: argparse.Namespace, images: Sequence[Atoms], known: Sequence[str], folder: Path
) -> Path:
    """A copy of a run that has no state to go on from, and knows the elements of all images."""
    folder.mkdir()
    new = [each for each in elements_of(images) if each not in known]
    if new:
        print(f"new elements: {', '.join(new)}, beside {', '.join(known)}")
        every = sorted([*known, *new])
        write_extended(arguments.run_of, images, every, arguments.preset, folder)
        return folder
    for name in checkpoint.NEEDED:
        shutil.copyfile(arguments.run_of / name, folder / name)
    return folder


def freeze(model: nn.Module, number: int, known: Sequence[str]) -> None:
    """Keep the first layers of the networks of a model as they are, but for new elements'.

    Raises:
        WrongUsage: it has not so many layers beside the last.
    """
    if number == 0:
        return
    for member in members_of(model):
        networks = member.perceptrons()
        elements = member.arguments["elements"] if len(networks) > 1 else known
        for element, network in zip(elements, networks, strict=False):
            _freeze_layers(network, number, new=element not in known)


def _freeze_layers(network: MLP, number: int, new: bool) -> None:
    layers = [layer for layer in network.model_net if isinstance(layer, nn.Linear)]
    if not 0 <= number < len(layers):
        raise WrongUsage(f"--freeze: expected 0 to {len(layers) - 1} layers, got {number}")
    for layer in layers[: 0 if new else number]:
        layer.requires_grad_(False)
