"""Optimizers on the same data and networks: test errors against the time spent on training.

Each runs in a process of its own, so that its memory is its own, for the same number of minutes.
Fingerprints are computed before the clock starts, and it stands still while errors are taken.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read
from skorch.callbacks import Callback

from amptorch import AtomsTrainer
from amptorch.dataset.in_memory import AtomsDataset
from amptorch.preprocessing.scaling import Scaling

from .report import Data, Figure, Report, Section, Table, finish, typed
from .report.plots import figure_svg, panels

POINTS = 40  # of a curve
SYMMETRY_FUNCTIONS = {
    "default": {
        "G2": {"etas": [144.0], "rs_s": [round(0.8 + 0.45 * place, 2) for place in range(11)]},
        "G4": {"etas": [1.44], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
        "cutoff": 6.0,
    }
}
"""57 functions for three elements: a set of few weights in which forces can be learned; with the
original's 36 the five optimizers tried ended alike, at 1.6 to 1.8 eV/Å."""
SETTINGS: dict[str, dict[str, Any]] = {
    "soap": {"optimizer": "soap", "ema": 0.999},
    "adam": {"optimizer": "adam", "ema": 0.999},
    "adamw": {"optimizer": "adamw", "optimizer_args": {"weight_decay": 1e-4}, "ema": 0.999},
    "lbfgs": {"optimizer": "lbfgs"},
    "bfgs": {"optimizer": "bfgs"},
    "annealing, lbfgs": {
        "optimizer": "annealing",
        "optimizer_args": {"then": "lbfgs", "steps": 400, "frames": 16, "Tmax": 10.0, "Tmin": 0.1},
    },
    "kalman": {"optimizer": "kalman"},
    "levenberg_marquardt": {
        "optimizer": "levenberg_marquardt",
        "optimizer_args": {"fraction": 0.2},
    },
}
"""``optim`` of each."""
SMOKE = ["--data", "{data}", "--minutes", "0.01", "--hidden", "3", "--test", "2"]
SMOKE += ["--names", "adam", "--out", "{out}"]
DOUBLE = ("lbfgs", "bfgs", "annealing, lbfgs")  # line searches need the digits


class Curve(Callback):
    """Test errors every now and then; ends training when the time is over.

    Args:
        batches: test data.
        sizes: atoms of the test frames.
        scale: eV of a scaled energy of 1.
        seconds: of training.
    """

    def __init__(self, batches: Any, sizes: Sequence[int], scale: float, seconds: float) -> None:
        self.batches, self.sizes, self.scale, self.seconds = batches, sizes, scale, seconds

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.rows_: list[dict[str, float]] = []
        self.spent_, self._since = 0.0, time.perf_counter()
        self._next = 0.0
        self._measure(net)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if training and self.spent_ + time.perf_counter() - self._since >= self._next:
            self._measure(net)

    def _measure(self, net: Any) -> None:
        self.spent_ += time.perf_counter() - self._since
        self._next = self.spent_ + self.seconds / POINTS
        weights = net.module_.state_dict()
        kept = {name: value.clone() for name, value in weights.items()}
        average = dict(net.callbacks_).get("ema")
        if average is not None:
            net.module_.load_state_dict({**kept, **average.average_})
        energy, force = self._errors(net)
        net.module_.load_state_dict(kept)
        self.rows_.append(
            {
                "seconds": self.spent_,
                "epochs": len(net.history),
                "energy_rmse": energy,
                "force_rmse": force,
            }
        )
        if self.spent_ >= self.seconds:
            raise KeyboardInterrupt
        self._since = time.perf_counter()

    def _errors(self, net: Any) -> tuple[float, float]:
        """RMSE in eV/atom and eV/Å."""
        differences: list[list[np.ndarray]] = [[], []]
        for batch, target in self.batches:
            prediction = net.evaluation_step((batch, target), training=False)
            for found, one, other in zip(differences, prediction, target, strict=False):
                found.append((one - other).double().numpy().ravel())
        energies, forces = (np.concatenate(each) * self.scale for each in differences)
        energies = energies / np.array(self.sizes)
        return float(np.sqrt((energies**2).mean())), float(np.sqrt((forces**2).mean()))


def config(name: str, hidden: Sequence[int], run_dir: str) -> dict[str, Any]:
    """The configuration: targets divided by the size of the forces, forces 100 times energies."""
    optim = {"force_coefficient": 100.0, "epochs": 100000, **SETTINGS[name]}
    return {
        "model": {"name": "bpnn", "get_forces": True, "hidden_layers": list(hidden)},
        "optim": optim,
        "dataset": {
            "fp_scheme": "gaussian",
            "fp_params": SYMMETRY_FUNCTIONS,
            "save_fps": False,
            "scaling": {"type": "standardize", "threshold": 1e-3},
            "baseline": "linear",
            "target_scaling": "forces",
        },
        "cmd": {
            "run_dir": run_dir,
            "debug": True,
            "verbose": False,
            "dtype": torch.DoubleTensor if name in DOUBLE else torch.FloatTensor,
        },
    }


def run_one(
    name: str, train: Sequence[Atoms], test: Sequence[Atoms], hidden: Sequence[int], minutes: float
) -> dict[str, Any]:
    """Train with one optimizer; its curve, epochs and largest memory in GB."""
    with tempfile.TemporaryDirectory() as run_dir:
        settings = config(name, hidden, run_dir)
        settings["dataset"]["raw_data"] = list(train)
        trainer = AtomsTrainer(settings)
        trainer.load()
        held = AtomsDataset(
            list(test),
            trainer.config["dataset"]["descriptor"],
            save_fps=False,
            scaling=Scaling(scalers=trainer.scalers),
            dtype=trainer.settings.cmd.torch_dtype,
        )
        before = _largest_memory()
        batches = trainer.net.get_iterator(held, training=False)
        sizes, scale = [len(frame) for frame in test], float(trainer.target_scaler.target_std)
        curve = Curve(batches, sizes, scale, 60.0 * minutes)
        trainer.net.callbacks.append(("curve", curve))
        trainer.net.fit(trainer.train_dataset, None)
    return {
        "curve": curve.rows_,
        "epochs": curve.rows_[-1]["epochs"],
        "memory": {"data": before, "largest": _largest_memory()},
        "weights": trainer.model.num_params,
        "best": {
            key: min(row[key] for row in curve.rows_) for key in ("energy_rmse", "force_rmse")
        },
        "last": {key: curve.rows_[-1][key] for key in ("energy_rmse", "force_rmse")},
    }


def _largest_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-9


def curves(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Errors of energies and forces against seconds, drawn."""
    figure, axes = panels(2, width=5.2)
    for axis, key, factor, label in (
        (axes[0], "energy_rmse", 1e3, "energy RMSE (meV/atom)"),
        (axes[1], "force_rmse", 1.0, "force RMSE (eV/Å)"),
    ):
        for name, result in results.items():
            seconds = [row["seconds"] for row in result["curve"]]
            axis.plot(seconds, [factor * row[key] for row in result["curve"]], label=name)
        axis.set(xlabel="seconds of training", ylabel=f"test {label}", yscale="log")
    axes[1].legend()
    return figure_svg(figure)


def fill(report: Report, results: Mapping[str, Mapping[str, Any]], minutes: float) -> None:
    """Add what each optimizer reached to a report."""
    rows = []
    for name, result in results.items():
        energy, force = 1e3 * result["last"]["energy_rmse"], result["last"]["force_rmse"]
        memory = result["memory"]["largest"]
        report.measure(f"{name}/energy RMSE", [energy], "meV/atom")
        report.measure(f"{name}/force RMSE", [force], "eV/Å")
        report.measure(f"{name}/memory", [memory], "GB")
        report.measure(f"{name}/epochs", [result["epochs"]], "", larger_is_better=True)
        rows.append([name, str(result["epochs"]), f"{memory:.2f}", f"{energy:.1f}", f"{force:.3f}"])
    header = ["", "epochs", "memory (GB)", "energy RMSE (meV/atom)", "force RMSE (eV/Å)"]
    text = (
        f"{minutes:g} minutes of training each; errors on frames kept apart. An epoch of lbfgs and "
        "bfgs is an iteration. Memory is the largest of the process, data included."
    )
    figure = Figure("curves", curves(results), "Test errors against time.")
    report.sections.append(Section("Errors", [text], [Table(header, rows)], [figure]))


def add_command(commands: Any) -> None:
    """Add ``optimizers`` to the command line."""
    summary = __doc__.splitlines()[0]
    parser: argparse.ArgumentParser = commands.add_parser("optimizers", help=summary)
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, each")
    parser.add_argument(
        "--out", type=Path, help="folder to write, default reports/<date>-optimizers"
    )
    parser.add_argument("--hidden", default="10,10", help="widths of the hidden layers")
    parser.add_argument("--test", type=int, default=40, help="frames kept apart, the last ones")
    parser.add_argument("--names", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--one", choices=SETTINGS, help=argparse.SUPPRESS)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    frames = read(arguments.data, ":")
    train, test = frames[: -arguments.test], frames[-arguments.test :]
    hidden = [int(width) for width in arguments.hidden.split(",")]
    if arguments.one:
        result = run_one(arguments.one, train, test, hidden, arguments.minutes)
        arguments.out.write_text(json.dumps(result), encoding="utf-8")
        return
    options = {
        name: getattr(arguments, name) for name in ("minutes", "hidden", "test", "names", "threads")
    }
    report = Report(
        "optimizers",
        "Optimizers",
        typed("optimizers", data=arguments.data, **options),
        data={
            "training": Data.of(arguments.data, train),
            "test": Data.of(arguments.data, test),
        },
        settings=options,
    )
    results = {}
    for name in arguments.names:
        results[name] = _in_a_process(name, arguments)
        last = results[name]["last"]
        print(f"{name}: {1e3 * last['energy_rmse']:.1f} meV/atom, {last['force_rmse']:.3f} eV/Å")
    fill(report, results, arguments.minutes)
    finish(report, arguments.out)


def _in_a_process(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        options = {
            "data": arguments.data,
            "minutes": arguments.minutes,
            "hidden": arguments.hidden,
            "test": arguments.test,
            "threads": arguments.threads,
            "one": name,
            "out": file,
        }
        given = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        subprocess.run([sys.executable, "-m", "profiling", "optimizers", *given], check=True)
        return json.loads(file.read_text(encoding="utf-8"))
