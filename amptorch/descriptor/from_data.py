"""Descriptor parameters that the data decide: sets chosen automatically, functions left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms

from .Gaussian import Gaussian
from .Gaussian.auto import automatic_set, nearest_distances, options_of
from .Gaussian.pruning import Dropped, prune
from .schemes import Setup, construct_descriptor, is_auto


@dataclass
class Choice:
    """What was chosen.

    Attributes:
        setup: (fp_scheme, fp_params, cutoff_params, elements), explicit.
        distances: smallest distance (Å) of each element pair in a sample of the data, such as
            "Fe-O", where the set was chosen by them.
        dropped: functions that were left out.
    """

    setup: Setup
    distances: dict[str, float] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)

    @property
    def functions(self) -> dict[str, int]:
        """Number of functions of each element."""
        tables = self.setup[1].descriptor_setup
        return {element: len(table) for element, table in tables.items()}

    def summary(self) -> str:
        """Two or three lines of text."""
        counts = ", ".join(f"{number} of {element}" for element, number in self.functions.items())
        lines = [f"symmetry functions: {counts}"]
        if self.distances:
            near = ", ".join(f"{pair} {length:.2f}" for pair, length in self.distances.items())
            lines.append(f"nearest distances (Å): {near}")
        if self.dropped:
            lines.append(f"dropped for their small range over the data: {len(self.dropped)}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain values: counts, distances, what was dropped, and the tables of what remains
        (columns: type, Z of j, Z of k, cutoff, eta in 1/Å^2, rs or zeta, lambda; no Z of j where
        functions are element-weighted)."""
        tables = self.setup[1].descriptor_setup
        return {
            "functions": self.functions,
            "nearest_distances": self.distances,
            "dropped": [asdict(each) for each in self.dropped],
            "tables": {element: table.tolist() for element, table in tables.items()},
        }

    def write(self, path: str | Path) -> None:
        """Write :meth:`to_json` to a file."""
        Path(path).write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")


def depends_on_data(parameters: object, threshold: float | None) -> bool:
    """Whether ``fp_params`` and ``prune`` leave something for :func:`choose` to decide."""
    return is_auto(parameters) or threshold is not None


def choose(
    setup: Setup,
    images: Iterable[Atoms],
    threshold: float | None = None,
    verbose: bool = False,
) -> Choice:
    """The explicit parameters for ``fp_params`` "auto" and, with a threshold, without the functions
    whose range over the images is under it.

    Args:
        setup: (fp_scheme, fp_params, cutoff_params, elements).
        images: of the training data; may be gone through twice, and are never held all at once.
        threshold: smallest range of a function that is kept; None keeps all.
        verbose: show a progress bar.

    Raises:
        ValueError: a scheme other than "gaussian", options that are not known, or nothing left.
    """
    scheme, parameters, cutoff_params, elements = setup
    if str(scheme).lower() != "gaussian":
        raise ValueError(
            f"dataset: fp_params 'auto' and prune need fp_scheme 'gaussian', got {scheme!r}"
        )
    choice = Choice(setup)
    if is_auto(parameters):
        options = options_of(parameters)
        distances = nearest_distances(images, elements, options.cutoff)
        function = cutoff_params if isinstance(cutoff_params, Mapping) else None
        parameters = automatic_set(options, elements, distances, function)
        choice.distances = {"-".join(pair): length for pair, length in sorted(distances.items())}
    if threshold is not None:
        descriptor = construct_descriptor((scheme, parameters, cutoff_params, elements))
        assert isinstance(descriptor, Gaussian)
        parameters, choice.dropped = prune(descriptor, images, threshold, verbose)
    choice.setup = ("gaussian", parameters, cutoff_params, list(elements))
    return choice
