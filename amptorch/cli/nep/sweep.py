"""``nep sweep``: each keyword alone around a default, the best of all together, and a long run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch

from ...potentials.nep.nep_in import NepIn
from ..interrupt import noticed
from ..parser import WrongUsage
from .sweep_report import write_sweep
from .trials import Journal, Outcome, Trial, best_of_each, carry_out, joined, plan, weighed


def run_sweep(path: Path, arguments: argparse.Namespace) -> None:
    """Carry out what is left to do, and report."""
    if arguments.parallel < 1:
        raise WrongUsage(f"--parallel: expected 1 or more, got {arguments.parallel}")
    out = arguments.out or path / "sweep"
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal.open(out / "sweep.json")
    text = _default(path, arguments)
    with noticed(f"the sweep in {path}") as lines:
        lines.append(f"{out} keeps what is done; to go on: the same command again")
        sweep = Sweep(path, out, journal, arguments)
        trials = plan(text, arguments.trials)
        outcomes = sweep.carry_out(trials)
        chosen = best_of_each(outcomes, text)
        more = [joined(text, chosen)] if len(chosen) > 1 else []
        more_outcomes = sweep.carry_out(more)
        final = _final(text, [*outcomes, *more_outcomes], arguments.long)
        long_outcomes = sweep.carry_out([final] if final else [])
        every = [*outcomes, *more_outcomes, *long_outcomes]
        write_sweep(out, path, every, [each.name for each in chosen])
    print(f"{out / 'report.html'}: {len(every)} runs; report.md beside it")


def _default(path: Path, arguments: argparse.Namespace) -> str:
    settings = NepIn.read(path / "nep.in")
    if arguments.generations is not None:
        settings = replace(settings, generation=arguments.generations)
    # Ten rows to take the least and the mean of.
    most = max(1, settings.generation // 10)
    return replace(settings, output_interval=min(settings.output_interval, most)).text()


def _final(text: str, outcomes: Sequence[Outcome], generations: int) -> Trial | None:
    """The best of all runs by the errors over all training frames, for longer."""
    if not generations:
        return None
    best = min(outcomes, key=lambda each: weighed(each, text))
    longer = replace(NepIn.parse(best.trial.nep_in), generation=generations)
    return Trial("long", "all", f"{best.trial.name}, {generations} generations", longer.text())


class Sweep:
    """Runs of trials."""

    def __init__(
        self, path: Path, out: Path, journal: Journal, arguments: argparse.Namespace
    ) -> None:
        self.path, self.out, self.journal = path, out, journal
        self.seed, self.parallel, self.quiet = arguments.seed, arguments.parallel, arguments.quiet

    def carry_out(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Outcomes of trials in their order; those in the journal are not run again."""
        left = [each for each in trials if self.journal.of(each) is None]
        for outcome in self._run(left):
            self.journal.add(outcome)
            if not self.quiet:
                energy, force, virial = (1e3 * each for each in outcome.whole[:3])
                print(
                    f"{outcome.trial.name}: {energy:.2f} meV/atom, {force:.1f} meV/Å, {virial:.2f} "
                    f"meV/atom over all training frames, {outcome.seconds:.0f} s"
                )
        found = [self.journal.of(each) for each in trials]
        return [each for each in found if each is not None]

    def _run(self, trials: Sequence[Trial]) -> Iterator[Outcome]:
        if self.parallel == 1 or len(trials) < 2:
            for trial in trials:
                yield carry_out(trial, self.out, self.path, self.seed)
            return
        threads = max(1, (os.cpu_count() or 1) // self.parallel)
        with ProcessPoolExecutor(
            self.parallel, get_context("spawn"), torch.set_num_threads, (threads,)
        ) as pool:
            given = [pool.submit(carry_out, t, self.out, self.path, self.seed) for t in trials]
            try:
                for each in as_completed(given):
                    yield each.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
