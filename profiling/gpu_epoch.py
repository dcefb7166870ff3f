"""Epochs of training on forces on a device: time, memory, and what the device waits for."""

from __future__ import annotations

import time

from amptorch import AtomsTrainer
from amptorch.dataset.device_batches import DeviceCollater
from amptorch.dataset.frames import part

from .device import Profile, peak_memory, profiled
from .gpu_kernels import Work
from .report import Report, Section, Table
from .workload import train, trainer_of

TOP = 20  # kernels in the table of an epoch
PROFILED = 256  # frames of the epoch that is profiled, at most: a profile of more takes minutes
WHOLE = 16_000  # frames of a data set of real work, to which seconds are scaled


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
    each = seconds.median / len(work.images)
    report.measure(f"{key}/a batch", [1e3 * each * work.batch], "ms")
    report.measure(f"{key}/epoch scaled to {WHOLE} frames", [each * WHOLE], "s")
    said = "" if memory is None else f" It takes {memory:.0f} MB on the device at most."
    text = (
        f"Epochs of {len(work.images)} frames in batches of {work.batch}: {seconds.median:.3g} s "
        f"each, {1e3 * each * work.batch:.3g} ms a batch, the first one, in which kernels are "
        f"compiled and frames are laid on the device, {history[0]['dur']:.3g} s. Scaled to {WHOLE} "
        f"frames that is {each * WHOLE:.3g} s an epoch. {_where(trainer)}{said} In the epoch that "
        f"was profiled, of {_profiled(trainer)} frames and {found.wall:.0f} ms, the device is busy "
        f"for {found.busy:.1f} ms: {found.idle:.0%} of the time it has nothing to do."
    )
    heading = f"A training epoch, {form}, {work.name}"
    report.sections.append(Section(heading, [text], [kernels_of(found), stages_of(found)]))


def _one_more(trainer: AtomsTrainer) -> None:
    some = part(trainer.train_dataset, range(_profiled(trainer)))
    trainer.net.partial_fit(some, None, epochs=1)


def _profiled(trainer: AtomsTrainer) -> int:
    """Frames of the epoch that is profiled."""
    return min(PROFILED, len(trainer.train_dataset))


def _where(trainer: AtomsTrainer) -> str:
    """Where the frames are."""
    collater = trainer.net.iterator_train__collate_fn
    said = collater.words() if isinstance(collater, DeviceCollater) else "frames are on the host"
    return f"The {said}."


def kernels_of(found: Profile) -> Table:
    """Kernels, the longest first."""
    longest = sorted(found.kernels.items(), key=lambda item: -item[1])[:TOP]
    rows = [[f"`{name}`", f"{ms:.3f}", f"{ms / found.busy:.1%}"] for name, ms in longest]
    return Table(["kernel", "ms", "share of the busy time"], rows)


def stages_of(found: Profile) -> Table:
    """Where the host is, the longest first."""
    longest = sorted(found.stages.items(), key=lambda item: -item[1])
    rows = [[f"`{name}`", f"{ms:.3f}", f"{ms / found.wall:.1%}"] for name, ms in longest]
    return Table(["stage of the host", "ms", "share of all"], rows)
