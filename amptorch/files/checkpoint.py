"""Checkpoint folders: the best model, what is needed to predict with it, and to train on.

``<run_dir>/checkpoints/<time>-<identifier>/`` holds ``params.pt``, ``optimizer.pt``,
``criterion.pt``, ``history.json`` (the best model so far), ``config.pt``, ``normalizers.pt`` and
``resume.pt`` (the last epoch); ``config.yaml`` is the configuration to read. Every file is written
whole or not at all. Where the data decided the descriptor, ``descriptor.json`` tells how.
"""

from __future__ import annotations

import copy
import errno
import io
import json
import os
import pickle
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ..descriptor.base_descriptor import DESCRIPTOR_VERSION, BaseDescriptor
from ..plain import plain
from .config_text import CONFIG_TEXT, config_text
from .safe_pickle import Unknown, loads, torch_load
from .whole import write_whole

if TYPE_CHECKING:
    from skorch.history import History

RESUME = "resume.pt"
NEEDED = ("config.pt", "normalizers.pt", "params.pt")
OF_BEST = ("params.pt", "optimizer.pt", "criterion.pt", "history.json")


def new_folder(run_dir: str | Path, identifier: str, write: Callable[[Path], None]) -> Path:
    """A new checkpoint folder named after the time and the run, with the files that ``write`` puts
    into it: there with all of them, or not at all."""
    stamp = time.strftime("%Y-%m-%d-%H-%M-%S")
    base = Path(run_dir) / "checkpoints" / "-".join(filter(None, [stamp, identifier]))
    scratch = base.with_name(f".{base.name}-{uuid.uuid4().hex}")
    scratch.mkdir(parents=True)
    try:
        write(scratch)
        folder, count = base, 1
        while not _renamed(scratch, folder):
            count += 1
            folder = base.with_name(f"{base.name}-{count}")
        return folder
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _renamed(folder: Path, name: Path) -> bool:
    """Give a folder a name, unless something has it, be it since a moment ago."""
    if name.exists():
        return False
    try:
        os.rename(folder, name)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    return True


def save(value: object, path: str | Path) -> None:
    """``torch.save`` that leaves either the old file or the whole new one."""
    write_whole(path, lambda: content_of(value), "checkpoint: ")


def content_of(value: object) -> memoryview:
    """What ``torch.save`` writes, by way of memory: to a disk that is full it raises something
    unintelligible."""
    whole = io.BytesIO()
    torch.save(value, whole)
    return whole.getbuffer()


def check_can_be_kept(config: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise a ``ValueError`` that names the first value which a checkpoint cannot give back."""
    for section, values in config.items():
        for key, value in values.items():
            if key == "raw_data":
                continue
            try:
                loads(pickle.dumps(value))
            except Exception as error:  # what a foreign class's pickling may raise, anything
                raise ValueError(
                    f"{section}: {key} cannot be kept in a checkpoint: {error}. Expected plain "
                    "values, and functions and classes that are defined at the top of a module or "
                    "script; with cmd: debug True nothing is kept"
                ) from error


def write_settings(
    folder: Path, config: Mapping[str, Mapping[str, Any]], scalers: Mapping[str, Any]
) -> None:
    """Write a configuration, without its images, and scalers as the original reads them too."""
    write_whole(folder / CONFIG_TEXT, lambda: config_text(config).encode(), "checkpoint: ")
    sections = {name: dict(section) for name, section in config.items()}
    sections["dataset"].pop("raw_data", None)
    save(plain(sections), folder / "config.pt")
    save(dict(scalers), folder / "normalizers.pt")


def copy_state(previous: Path, folder: Path, state: dict[str, Any] | None) -> None:
    """Copy the best model of another folder, and write the state to go on from, so that a run that
    is killed can go on from its folder at any moment."""
    for name in (*OF_BEST, "descriptor.json"):
        if (previous / name).is_file():
            shutil.copyfile(previous / name, folder / name)
    if state is not None:
        save(state, folder / RESUME)


def load_folder(folder: str | Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """``config`` and ``normalizers`` of a checkpoint folder.

    Raises:
        FileNotFoundError: no such folder, or one of its files is missing.
        ValueError: a file is truncated or of another kind.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"checkpoint_dir: no such folder: {folder}")
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"checkpoint_dir: {folder} is not a checkpoint, it lacks {', '.join(missing)}"
        )
    config = torch_load(folder / "config.pt", device)
    normalizers = torch_load(folder / "normalizers.pt", device)
    if not isinstance(config, dict) or "descriptor" not in config.get("dataset", {}):
        raise ValueError(f"{folder / 'config.pt'}: not the configuration of a trained model")
    if not isinstance(normalizers, dict) or not {"target", "feature"} <= set(normalizers):
        raise ValueError(f"{folder / 'normalizers.pt'}: expected scalers 'target' and 'feature'")
    return {"config": config, "normalizers": normalizers}


def check_version(
    folder: str | Path, stored: Mapping[str, Any], descriptor: BaseDescriptor
) -> None:
    """Raise a ``ValueError`` if the parameters of the descriptor meant something else when a folder
    was written.

    Folders of the original, which say no version, have neither states to go on from nor scalers
    that know the range of the training data.
    """
    own = (Path(folder) / RESUME).is_file() or hasattr(stored["normalizers"]["feature"], "ranges")
    unsaid = 1 if own else DESCRIPTOR_VERSION
    version = stored["config"]["dataset"].get("descriptor_version", unsaid)
    changed = descriptor.changed_since(version)
    if changed is not None:
        raise ValueError(f"checkpoint_dir: {folder}: {changed}; train again")


def load_parameters(model: nn.Module, folder: Path, device: torch.device) -> None:
    """Set the parameters of a model to those in ``params.pt``.

    Raises:
        ValueError: they are of another model.
    """
    parameters = torch_load(folder / "params.pt", device)
    try:
        model.load_state_dict(parameters)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"checkpoint_dir: {folder / 'params.pt'} does not fit the model: {error}"
        ) from error


def for_predicting(config: Mapping[str, Any], on_cpu: bool) -> dict[str, Any]:
    """A stored configuration without what only training needs: classes of the user's own, such as
    a loss, are not loaded from a file."""
    optim = dict(config.get("optim", {}))
    if _names_unknown(optim):
        optim = {"gpus": optim.get("gpus", 0)}
    if on_cpu:
        optim["gpus"] = 0
    return {**config, "optim": optim}


def _names_unknown(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_names_unknown, value.values()))
    return isinstance(value, Unknown)


def load_history(path: str | Path) -> History:
    """The history in a ``history.json``."""
    from skorch.history import History

    try:
        return History.from_file(str(path))
    except ValueError as error:
        raise ValueError(f"{path}: not a whole history: {error}") from error


def load_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows in the ``history.json`` of a folder; none without the file."""
    file = folder / "history.json"
    if not file.is_file():
        return []
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not a whole history: {error}") from error


def snapshot(state: Any) -> Any:
    """A copy of a state dict that further training does not change, without numpy's numbers."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, np.generic):
        return state.item()
    if isinstance(state, dict):
        copied = copy.copy(state)
        copied.update((name, snapshot(value)) for name, value in state.items())
        return copied
    if isinstance(state, (list, tuple)):
        return type(state)(snapshot(value) for value in state)
    return copy.deepcopy(state)


def save_normalizers(normalizers: dict[str, Any], path: str | Path) -> None:
    """Write scalers ``{"target": ..., "feature": ...}`` to a file, whole or not at all."""
    save(normalizers, path)
