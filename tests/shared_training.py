"""Runs that tests compare between one process and several; started by ``torchrun``, or imported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.errors import Diverged
from amptorch.fit.losses import PerAtomLoss
from amptorch.processes import group

from .made_potentials import alloy_frames, config, history, with_emt


def frames() -> list[Atoms]:
    """Ten frames of two to four atoms, so that equal numbers of images are unequal of atoms."""
    images = alloy_frames(10)
    for index, image in enumerate(images):
        del image[4 - index % 3 :]
        with_emt(image, stress=index != 1)
        image.info["w"] = 1.0 + index % 2
    return images


class RoundedOtherwise(PerAtomLoss):
    """A loss with a value of its own in each process, as sums on GPUs have in the last bits."""

    def forward(self, *arguments: Any) -> torch.Tensor:
        loss = super().forward(*arguments)
        return loss + (1e-3 * (not group.is_first()) * loss).detach()


EPOCHS = 5
# Seven images for training in batches of three: the last one leaves a process without an image.
BASE: dict[str, dict[str, Any]] = {
    "optim": {"batch_size": 3, "epochs": EPOCHS},
    "dataset": {"val_split": 0.3, "elements": ["Cu", "Pd"], "baseline": "linear"},
}
RUNS: dict[str, dict[str, dict[str, Any]]] = {
    "raw data": {},
    "frames on the device": {
        "optim": {"resident": True},
        "dataset": {"derivatives": "on_the_fly"},
    },
    "single network": {"model": {"name": "singlenn"}},
    "per atom": {"optim": {"loss_fn": PerAtomLoss}},
    "rounded otherwise": {
        "optim": {
            "loss_fn": RoundedOtherwise,
            "optimizer": torch.optim.LBFGS,
            "optimizer_args": {
                "optimizer__line_search_fn": "strong_wolfe",
                "optimizer__max_iter": 4,  # more make more of rounding
            },
            "batch_size": 7,
        }
    },
    "absolute errors": {
        "optim": {"loss": "mae", "metric": "mse", "cp_metric": "forces", "stress_coefficient": 9.0},
        "dataset": {"weight_key": "w"},
    },
    "energies": {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}},
    "schedule": {
        "optim": {
            "lr": 0.5,
            "scheduler": {
                "policy": "ReduceLROnPlateau",
                "params": {"patience": 0, "monitor": "valid_loss"},
            },
        }
    },
    "lbfgs": {"optim": {"optimizer": torch.optim.LBFGS, "lr": 0.1, "batch_size": 7}},
    "NEP's loss": {
        "model": {"name": "singlenn"},
        "optim": {
            "optimizer": "soap",
            "optimizer_args": {"refresh": 2},
            "loss": "nep",
            "stress_coefficient": 0.2,
            "loss_args": {"force_delta": 0.4, "type_weight": {"Cu": 1.7}},
        },
        "dataset": {"weight_key": "w"},
    },
    "members": {
        "model": {"name": "singlenn", "members": 2},
        "optim": {"loss": "nep", "loss_args": {"lambda_1": 0.5, "lambda_2": 0.7}},
    },
    "NEP above its repulsion": {
        "model": {"name": "nep", "n_max": [1, 1], "neurons": [3]},
        "optim": {
            "optimizer": "soap",
            "energy_loss": "per_atom",
            "stress_coefficient": 9.0,
            "scheduler": {"policy": "WarmupCosine"},
        },
        "dataset": {
            "fp_scheme": "nep",
            "fp_params": {"cutoff": [4.5, 3.5], "basis_size": [3, 3], "l_max": 2},
            "baseline": ["linear", {"nep_zbl": 3.0}],
            "target_scaling": "forces",
        },
    },
    "store": {"dataset": {"lmdb_path": True}},
    "parts of a store": {
        "dataset": {"lmdb_path": True, "cache": "partial", "val_split_mode": "inorder"}
    },
    "store in memory": {"dataset": {"lmdb_path": True, "cache": "full"}},
}


def settings(name: str, folder: Path, images: Any) -> dict[str, Any]:
    """The configuration of a run; stores are ``frames.lmdb`` in the folder."""
    sections = {
        section: {**BASE.get(section, {}), **RUNS[name].get(section, {})}
        for section in ("model", "optim", "dataset", "cmd")
    }
    made = config(images, folder, **sections)
    if sections["model"].get("name") == "nep":
        made["model"] = {"get_forces": True, **sections["model"]}
    if "lmdb_path" in made["dataset"]:
        made["dataset"].update(raw_data=None, fp_params=None, lmdb_path=[folder / "frames.lmdb"])
    return made


def result(trainer: AtomsTrainer, images: list[Atoms]) -> dict[str, Any]:
    """What a run gives: history, weights after loading the best model back, predictions."""
    weights = [value.flatten().tolist() for value in trainer.model.state_dict().values()]
    energies = trainer.predict(images)["energy"]
    return {"history": history(trainer), "weights": weights, "energies": energies}


def gone_on(name: str, folder: Path, images: list[Atoms]) -> AtomsTrainer:
    """The run in two parts."""
    made = settings(name, folder, images)
    made["optim"]["epochs"] = 3
    first = AtomsTrainer(made)
    first.train()
    made["optim"]["epochs"] = EPOCHS - 3
    second = AtomsTrainer(made)
    second.load_pretrained(str(first.cp_dir))
    second.train()
    return second


def main(folder: Path) -> None:
    """Every run; each process writes what it got."""
    torch.set_num_threads(1)
    images, results = frames(), {}
    for name in RUNS:
        trainer = AtomsTrainer(settings(name, folder, images))
        trainer.train()
        results[name] = result(trainer, images)
    results["in two parts"] = result(gone_on("store", folder, images), images)
    results["diverged"] = _diverged(folder, images)
    results["dropout"] = result(_dropout(folder, images), images)
    rank, count = group.start()
    results["processes"] = count
    (folder / f"rank{rank}.json").write_text(json.dumps(results))


def _diverged(folder: Path, images: list[Atoms]) -> list[Any]:
    """What a run says that comes to infinite energies, and the energies of what it keeps."""
    made = settings("raw data", folder, images)
    made["model"]["activation"] = torch.nn.ReLU
    made["optim"].update(optimizer=torch.optim.SGD, lr=1e200)
    made["dataset"]["baseline"] = None  # with it not even the first epoch ends
    trainer = AtomsTrainer(made)
    try:
        trainer.train()
    except Diverged as error:
        return [str(error), trainer.predict(images)["energy"]]
    return []


def _dropout(folder: Path, images: list[Atoms]) -> AtomsTrainer:
    made = settings("raw data", folder, images)
    made["model"].update(dropout=True, dropout_rate=0.2)
    trainer = AtomsTrainer(made)
    trainer.train()
    return trainer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
