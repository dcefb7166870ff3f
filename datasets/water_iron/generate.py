"""Generate frames of water on iron slabs: ``python -m datasets.water_iron.generate --help``."""

from __future__ import annotations

import argparse
import lzma
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from pathlib import Path

from ase import Atoms
from ase.io import Trajectory, write
from tqdm import tqdm

from datasets.water_iron.plan import Parts, Plan, replace_atomically
from datasets.water_iron.reaxff import require_lammps
from datasets.water_iron.trajectory import run_trajectory

Simulate = Callable[[int, int, int], list[Atoms]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after printing what is wrong."""
    options = build_parser().parse_args(arguments)
    start = time.monotonic()
    try:
        require_lammps()
        plan = Plan(options.seed, options.frames)
        rejected = generate(options.out, plan, options.processes)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    print(f"{plan.frames} frames in {options.out}, {rejected} rejected, {seconds:.0f} s")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.water_iron.generate",
        description="Generate frames of water on iron slabs with ReaxFF energies and forces. "
        "A run that was killed goes on where it was when started again.",
    )
    parser.add_argument("--frames", type=int, required=True, help="number of frames")
    endings = ", ".join(WRITERS)
    parser.add_argument("--out", type=Path, required=True, help=f"file to write: {endings}")
    parser.add_argument("--seed", type=int, default=0, help="fixes every frame (default: 0)")
    parser.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="does not change the frames (default: %(default)s)",
    )
    return parser


def generate(out: Path, plan: Plan, processes: int, simulate: Simulate = run_trajectory) -> int:
    """Write the frames of a plan to ``out`` and return how many snapshots were rejected.

    Trajectories found in ``<out>.parts`` are not run again; the folder is
    removed at the end. ``simulate(seed, trajectory, n_snapshots)`` returns
    frames with ``info["rejected"]``.

    Raises:
        FileExistsError: ``out`` exists and no unfinished run explains it.
        ValueError: unknown ending, too few processes, or the folder of
            another plan.
        RuntimeError: a trajectory failed for good.
    """
    write_frames = choose_writer(out)
    if processes < 1:
        raise ValueError(f"--processes must be at least 1, got {processes}")
    parts = Parts(out, plan)
    if out.exists() and not parts.folder.exists():
        raise FileExistsError(f"{out} exists already")
    parts.claim()
    run_unfinished(parts, processes, simulate)
    rejections: list[int] = []
    frames = without_rejections(parts.joined(), rejections)
    replace_atomically(parts.folder / "joined", lambda path: write_frames(path, frames))
    (parts.folder / "joined").replace(out)
    shutil.rmtree(parts.folder)
    return sum(rejections)


def run_unfinished(parts: Parts, processes: int, simulate: Simulate) -> None:
    """Run and save the trajectories that have no file yet, showing progress in frames."""
    todo = parts.unfinished()
    context = multiprocessing.get_context("spawn")  # MPI does not survive a fork
    with (
        tqdm(total=parts.plan.frames, unit="frame", smoothing=0) as bar,
        ProcessPoolExecutor(processes, context, exit_with_parent) as pool,
    ):
        bar.update(parts.plan.frames - sum(todo.values()))
        jobs = {pool.submit(run_part, parts, t, n, simulate): n for t, n in todo.items()}
        try:
            for job in as_completed(jobs):
                job.result()
                bar.update(jobs[job])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_part(parts: Parts, trajectory: int, n_snapshots: int, simulate: Simulate) -> None:
    """Run one trajectory and save it."""
    parts.save(trajectory, simulate(parts.plan.seed, trajectory, n_snapshots))


def exit_with_parent() -> None:
    """Make this worker end when the main process is killed, rather than wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def without_rejections(frames: Iterable[Atoms], rejections: list[int]) -> Iterator[Atoms]:
    """Yield frames, moving their ``info["rejected"]`` to a list."""
    for frame in frames:
        rejections.append(frame.info.pop("rejected"))
        yield frame


def write_extxyz(path: Path, frames: Iterable[Atoms]) -> None:
    """Write frames as extended xyz text."""
    with open(path, "w", encoding="utf-8") as handle:
        for frame in frames:
            write(handle, frame, format="extxyz")


def write_compressed_extxyz(path: Path, frames: Iterable[Atoms]) -> None:
    """Write frames as extended xyz text, xz-compressed as tightly as it goes."""
    preset = 9 | lzma.PRESET_EXTREME
    with lzma.open(path, "wt", preset=preset, encoding="utf-8") as handle:
        for frame in frames:
            write(handle, frame, format="extxyz")


def write_trajectory(path: Path, frames: Iterable[Atoms]) -> None:
    """Write frames as an ase trajectory."""
    with Trajectory(path, "w") as writer:
        for frame in frames:
            writer.write(frame)


WRITERS = {
    ".extxyz.xz": write_compressed_extxyz,
    ".extxyz": write_extxyz,
    ".traj": write_trajectory,
}


def choose_writer(out: Path) -> Callable[[Path, Iterable[Atoms]], None]:
    """Return the writer for a file's ending.

    Raises:
        ValueError: there is none.
    """
    for ending, writer in WRITERS.items():
        if out.name.endswith(ending):
            return writer
    raise ValueError(f"--out must end in one of {', '.join(WRITERS)}, got {out.name}")


if __name__ == "__main__":
    sys.exit(main())
