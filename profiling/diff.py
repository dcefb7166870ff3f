"""Two reports of a command: what got slower or larger beyond the noise.

The median lies between the k-th smallest and the k-th largest of n samples with a probability that
the binomial distribution gives, whatever theirs is (W. R. Thompson, Ann. Math. Stat. 7, 122, 1936).
Where these intervals of 95 % do not overlap, and the medians differ by more than the threshold, the
change is beyond the noise. Fewer than five samples do not tell their noise, and decide nothing.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binom

from amptorch.report.markdown import table

from .report import Measurement, Report, Section, Table

THRESHOLD = 0.1
FEWEST = 5
TIME = re.compile(r"(ns|µs|us|ms|s|min|h)\b")
SMOKE = ["{report}", "{report}", "--out", "{out}"]


@dataclass
class Change:
    """A measurement in two reports.

    Attributes:
        before, after: of one key and unit.
        threshold: the smallest change that counts, as a share.
    """

    before: Measurement
    after: Measurement
    threshold: float = THRESHOLD

    @property
    def ratio(self) -> float:
        """Of the medians, after by before."""
        before, after = self.before.median, self.after.median
        if before == after:
            return 1.0
        return after / before if before else math.copysign(math.inf, after)

    @property
    def verdict(self) -> str:
        """ "slower", "faster", "larger", "smaller" (rates: "lower", "higher"), "noise unknown" or
        nothing."""
        low, high = sorted((self.before.median, self.after.median))
        if high - low <= self.threshold * low or self._overlap():
            return ""
        if min(len(self.before.samples), len(self.after.samples)) < FEWEST:
            return "noise unknown"
        return self._words()[self.after.median > self.before.median]

    @property
    def is_worse(self) -> bool:
        """More of a cost, or less of a rate."""
        worse = self._words()[not self.before.larger_is_better]
        return self.verdict == worse

    def _words(self) -> tuple[str, str]:
        """For less and for more."""
        if self.before.larger_is_better:
            return "lower", "higher"
        return ("faster", "slower") if TIME.match(self.before.unit) else ("smaller", "larger")

    def _overlap(self) -> bool:
        low, high = sorted((self.before, self.after), key=lambda each: each.median)
        return interval(low.samples)[1] >= interval(high.samples)[0]


@dataclass
class Difference:
    """Two reports set against each other.

    Attributes:
        changes: measurements of both, in the order of the first.
        only: keys of one of them, by "A" and "B".
        warnings: why ratios may mean little.
    """

    changes: list[Change]
    only: dict[str, list[str]]
    warnings: list[str]

    @property
    def worse(self) -> list[Change]:
        """What got slower or larger."""
        return [change for change in self.changes if change.is_worse]


def interval(samples: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with 95 %; of fewer than six samples the smallest and the largest."""
    ordered = sorted(samples)
    place = max(int(binom.ppf(0.025, len(ordered), 0.5)), 1)
    return ordered[place - 1], ordered[-place]


def compare(before: Report, after: Report, threshold: float = THRESHOLD) -> Difference:
    """Set the measurements of two reports against each other by their keys.

    Args:
        before, after: reports of one command.
        threshold: the smallest change that counts, as a share.
    """
    old = {each.key: each for each in before.measurements}
    new = {each.key: each for each in after.measurements}
    both = [key for key in old if key in new]
    units = [key for key in both if old[key].unit != new[key].unit]
    changes = [Change(old[key], new[key], threshold) for key in both if key not in units]
    only = {
        "A": [key for key in old if key not in new],
        "B": [key for key in new if key not in old],
    }
    unlike = [
        f"{key}: units differ, {old[key].unit} and {new[key].unit}; not compared" for key in units
    ]
    return Difference(changes, only, [*_warnings(before, after), *unlike])


def changes_table(changes: list[Change]) -> Table:
    """Medians, ratio and verdict."""
    rows = [
        [
            change.before.key,
            f"{change.before.median:.4g}",
            f"{change.after.median:.4g}",
            change.before.unit,
            f"{change.ratio:.3f}",
            change.verdict,
        ]
        for change in changes
    ]
    return Table(["", "A", "B", "unit", "B / A", "verdict"], rows)


def summary(found: Difference) -> str:
    """What got worse, in a line."""
    if not found.worse:
        return "Nothing got slower or larger beyond the noise."
    words = [f"{each.before.key} {each.verdict} ({each.ratio:.2f} times)" for each in found.worse]
    return "Beyond the noise: " + ", ".join(words) + "."


def add_command(commands: Any) -> None:
    """Add ``diff`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("diff", help=__doc__.splitlines()[0])
    parser.add_argument("before", metavar="A", type=Path, help="folder of a report, or report.json")
    parser.add_argument("after", metavar="B", type=Path, help="the same command, later")
    parser.add_argument(
        "--threshold", type=float, default=THRESHOLD, help="smallest change that counts, as a share"
    )
    parser.add_argument("--out", type=Path, help="folder to write a report to; none by default")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    before, after = Report.read(arguments.before), Report.read(arguments.after)
    found = compare(before, after, arguments.threshold)
    for warning in found.warnings:
        print(f"warning: {warning}")
    if found.changes:
        print(f"\n{table(changes_table(found.changes))}\n")
    for name, keys in found.only.items():
        if keys:
            print(f"only in {name}: {', '.join(keys)}")
    print(summary(found))
    if arguments.out:
        report = _report(before, after, found, arguments.threshold)
        print(f"report: {report.write(arguments.out) / 'report.html'}")
    if found.worse:
        raise SystemExit(1)


def _report(before: Report, after: Report, found: Difference, threshold: float) -> Report:
    data = {
        f"{role}, {name}": each
        for name, report in (("A", before), ("B", after))
        for role, each in report.data.items()
    }
    settings = {"threshold": threshold, "A": _origin(before), "B": _origin(after)}
    report = Report(
        "diff", f"Difference of two reports: {after.title}", "python -m profiling diff A B", data
    )
    report.settings = settings
    failed = sum(not check.passed for each in (before, after) for check in each.checks)
    report.check("checks that failed in A and B", failed, 0)
    only = [f"Only in {name}: {', '.join(keys)}." for name, keys in found.only.items() if keys]
    text = [summary(found), *(f"Warning: {each}." for each in found.warnings), *only]
    tables = [changes_table(found.changes)] if found.changes else []
    report.sections.append(Section("What changed", text, tables))
    return report


def _origin(report: Report) -> str:
    return f"{report.command}, {report.date}"


def _warnings(before: Report, after: Report) -> list[str]:
    """What was not the same, and checks that failed."""
    warnings = []
    for name, report in (("A", before), ("B", after)):
        failed = [check.what for check in report.checks if not check.passed]
        if failed:
            warnings.append(f"in {name} checks failed: {', '.join(failed)}")
    kinds = {
        "command": ({"name": before.name}, {"name": after.name}),
        "machine": (_flat(before.machine), _flat(after.machine)),
        "settings": (_flat(before.settings), _flat(after.settings)),
        "data": (_checksums(before), _checksums(after)),
    }
    for kind, (one, other) in kinds.items():
        for key in dict.fromkeys([*one, *other]):
            values = one.get(key, "none"), other.get(key, "none")
            if values[0] != values[1]:
                warnings.append(f"{kind}: {key} differs, {values[0]} and {values[1]}")
    return warnings


def _checksums(report: Report) -> dict[str, str]:
    return {
        role: f"{data.frames} frames of {data.file} ({data.sha256[:16]})"
        for role, data in report.data.items()
    }


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{key} {name}": each for name, each in _flat(value).items()}
        else:
            flat[key] = value
    return flat
