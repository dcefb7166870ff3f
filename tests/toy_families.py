"""The families of docs/architecture.md, as modules, and their runs in two processes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from amptorch import AtomsTrainer
from amptorch.potentials import registry
from amptorch.processes import group

from .made_potentials import alloy_frames, config

NAMES = ("waves", "lines")
DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"
OPTIM: dict[str, dict[str, Any]] = {
    "waves": {"lr": 0.02, "batch_size": 4, "epochs": 4, "force_coefficient": 0.1},
    "lines": {"force_coefficient": 0.5, "ridge": 1e-4},
}


def write(folder: Path) -> None:
    """Write the modules, as a user does."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in NAMES:
        (code,) = re.findall(rf'```python\n("""{name}\.py""".*?)```', text, re.DOTALL)
        (folder / f"{name}.py").write_text(code, encoding="utf-8")


def settings(name: str, frames: Any, run_dir: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """A configuration of one of them."""
    made = config(frames, run_dir, **{k: v for k, v in sections.items() if k != "optim"})
    made["model"] = {"name": name, **sections.get("model", {})}
    made["optim"] = {**OPTIM[name], **sections.get("optim", {})}
    return made


def shared(folder: Path) -> None:
    """Train each as one of several processes, and write what this one got."""
    sys.path.insert(0, str(folder))
    rank, _ = group.start()
    frames, found = alloy_frames(8), {}
    for name in NAMES:
        registry.register(name)
        trainer = AtomsTrainer(settings(name, frames, folder, dataset={"val_split": 0.25}))
        trainer.train()
        losses = [row["train_loss"] for row in trainer.history]
        found[name] = {"losses": losses, "energies": trainer.predict(frames)["energy"]}
    (folder / f"rank{rank}.json").write_text(json.dumps(found))
