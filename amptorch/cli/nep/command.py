"""The options of ``nep``, and which of its tasks is run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..options import add_output, seconds
from ..parser import WrongUsage, examples
from .folder import run_folder
from .sweep import run_sweep

TASKS = {"sweep": run_sweep}


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "nep",
        help="train a neuroevolution potential in a folder of GPUMD",
        description="Do with nep.in, train.xyz and test.xyz in a folder what GPUMD's nep does: "
        "train by evolution, or predict, and write nep.txt, nep.restart, loss.out and tables of "
        "predictions. A run that was stopped goes on where nep.restart is. `sweep` trains with "
        "each parameter of nep.in alone changed, reports which matter, joins the best and trains "
        "longer.",
        epilog=examples(
            "amptorch nep DIRECTORY",
            "amptorch nep DIRECTORY --gradients 5m",
            "amptorch nep sweep DIRECTORY --try n_max=2,2:4,4:8,6 --try neuron=10:60 --long 20000",
        ),
    )
    parser.add_argument(
        "words", nargs="+", metavar="[sweep] DIRECTORY", help="folder with nep.in and train.xyz"
    )
    parser.add_argument("--seed", type=int, default=0, help="of random numbers (0)")
    parser.add_argument(
        "--gradients",
        type=seconds,
        metavar="TIME",
        help="first train by gradients, within this time (90s, 10m), then by evolution from there",
    )
    _add_sweep(parser.add_argument_group("sweep"))
    add_output(parser)
    parser.set_defaults(run=run)


def _add_sweep(group: Any) -> None:
    group.add_argument(
        "--try",
        dest="trials",
        action="append",
        default=[],
        metavar="KEYWORD=VALUES",
        help="values of a keyword, with : between, and commas within one; may be repeated; default "
        "some of n_max, basis_size, l_max, neuron, cutoff",
    )
    group.add_argument("--out", type=Path, metavar="DIR", help="default DIRECTORY/sweep")
    group.add_argument(
        "--generations", type=int, metavar="N", help="of each run; default those of nep.in"
    )
    group.add_argument(
        "--long",
        type=int,
        default=0,
        metavar="N",
        help="generations with the best of all (0, none)",
    )
    group.add_argument("--parallel", type=int, default=1, metavar="N", help="runs side by side (1)")


def run(arguments: argparse.Namespace) -> None:
    """Run the task in the folder."""
    *words, folder = arguments.words
    if len(words) > 1 or (words and words[0] not in TASKS):
        raise WrongUsage(
            f"nep: expected a folder, or sweep and a folder, got {' '.join([*words, folder])}"
        )
    path = Path(folder)
    for name in ("nep.in", "train.xyz"):
        if not (path / name).is_file():
            raise FileNotFoundError(f"{path / name}: no such file")
    (TASKS[words[0]] if words else run_folder)(path, arguments)
