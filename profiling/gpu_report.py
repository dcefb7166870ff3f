"""One report of all steps of ``profiling/gpu_run.sh``, which calls this last."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from .report import Listing, Report, Section, Table, finish

HEADER = ["step", "result", "seconds", "at most", "its last line"]
COMMAND = "profiling/gpu_run.sh"


def joined(card: str, steps: Path, environment: Path, parts: Sequence[Path]) -> Report:
    """The steps, the machine, and all that the parts found.

    Args:
        card: name of the GPU.
        steps: a line a step, five words with tabs between them, see ``HEADER``.
        environment: text on the machine.
        parts: folders of reports; one that is not there is left out, as its step says why.
    """
    report = Report("gpu_run", f"A GPU: {card}", COMMAND)
    with steps.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    failed = sum(row[1] != "passed" for row in rows)
    report.check("steps that did not pass", failed, 0)
    report.sections.append(Section("Steps", tables=[Table(HEADER, rows)]))
    for folder in parts:
        if (folder / "report.json").is_file():
            _add(report, Report.read(folder), folder.name)
    lines = environment.read_text(encoding="utf-8").splitlines()
    report.sections.append(Section("The machine", listings=[Listing("machine", lines)]))
    return report


def _add(report: Report, part: Report, name: str) -> None:
    report.data.update(part.data)
    report.settings[name] = part.settings
    report.checks += part.checks
    report.sections += part.sections
    for each in part.measurements:
        report.measure(f"{name}/{each.key}", each.samples, each.unit, each.larger_is_better)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(prog="python -m profiling.gpu_report", description=__doc__)
    parser.add_argument("--card", required=True)
    parser.add_argument("--steps", type=Path, required=True)
    parser.add_argument("--environment", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("parts", nargs="*", type=Path)
    given = parser.parse_args(arguments)
    report = joined(given.card, given.steps, given.environment, given.parts)
    finish(report, given.out, ["Steps"])


if __name__ == "__main__":
    main()
