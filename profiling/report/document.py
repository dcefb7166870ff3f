"""A report of a command, and the files that it is written to."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amptorch.report.machine import describe

from . import html, markdown, schema, svg
from .parts import Check, Data, Figure, Listing, Measurement, Section, Table

REPORTS = Path("reports")


@dataclass
class Report:
    """What a command of ``python -m profiling`` found.

    Attributes:
        name: of the command.
        title: of the page.
        command: what one types to get it, with no path of this machine.
        data: what it was measured on, by role ("frames", "training").
        settings: of the command, as JSON takes them.
        checks: agreements, which come before any time is worth reading.
        measurements: what ``python -m profiling diff`` compares.
        sections: what is read.
        machine: processor, threads, versions.
        date: ISO 8601.
    """

    name: str
    title: str
    command: str
    data: dict[str, Data] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=describe)
    date: str = field(default_factory=lambda: _today())

    def measure(
        self, key: str, samples: Sequence[float], unit: str, larger_is_better: bool = False
    ) -> Measurement:
        """Add a measurement and return it.

        Raises:
            ValueError: the key is taken, or the samples are none or not finite.
        """
        if any(each.key == key for each in self.measurements):
            raise ValueError(f"{key}: expected a key that no other measurement has")
        found = Measurement(key, unit, [float(each) for each in samples], larger_is_better)
        self.measurements.append(found)
        return found

    def check(self, what: str, value: float, limit: float, unit: str = "") -> Check:
        """Add a check and return it; a report with a failed check says so on top."""
        found = Check(what, float(value), float(limit), unit)
        self.checks.append(found)
        return found

    @property
    def agrees(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    def write(self, out: Path | None = None) -> Path:
        """Write ``report.json``, ``.md`` and ``.html`` and the figures as ``.svg`` to a folder.

        Args:
            out: the folder, default ``reports/<date>-<name>``, with a number behind it where that
                is taken.

        Returns:
            The folder.

        Raises:
            ValueError: two figures have one name.
        """
        figures = {each.name: each for section in self.sections for each in section.figures}
        if len(figures) < sum(len(section.figures) for section in self.sections):
            raise ValueError(f"figures: expected names that differ, got {sorted(figures)} and more")
        folder = out or default_folder(self.name)
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(schema.to_json(self), indent=1, ensure_ascii=False, allow_nan=False)
        files = {
            "report.json": content + "\n",
            "report.md": markdown.page(self),
            "report.html": html.page(self),
            **{f"{name}.svg": svg.in_a_file(each.svg) for name, each in figures.items()},
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    @classmethod
    def read(cls, path: Path) -> Report:
        """The report that was written to a folder, or whose ``report.json`` this is.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the file is not a report of this form.
        """
        file = path / "report.json" if path.is_dir() else path
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            schema.validate(content)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        del content["format"]
        data = {
            role: Data(**{**each, "atoms": tuple(each["atoms"])})
            for role, each in content["data"].items()
        }
        nan = float("nan")
        checks = [
            Check(**{**each, "value": nan if each["value"] is None else each["value"]})
            for each in content["checks"]
        ]
        measurements = [Measurement(**each) for each in content["measurements"]]
        sections = [_section(each, file.parent) for each in content["sections"]]
        read = {"data": data, "checks": checks, "measurements": measurements, "sections": sections}
        return cls(**{**content, **read})


def default_folder(name: str) -> Path:
    """``reports/<date>-<name>``, with a number behind it where that is taken."""
    plain = f"{_today()}-{name}"
    folder, number = REPORTS / plain, 1
    while folder.exists():
        number += 1
        folder = REPORTS / f"{plain}-{number}"
    return folder


def _today() -> str:
    return datetime.date.today().isoformat()


def _section(content: dict[str, Any], folder: Path) -> Section:
    figures = []
    for each in content["figures"]:
        text = (folder / f"{each['name']}.svg").read_text(encoding="utf-8")
        figures.append(Figure(each["name"], svg.from_a_file(text), each["caption"]))
    return Section(
        content["heading"],
        content["text"],
        [Table(**each) for each in content["tables"]],
        figures,
        [Listing(**each) for each in content["listings"]],
    )
