"""The original against this package: the same frames and configuration, stage by stage.

Both sides read, convert, train and predict a sample of the frames, each in a process of its own,
and must agree before any time is worth reading. This package then does so with all frames; what
the original would take for them is its cost on the sample, scaled, and marked as such.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.io import write

from amptorch.cli.config_file import read_config
from amptorch.config import Config
from amptorch.data.reading import count_images, read_images
from amptorch.descriptor.from_data import choose, depends_on_data

from . import resident
from .compare_job import Job, Run
from .compare_report import Comparison, fill
from .compare_sample import Sample, plain_file
from .fit import original_config
from .frames import Frames
from .original import known
from .report import Data, Report, finish, typed
from .stages import EPOCHS

DTYPES = {"float64": torch.DoubleTensor, "float32": torch.FloatTensor}
REAL = Path(__file__).parent / "original" / "real.py"
SMOKE = [
    *("--data", "{data}", "--frames", "3", "--original-frames", "3", "--original-epochs", "1"),
    *("--epochs", "1", "--repeats", "1", "--out", "{out}"),
]


@dataclass
class Options:
    """What is compared.

    Attributes:
        data: file that ASE reads; it may be compressed.
        config: of the trainer.
        frames: how many of the file; more than it has: see ``profiling.frames``. None: all.
        original_frames: how many of these the original does.
        original_epochs: epochs that both sides train on those.
        threads: of torch, on both sides.
        repeats: passes over the sample for each stage.
        store: "cached" or "on_the_fly": both sides keep what they compute in files, and read it
            from there in every epoch. None: in memory.
        original_python: an interpreter that has AMPTorch, or None.
    """

    data: Path
    config: dict[str, Any]
    frames: int | None = None
    original_frames: int = 10
    original_epochs: int = 5
    threads: int = 1
    repeats: int = 5
    store: str | None = None
    original_python: str | None = None


def compare(options: Options, work: Path) -> Comparison:
    """Measure both sides; ``work`` is an empty folder for files.

    Raises:
        ValueError: a configuration that the original does not have.
    """
    source = plain_file(options.data, work)
    count = options.frames or count_images(source) or sum(1 for _ in read_images(source))
    frames = Frames(source, count)
    sample = Sample.of(frames, count, min(options.original_frames, count))
    config = prepared(options.config, sample.elements, frames, work)
    settings = Config.from_dict(config)
    known.check(settings)
    write(work / "sample.traj", sample.images)
    job = Job(
        side="original",
        config=_with_epochs(config, options.original_epochs),
        elements=sample.elements,
        source=work / "sample.traj",
        frames=len(sample.images),
        sample=work / "sample.traj",
        threads=options.threads,
        repeats=options.repeats,
        work=work,
        store=options.store,
    )
    sides = {side: _start(replace(job, side=side)) for side in ("original", "optimized")}
    if options.original_python is not None:
        sides["AMPTorch"] = start_real(options.original_python, job)
    whole = sides["optimized"]
    if count > len(sample.images) or settings.optim.epochs > options.original_epochs:
        job = replace(job, config=config, source=source, frames=count, repeats=0)
        whole = _start(replace(job, side="optimized", work=_folder(work / "whole")))
    facts = (sample, frames.from_file, settings, options.threads, options.store)
    return Comparison(sides, whole, *facts)


def prepared(
    config: Mapping[str, Any], elements: list[str], frames: Frames, work: Path
) -> dict[str, Any]:
    """A copy that writes nothing but to ``work``, and leaves nothing for the data to decide."""
    made = {section: dict(config.get(section, {})) for section in ("model", "optim", "dataset")}
    made["cmd"] = {**config.get("cmd", {}), "run_dir": str(work), "debug": True, "verbose": False}
    dataset = made["dataset"]
    for name in ("raw_data", "lmdb_path"):
        dataset.pop(name, None)
    if depends_on_data(dataset.get("fp_params"), dataset.get("prune")):
        cutoff = dataset.get("cutoff_params")
        setup = (dataset.get("fp_scheme"), dataset["fp_params"], cutoff, elements)
        dataset["fp_params"] = choose(setup, frames, dataset.pop("prune", None)).setup[1]
    return made


def _with_epochs(config: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    return {**config, "optim": {**config["optim"], "epochs": epochs}}


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _start(job: Job) -> Run:
    """What one side finds, in a process of its own."""
    print(f"{job.side}: {job.frames} frames, {job.config['optim']['epochs']} epochs", flush=True)
    place, result = (job.work / f"{job.side}.{kind}" for kind in ("job", "result"))
    place.write_bytes(pickle.dumps(job))
    peaks = resident.run("profiling.compare_step", [str(place), str(result)], job.threads)
    found: Run = pickle.loads(result.read_bytes())
    found.megabytes["private"] = peaks["peak_private_megabytes"]
    return found


def start_real(python: str, job: Job) -> Run:
    """What AMPTorch finds in an interpreter that has it.

    Raises:
        ValueError: parameters that cannot be handed over.
        RuntimeError: it fails; with what it said.
    """
    print(f"AMPTorch: {job.frames} frames, by {python}", flush=True)
    work = _folder(job.work / "AMPTorch").resolve()
    plain = {
        "config": for_the_real(job, work),
        "frames": str(job.source.resolve()),
        "threads": job.threads,
        "repeats": job.repeats,
        "work": str(work),
        "arrays": str(work / "arrays.npz"),
    }
    place = work / "job.json"
    place.write_text(json.dumps(plain), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads)}
    command = [python, str(REAL), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=work)
    if done.returncode:
        raise RuntimeError(f"--original-python {python}: AMPTorch failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    with np.load(plain["arrays"]) as arrays:
        fingerprints = arrays["fingerprints"]
        primes = tuple(arrays[name] for name in ("rows", "columns", "values"))
    return Run(
        load=found["seconds"]["load"],
        history=found["history"],
        energies=found["energies"],
        forces=[np.array(each) for each in found["forces"]],
        read=found["seconds"]["read"],
        fingerprints=fingerprints,
        primes=primes,
        stages=found["stages"],
    )


def for_the_real(job: Job, work: Path) -> dict[str, Any]:
    """The configuration in terms that AMPTorch has, as JSON. It writes its files to ``work``: it
    predicts only with the descriptor that it notes as it does so."""
    optim = Config.from_dict(job.config).optim
    config = {section: dict(entries) for section, entries in job.config.items()}
    config["cmd"].update(debug=False, run_dir=str(work), identifier="compared", logger=False)
    config["dataset"].update(elements=job.elements, save_fps=False)
    config["optim"].pop("loss_fn", None)  # its own
    config["optim"].update(
        optimizer=optim.choice.optimizer,
        optimizer_args=optim.choice.arguments,
        lr=optim.lr,
        batch_size=optim.batch_size,
    )
    return as_json(config)


def as_json(value: Any) -> Any:
    """A configuration as JSON, classes by their names."""
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [as_json(entry) for entry in value]
    if isinstance(value, type) and value.__module__.split(".")[0] == "torch":
        return value.__name__
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    name = value.__name__ if isinstance(value, type) else f"a {type(value).__name__}"
    raise ValueError(f"--original-python: cannot hand over {name}")


def add_command(commands: Any) -> None:
    """Add ``compare`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("compare", help=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--frames", type=int, help="of the file, default all")
    parser.add_argument("--config", type=Path, help="YAML file, default the original's examples")
    parser.add_argument("--dtype", choices=list(DTYPES), help="in place of the configuration's")
    parser.add_argument("--threads", type=int, default=1, help="of both sides")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="with all frames")
    parser.add_argument("--original-frames", type=int, default=10, help="of the sample")
    parser.add_argument("--original-epochs", type=int, default=5, help="on the sample")
    parser.add_argument("--repeats", type=int, default=5, help="passes for each stage")
    parser.add_argument("--store", choices=["cached", "on_the_fly"], help="train from files")
    parser.add_argument("--original-python", help="interpreter that has AMPTorch")
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-compare")
    parser.add_argument("--work", type=Path, help="folder for files, default a temporary one")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    given = read_config(arguments.config) if arguments.config else original_config(1, Path())
    config = _with_epochs(given, arguments.epochs)
    if arguments.dtype:
        config["cmd"] = {**config.get("cmd", {}), "dtype": DTYPES[arguments.dtype]}
    names = ("frames", "original_frames", "original_epochs", "threads", "repeats", "store")
    chosen = {name: getattr(arguments, name) for name in names}
    python = arguments.original_python
    options = Options(arguments.data, config, original_python=python, **chosen)
    shown = {name.replace("_", "-"): value for name, value in chosen.items()}
    shown.update(config=arguments.config, dtype=arguments.dtype, epochs=arguments.epochs)
    typed_there = typed("compare", data=arguments.data, **shown)
    report = Report("compare", "The original against this package", typed_there)
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        add_comparison(report, options, Path(work))
    finish(report, arguments.out)


def add_comparison(report: Report, options: Options, work: Path) -> None:
    """Compare, and add what was found to a report."""
    comparison = compare(options, work)
    sample = comparison.sample
    remark = ""
    if comparison.from_file < sample.n_frames:
        remark = (
            f"The file has {comparison.from_file}; the others are these again with atoms displaced "
            "at random by 0.01 Å: right for time and memory, and for nothing else."
        )
    of_file = Data.of(options.data, [sample.smallest, sample.largest], remark)
    report.data["frames"] = replace(of_file, frames=sample.n_frames)
    report.settings = {
        "frames": sample.n_frames,
        "frames of the sample": len(sample.images),
        "epochs": comparison.settings.optim.epochs,
        "epochs on the sample": options.original_epochs,
        "batch size": comparison.settings.optim.batch_size,
        "precision": comparison.dtype,
        "threads": options.threads,
        "repeats": options.repeats,
        "store": options.store or "none, in memory",
    }
    fill(report, comparison)
