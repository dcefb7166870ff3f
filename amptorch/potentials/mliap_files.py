"""Files of LAMMPS' ``pair_style mliap`` on bispectrum components: model, descriptor, commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch

from ..descriptor.bispectrum import Snap
from ..files.whole import write_whole
from ..preprocessing.pair_baseline import ZBL
from . import lammps_commands, snap_parameters
from .registry import Format

SUFFIX = ".mliap"


def format_of(writer: Callable[..., None]) -> Format:
    """The format of a family's writer; nothing reads it."""
    return Format("files of mliap", _fits, _refuse, key="mliap", write=writer)


def _fits(path: Path) -> bool:
    return path.is_file() and SUFFIX in path.suffixes


def _refuse(path: Path, device: torch.device) -> NoReturn:
    raise ValueError(
        f"{path}: a file for LAMMPS alone: expected the run or saved potential it was made of"
    )


def write(path: Path, kind: str, model: str, descriptor: Snap, zbl: ZBL | None) -> None:
    """Write ``X.mliap.model``, ``X.mliap.descriptor``, and commands, ``X.mliap``.

    Args:
        path: X, or X.mliap.
        kind: of the model: "linear", "quadratic" or "nn".
        model: text of its file.
        descriptor: of it.
        zbl: beside it.
    """
    commands = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
    files = [commands.with_name(commands.name + suffix) for suffix in (".model", ".descriptor")]
    options = ("model", kind, files[0].name, "descriptor", "sna", files[1].name)
    for file, text in (
        (files[0], f"# written by amptorch\n{model}"),
        (files[1], snap_parameters.descriptor_text(descriptor)),
        (commands, lammps_commands.text("mliap", options, (), descriptor.elements, zbl)),
    ):
        write_whole(file, text.encode)
