"""This package posing as AMPTorch itself, with what matters of how that behaves otherwise:
``python -m tests.profiling.stand_in SCRIPT ARGUMENTS`` runs a script on it."""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

import torch

import amptorch


class AtomsTrainer(amptorch.AtomsTrainer):
    """Goes to ``run_dir``, sets torch's default type, takes the images out of the configuration, and
    predicts with what it noted there, which it does only where it writes its files."""

    def load_config(self) -> None:
        super().load_config()
        torch.set_default_dtype(self.settings.cmd.torch_dtype)
        os.chdir(self.settings.cmd.run_dir)

    def load_dataset(self, scalers: Any = None) -> None:
        super().load_dataset(scalers)
        del self.config["dataset"]["raw_data"]
        if self.debug:
            del self.config["dataset"]["descriptor"], self.config["dataset"]["fp_length"]

    def predict(self, images: Any, disable_tqdm: bool = True, **keywords: Any) -> dict[str, Any]:
        self.descriptor = amptorch.dataset.construct_descriptor(
            self.config["dataset"]["descriptor"]
        )
        return super().predict(images, disable_tqdm, **keywords)


if __name__ == "__main__":
    amptorch.AtomsTrainer = AtomsTrainer  # type: ignore[misc]
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
