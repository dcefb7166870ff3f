"""What a report holds, in no markup."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from amptorch.report.machine import describe

from .table import Table

REPORTS = Path("reports")


@dataclass
class Measurement:
    """Repeated measurements of one thing, named so that two reports can be compared.

    Attributes:
        key: such as "optimized/fingerprints"; the same in every report of a command.
        unit: such as "ms/frame" or "MB".
        samples: one number each time it was measured.
        larger_is_better: a rate, not a cost.
    """

    key: str
    unit: str
    samples: list[float]
    larger_is_better: bool = False

    @property
    def median(self) -> float:
        """Of the samples."""
        return float(np.median(self.samples))

    @property
    def quartiles(self) -> tuple[float, float]:
        """Of the samples, the lower and the upper."""
        low, high = np.quantile(self.samples, [0.25, 0.75])
        return float(low), float(high)


@dataclass
class Check:
    """A difference that must not be larger than its limit.

    Attributes:
        what: what agrees with what.
        value, limit, unit: the difference found, the largest allowed one.
    """

    what: str
    value: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        """False for a NaN too."""
        return self.value <= self.limit


@dataclass
class Data:
    """Frames that were measured on.

    Attributes:
        file, sha256: name and checksum of the file they come from.
        frames: how many.
        atoms: the smallest and the largest number in a frame.
        remark: what a reader must know of them.
    """

    file: str
    sha256: str
    frames: int
    atoms: tuple[int, int]
    remark: str = ""

    @classmethod
    def of(cls, path: Path, images: Sequence[Atoms], remark: str = "") -> Data:
        """The frames ``images`` of the file ``path``."""
        sizes = [len(image) for image in images]
        checksum = _sha256(path)
        return cls(path.name, checksum, len(sizes), (min(sizes), max(sizes)), remark)


@dataclass
class Figure:
    """A picture.

    Attributes:
        name: of its file, with no ending.
        svg: the picture, one ``<svg>`` element.
        caption: what it shows.
    """

    name: str
    svg: str
    caption: str = ""


@dataclass
class Section:
    """A heading, paragraphs, tables and pictures, in this order."""

    heading: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


@dataclass
class Report:
    """What a command of ``python -m profiling`` found.

    Attributes:
        name: of the command.
        title: of the page.
        command: what one types to get it, with no path of this machine.
        data: what it was measured on, by role ("frames", "training").
        settings: of the command.
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
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def measure(
        self, key: str, samples: Sequence[float], unit: str, larger_is_better: bool = False
    ) -> Measurement:
        """Add a measurement and return it."""
        found = Measurement(key, unit, [float(each) for each in samples], larger_is_better)
        self.measurements.append(found)
        return found

    def check(self, what: str, value: float, limit: float, unit: str = "") -> Check:
        """Add a check and return it; a report with a failed check says so on top."""
        found = Check(what, float(value), limit, unit)
        self.checks.append(found)
        return found

    @property
    def agrees(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    def write(self, out: Path | None = None) -> Path:
        """Write ``report.json`` and all else to a folder, ``reports/<date>-<name>`` by default."""
        folder = out or REPORTS / f"{self.date}-{self.name}"
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(asdict(self), indent=1) + "\n"
        (folder / "report.json").write_text(content, encoding="utf-8")
        return folder


def _sha256(path: Path) -> str:
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest()
