"""Epochs of training on forces on a device: time, memory, and what the device waits for."""

from __future__ import annotations

import time

from amptorch import AtomsTrainer

from .device import Profile, peak_memory, profiled
from .gpu_kernels import Work
from .report import Report, Section, Table
from .workload import train, trainer_of

TOP = 20  # kernels in the table of an epoch


def measure(report: Report, work: Work, form: str) -> None:
    """Add epochs with derivatives "on_the_fly" or "cached" to a report."""
    key, on_gpu = f"epoch/{form}/{work.name}", work.device.type == "cuda"
    begun = time.perf_counter()
    trainer = trainer_of(
        work.images,
        epochs=1 + work.repeats,
        gpus=int(on_gpu),
        derivatives=form,
        batch_size=work.batch,
        dtype=work.dtype,
    )
    report.measure(f"{key}/load", [time.perf_counter() - begun], "s")
    memory = peak_memory(lambda: train(trainer), work.device)
    history = trainer.net.history.to_list()
    seconds = report.measure(f"{key}/epoch", [row["dur"] for row in history[1:]], "s")
    report.measure(f"{key}/first epoch", [history[0]["dur"]], "s")
    if memory is not None:
        report.measure(f"{key}/peak memory", [memory], "MB")
    found = profiled(lambda: _one_more(trainer), work.device, work.trace)
    report.measure(f"{key}/device busy", [found.busy], "ms")
    report.measure(f"{key}/device idle", [100 * found.idle], "%")
    said = "" if memory is None else f" It takes {memory:.0f} MB on the device at most."
    text = (
        f"Epochs of {len(work.images)} frames in batches of {work.batch}: {seconds.median:.3g} s "
        f"each, the first one, in which kernels are compiled, {history[0]['dur']:.3g} s.{said} In "
        f"the epoch that was profiled, of {found.wall:.0f} ms, the device is busy for "
        f"{found.busy:.1f} ms: {found.idle:.0%} of the time it has nothing to do."
    )
    heading = f"A training epoch, {form}, {work.name}"
    report.sections.append(Section(heading, [text], [_kernels(found), _stages(found)]))


def _one_more(trainer: AtomsTrainer) -> None:
    trainer.net.partial_fit(trainer.train_dataset, None, epochs=1)


def _kernels(found: Profile) -> Table:
    """Kernels, the longest first."""
    longest = sorted(found.kernels.items(), key=lambda item: -item[1])[:TOP]
    rows = [[f"`{name}`", f"{ms:.3f}", f"{ms / found.busy:.1%}"] for name, ms in longest]
    return Table(["kernel", "ms", "share of the busy time"], rows)


def _stages(found: Profile) -> Table:
    """Where the host is, the longest first."""
    longest = sorted(found.stages.items(), key=lambda item: -item[1])
    rows = [[f"`{name}`", f"{ms:.3f}", f"{ms / found.wall:.1%}"] for name, ms in longest]
    return Table(["stage of the host", "ms", "share of the epoch"], rows)
