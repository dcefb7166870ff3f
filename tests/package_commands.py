"""What a new user types, with the program that a wheel has installed: every command's files, and the
exit status that docs/cli.md states.

``tests/package.sh`` runs it in an empty folder, outside the repository.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

PROGRAM = Path(sys.executable).with_name("amptorch")
FEW = ("--no-plots", "--quiet")
SHORT = ("--set", "optim.epochs=60")
AGAIN = ("--old", "train.extxyz", "--set", "optim.epochs=5", *FEW)
Job = Callable[[], object]


def frames(number: int, elements: str, seed: int) -> list[Atoms]:
    """Rattled and strained cells of four atoms, with energies and forces of EMT."""
    random, made = np.random.default_rng(seed), []
    for _ in range(number):
        image = bulk("Cu", cubic=True, a=3.7 * random.uniform(0.97, 1.03))
        image.symbols = elements
        image.positions += random.normal(0.0, 0.1, (4, 3))
        image.calc = EMT()
        energy, forces = image.get_potential_energy(), image.get_forces()
        image.calc = SinglePointCalculator(image, energy=energy, forces=forces)
        made.append(image)
    return made


def amptorch(status: int, *arguments: str | Path, says: str = "") -> None:
    """Run a command, which is to end with a status and to say something."""
    begun = time.monotonic()
    words = [str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True)
    said = done.stdout + done.stderr
    seconds = time.monotonic() - begun
    print(f"{done.returncode:3d} {seconds:5.1f} s  amptorch {' '.join(words[1:])}", flush=True)
    assert done.returncode == status, f"expected {status}, got {done.returncode}: {said}"
    assert says in said, f"expected {says!r}, got {said}"
    assert "\x1b" not in said, said
    assert "Traceback" not in said, said


def the_run(folder: str = "checkpoints") -> Path:
    return max(Path(folder).iterdir(), key=lambda path: path.stat().st_mtime)


def interrupted() -> None:
    """Ctrl-C while it trains; then where to go on is said, and going on works."""
    endless = ("train", "train.extxyz", *FEW, "--set", "optim.epochs=100000")
    words = [str(PROGRAM), *endless, "--set", "cmd.run_dir=stopped"]
    program = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 120
        while not list(Path().glob("stopped/checkpoints/*/resume.pt")) and time.monotonic() < end:
            time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=120)
    finally:
        program.kill()
    print(f"{program.returncode:3d}          amptorch train, and Ctrl-C", flush=True)
    assert program.returncode == 130, said
    assert "training was interrupted" in said, said
    run = the_run("stopped/checkpoints")
    amptorch(0, "train", "--resume", run, *FEW, "--time", "1s", says="potential: ")


def wrong(run: Path) -> list[Job]:
    """Commands that cannot be, or whose check does not pass."""
    never = ("--steps", "1", "--fmax", "1e-9", "-o", "relaxed.extxyz", "--quiet")
    cases: list[tuple[Any, ...]] = [
        (1, "did you mean 'train.extxyz'?", "train", "tran.extxyz"),
        (1, "", "train", "notes.extxyz"),
        (1, "did you mean 'epochs'?", "train", "train.extxyz", "--set", "optim.epoch=1"),
        (1, "nothing", "predict", "nothing", "test.extxyz", "-o", "no.extxyz"),
        (1, "Au", "predict", run, "gold.extxyz", "-o", "no.extxyz", "--quiet"),
        (1, "largest force", "relax", run, "test.extxyz", *never),
        (2, "expected data or a configuration", "train"),
        (2, "did you mean 'train'?", "tran", "train.extxyz"),
        (2, "expected a time", "train", "train.extxyz", "--time", "3x"),
        (2, "--freeze", "finetune", run, "test.extxyz", "--freeze", "9", *FEW),
    ]
    return [partial(amptorch, status, *words, says=says) for status, says, *words in cases]


def predicted(run: Path) -> None:
    amptorch(0, "predict", run, "test.extxyz", "-o", "predicted.extxyz", "--quiet")
    reference, predicted = (ase.io.read(f"{name}.extxyz", ":") for name in ("test", "predicted"))
    errors = [
        one.get_forces() - two.get_forces() for one, two in zip(reference, predicted, strict=True)
    ]
    size = np.std([frame.get_forces() for frame in reference])
    print(f"error of forces on new frames: {np.std(errors):.3f} of {size:.3f} eV/Å")
    assert np.std(errors) < 0.5 * size


def evaluated(run: Path) -> None:
    amptorch(0, "evaluate", run, "test.extxyz", "--out", "errors", *FEW)
    assert (Path("errors") / "report.json").is_file()


def tuned_further(run: Path) -> None:
    amptorch(0, "finetune", run, "test.extxyz", *AGAIN, "--freeze", "1")


def tuned_with_a_new_element(run: Path) -> None:
    apart = ("--set", "cmd.run_dir=gold")
    amptorch(0, "finetune", run, "gold.extxyz", *AGAIN, *apart, says="new elements: Au")
    new = the_run("gold/checkpoints")
    amptorch(0, "predict", new, "gold.extxyz", "-o", "gold_predicted.extxyz", "--quiet")


def moved(run: Path) -> None:
    amptorch(0, "md", run, "test.extxyz", "--steps", "20", "-o", "md.traj", says="drift")
    assert len(ase.io.read("md.traj", ":")) == 21


def together(jobs: list[Job]) -> None:
    """What shares nothing, two at a time: most of it is imports."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: job(), jobs))


def main() -> None:
    ase.io.write("train.extxyz", frames(40, "Cu2Pd2", 0))
    ase.io.write("test.extxyz", frames(8, "Cu2Pd2", 1))
    ase.io.write("gold.extxyz", frames(8, "Cu2Au2", 2))
    Path("notes.extxyz").write_text("no frames\n")

    training = ("train", "train.extxyz", "--test", "test.extxyz", *SHORT)
    first = [
        partial(amptorch, 0, *training, says="40 images"),
        partial(amptorch, 0, "--version", says="amptorch "),
        partial(amptorch, 0, "machine", says="kernels "),
        partial(amptorch, 0, "data", "train.extxyz", says="40 images"),
    ]
    together(first)
    run = the_run()
    assert (run / "config.yaml").is_file()
    assert (run / "report" / "report.html").is_file()
    using = (predicted, tuned_with_a_new_element, tuned_further, evaluated, moved)
    together([interrupted, *(partial(each, run) for each in using), *wrong(run)])
    print("every command ended as docs/cli.md says")


if __name__ == "__main__":
    main()
