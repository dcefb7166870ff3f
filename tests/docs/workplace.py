"""The folder that the blocks of a page run in, and the names that they find."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from amptorch import AtomsTrainer
from amptorch.cli.config_file import read_config
from amptorch.config import Config
from amptorch.descriptor import construct_descriptor
from amptorch.store import build_store

from ..dataset.test_golden_lmdb import construct_lmdb
from ..made_potentials import made_once
from ..processes import Start, command
from .blocks import ROOT, Block, fragment

SECTIONS = ("model", "optim", "dataset", "cmd")


@made_once
def frames() -> list[Atoms]:
    """Strained and rattled cells of copper with the energies of effective medium theory."""
    made = []
    for seed in range(30):
        image = bulk("Cu", cubic=True)
        image.set_cell(image.cell * (1 + 0.004 * (seed % 7 - 3)), scale_atoms=True)
        image.rattle(0.02 + 0.02 * (seed % 5), seed=seed)
        image.calc = EMT()
        results = {
            key: image.calc.get_property(key, image) for key in ("energy", "forces", "stress")
        }
        image.calc = SinglePointCalculator(image, **results)
        made.append(image)
    return made


def configuration() -> dict[str, Any]:
    """A small configuration that trains on ``frames.traj`` in a second."""
    return {
        "model": {"name": "bpnn", "get_forces": True, "hidden_layers": [8, 8]},
        "optim": {"optimizer": "soap", "epochs": 20, "batch_size": 8, "force_coefficient": 10.0},
        "dataset": {
            "raw_data": "frames.traj",
            "val_split": 0.1,
            "fp_scheme": "gaussian",
            "fp_params": {"default": {"G2": {"etas": [0.5, 4.0], "rs_s": [0, 2.5]}, "cutoff": 5.0}},
            "baseline": "linear",
            "target_scaling": "forces",
        },
        "cmd": {"verbose": False},
    }


SETUP = (
    "gaussian",
    configuration()["dataset"]["fp_params"],
    {"cutoff_func": "Cosine"},
    ["Cu"],
)


class Workplace:
    """A folder with data, a configuration and a trained potential.

    Args:
        folder: to make it in.
        start: starts processes.
    """

    def __init__(self, folder: Path, start: Start) -> None:
        self.folder, self._start = folder, start
        images = frames()[:24]
        for name in ("frames.traj", "frames.extxyz", "data.extxyz"):
            write(folder / name, images)
        for name in ("test.extxyz", "other.extxyz", "new.extxyz"):
            write(folder / name, frames()[24:])
        text = yaml.safe_dump(configuration())
        for file in (folder / "config.yaml", folder / "examples" / "water_iron.yaml"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for name in ("a.lmdb", "b.lmdb"):
            build_store(frames()[:6], folder / name, SETUP, processes=1)
        construct_lmdb(folder / "original.lmdb", frames()[:4], folder / "normalizers.pt", SETUP)
        self.trainer = AtomsTrainer(configuration())
        self.trainer.train()
        self.run = Path(self.trainer.cp_dir or "").resolve()
        self.names = self.fresh_names()

    def fresh_names(self) -> dict[str, Any]:
        """What a page may take for given."""
        images, config = frames()[:24], configuration()
        return {
            "__name__": "__main__",
            "config": config,
            "trainer": self.trainer,
            "run": self.run,
            "atoms": images[0].copy(),
            "images": images,
            "train_images": images,
            "test_images": frames()[24:],
            "fp_params": config["dataset"]["fp_params"],
        }

    def do(self, block: Block) -> None:
        """Run a block, as a reader would who has this folder and these names."""
        code = block.code.replace("<run>", self.run.name)
        if block.language == "yaml":
            file = self.folder / "block.yaml"
            file.write_text(code, encoding="utf-8")
            check_configuration(read_config(file))
        elif block.language == "sh" and (lines := commands(code)):
            for words in lines:
                self._amptorch(words)
        elif block.language == "sh":
            self._shell(code)
        elif (part := fragment(code)) is not None:
            check_configuration(part)
        else:
            exec(compile(code, str(block), "exec"), self.names)

    def _amptorch(self, words: list[str]) -> None:
        """Run a command in a process of its own that need not import torch."""
        with tempfile.NamedTemporaryFile() as said:
            process = self._start(command, words, self.folder, Path(said.name))
            process.join()
            assert process.exitcode == 0, f"{words}\n{said.read().decode()[-6000:]}"

    def _shell(self, code: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # The tests' own settings of Python are none of the reader's.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"}
        environment.update(PATH=path, PYTHONPATH=str(ROOT))
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", code],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def commands(code: str) -> list[list[str]]:
    """The arguments of each line, where all are commands of amptorch that need no shell."""
    found = []
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "amptorch"]:
            words = words[2:]
        if words[:1] != ["amptorch"] or set("|&;<>$`*?") & set(line):
            return []
        found.append(words[1:])
    return found


def check_configuration(part: dict[str, Any]) -> None:
    """See that a configuration, a section of one, keys of the data set's, or parameters of a
    descriptor are taken, and that a descriptor can be made of them."""
    config = configuration()
    if not set(part) & set(SECTIONS):
        if all(re.fullmatch("G[245]", key) for key in part):
            part = {"fp_scheme": "gaussian", "fp_params": {"default": {**part, "cutoff": 6.0}}}
        part = {"dataset": part}
    if "name" in part.get("model", {}):  # another one has other keys, and so has its fit
        config["model"], config["optim"] = {}, {}
    for section, values in part.items():
        config[section].update(values)
    settings = Config.from_dict(config).dataset
    if isinstance(settings.fp_params, dict) and "auto" not in settings.fp_params:
        setup = (settings.fp_scheme, settings.fp_params, settings.cutoff_params, ["Cu"])
        assert construct_descriptor(setup).n_features > 0
