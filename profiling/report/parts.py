"""What a report is made of, in no markup."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from amptorch.report.sections import Table

from . import svg


@dataclass
class Measurement:
    """Repeated measurements of one thing, named so that two reports can be compared.

    Attributes:
        key: such as "optimized/fingerprints"; the same in every report of a command.
        unit: such as "ms/frame" or "MB".
        samples: one finite number each time it was measured. Five or more tell the noise.
        larger_is_better: a rate, not a cost.

    Raises:
        ValueError: no sample, or one that is not finite.
    """

    key: str
    unit: str
    samples: list[float]
    larger_is_better: bool = False

    def __post_init__(self) -> None:
        if not self.samples or not all(map(math.isfinite, self.samples)):
            raise ValueError(f"{self.key}: expected finite samples, one or more: {self.samples}")

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

    Raises:
        ValueError: the picture has a script or an address.
    """

    name: str
    svg: str
    caption: str = ""

    def __post_init__(self) -> None:
        self.svg = svg.cleaned(self.svg, f"figure {self.name!r}")


@dataclass
class Listing:
    """Numbered lines, each with an anchor ``#<name>-<number>``; ``#<name>`` is the first's.

    Attributes:
        name: of letters, digits, "-", "_", "." and "/".
        lines: as they are shown; alignment is kept.
        caption: such as a file and a function.
        first: number of the first line.
        shares: of the total cost, 0 to 1, one for each line, shown as its colour; or empty.
    """

    name: str
    lines: list[str]
    caption: str = ""
    first: int = 1
    shares: list[float] = field(default_factory=list)


@dataclass
class Section:
    """A heading, paragraphs, tables, pictures and listings, in this order.

    In paragraphs and cells ``[words](target)`` is a link to an anchor (``#memory``) or to a file
    beside the report, and what is between backticks is code.
    """

    heading: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)


def _sha256(path: Path) -> str:
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest()
