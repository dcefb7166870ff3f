"""What is typed to get a report, and what a command shows of one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amptorch.report.markdown import table

from . import content
from .document import Report


def typed(command: str, **options: Any) -> str:
    """What one types: paths are names of files, a list is several words, None is left out."""
    words = ["python", "-m", "profiling", command]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        given = [str(each.name if isinstance(each, Path) else each) for each in values]
        words += [] if value is None else [f"--{name}", *given]
    return shlex.join(words)


def finish(report: Report, out: Path | None, headings: Sequence[str] = ()) -> None:
    """Write a report; print its tables, what its checks found, and where it is.

    Args:
        report: to write.
        out: folder, see :meth:`Report.write`.
        headings: of the sections that are printed, default all.

    Raises:
        SystemExit: with status 1, a check failed.
    """
    folder = report.write(out)
    for section in content.sections(report).values():
        if headings and section.heading not in headings:
            continue
        print("\n".join([f"\n{section.heading}", *section.text]))
        for each in section.tables:
            print(f"\n{table(each)}")
    for check in report.checks:
        print(f"\n{'passed' if check.passed else 'FAILED'}: {content.checked(check)}", end="")
    print(f"\n\n{content.verdict(report)}.\nreport: {folder / 'report.html'}")
    if not report.agrees:
        raise SystemExit(1)
