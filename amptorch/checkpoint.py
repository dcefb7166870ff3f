"""Checkpoint folders: the best model, what is needed to predict with it, and to train on.

``<run_dir>/checkpoints/<time>-<identifier>/`` holds ``params.pt``, ``optimizer.pt``,
``criterion.pt``, ``history.json`` (the best model so far), ``config.pt``, ``normalizers.pt`` and
``resume.pt`` (the last epoch). Every file is written whole or not at all.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback, Checkpoint

from .safe_pickle import torch_load

NEEDED = ("config.pt", "normalizers.pt", "params.pt")


def new_folder(run_dir: str | Path, identifier: str) -> Path:
    """A new checkpoint folder named after the time and the run."""
    stamp = time.strftime("%Y-%m-%d-%H-%M-%S")
    base = Path(run_dir) / "checkpoints" / "-".join(filter(None, [stamp, identifier]))
    folder, count = base, 1
    while folder.exists():
        count += 1
        folder = base.with_name(f"{base.name}-{count}")
    folder.mkdir(parents=True)
    return folder


def save(value: Any, path: str | Path) -> None:
    """``torch.save`` that leaves either the old file or the whole new one."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(value, file)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, (OSError, RuntimeError)):
            raise OSError(f"checkpoint: cannot write {path}: {error}") from error
        raise


def load_folder(folder: str | Path, device: Any = "cpu") -> dict[str, Any]:
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


class BestCheckpoint(Checkpoint):
    """skorch's checkpoint, written beside the old one and put in its place only when whole."""

    dirname: str

    def save_model(self, net: Any) -> None:
        final = self.dirname
        with tempfile.TemporaryDirectory(dir=final, prefix=".best-") as scratch:
            self.dirname = scratch
            try:
                super().save_model(net)
                for file in Path(scratch).iterdir():
                    os.replace(file, Path(final) / file.name)
            except (OSError, RuntimeError) as error:
                raise OSError(f"checkpoint: cannot write {final}: {error}") from error
            finally:
                self.dirname = final


class train_end_load_best_loss(Callback):
    """Loads the best checkpoint back when training ends, also after Ctrl-C.

    Args:
        identifier: name of the run, for messages.
    """

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        for _, callback in net.callbacks_:
            if isinstance(callback, BestCheckpoint):
                path = Path(callback.dirname) / "params.pt"
                if path.is_file():
                    net.load_params(f_params=str(path))
