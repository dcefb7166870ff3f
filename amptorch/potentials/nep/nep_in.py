"""Reading nep.in, GPUMD's input for training: a keyword and its values in each line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .keywords import FineTune, NepInError, read_line

__all__ = ["FLAGS", "FineTune", "NepIn", "NepInError"]

FLAGS = ("222", "1111", "112", "123", "233", "134")
"""Invariants beyond those of three bodies, in the order of the keyword l_max."""


@dataclass
class NepIn:
    """What nep.in says, under the names of its keywords.

    Attributes:
        type: elements.
        cutoff: radial and angular one, Å, of each element.
        l_max: highest l; ``flags`` whether there are the invariants of ``FLAGS``.
        neuron: nodes of one or two hidden layers.
        lambda_1, lambda_2: None where they follow from the number of parameters.
        type_weight: of each element.
        batch, full: frames of a batch; all batches in each generation.
        zbl: outer cutoff, Å; ``zbl_factor`` with radii of elements.
        save_potential: every so many generations, form of the name, with nep.restart.
    """

    type: tuple[str, ...] = ()
    version: int = 4
    model_type: int = 0
    prediction: bool = False
    cutoff: tuple[tuple[float, float], ...] = ()
    n_max: tuple[int, int] = (6, 6)
    basis_size: tuple[int, int] = (6, 6)
    l_max: int = 4
    flags: tuple[bool, ...] = (True, *(False,) * 5)
    neuron: tuple[int, ...] = (30,)
    lambda_1: float | None = None
    lambda_2: float | None = None
    lambda_e: float = 1.0
    lambda_f: float = 1.0
    lambda_v: float = 0.1
    lambda_shear: float = 1.0
    force_delta: float = 0.0
    type_weight: tuple[float, ...] = ()
    batch: int = 1000
    full: bool = False
    population: int = 50
    generation: int = 100000
    zbl: float | None = None
    zbl_factor: float | None = None
    initial_para: float = 1.0
    sigma0: float = 0.1
    fine_tune: FineTune | None = None
    import_q_scaler: bool = False
    save_potential: tuple[int, int, int] = (100000, 1, 0)
    output_interval: int = 100
    output_descriptor: int = 0
    lines: dict[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> NepIn:
        """Read a file.

        Raises:
            NepInError: see there.
        """
        return cls.parse(path.read_text(encoding="utf-8"), str(path))

    @classmethod
    def parse(cls, text: str, name: str = "nep.in") -> NepIn:
        """Read the text of a file, which errors call by ``name``."""
        found = cls()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if words:
                read_line(found, words, f"{name}, line {number}")
                found.lines[words[0].lower()] = number
        if not found.type:
            raise NepInError(f"{name}: expected the keyword `type` with the elements")
        if not found.cutoff:
            found.cutoff = ((8.0, 4.0),) * len(found.type)
        found.type_weight = found.type_weight or (1.0,) * len(found.type)
        return found

    def text(self) -> str:
        """As a file whose keywords stand for what is here, for those that are not at their
        defaults."""
        default = NepIn(type=self.type, cutoff=((8.0, 4.0),) * len(self.type))
        default.type_weight = (1.0,) * len(self.type)
        lines = [f"type {len(self.type)} {' '.join(self.type)}"]
        changed = [
            each.name
            for each in fields(self)
            if each.name not in ("type", "lines")
            and getattr(self, each.name) != getattr(default, each.name)
        ]
        return "\n".join([*lines, *dict.fromkeys(_written(self, name) for name in changed)]) + "\n"


def _written(settings: NepIn, name: str) -> str:
    """The line of a keyword."""
    whole = {"flags": "l_max", "full": "batch", "zbl_factor": "use_typewise_cutoff_zbl"}
    name = whole.get(name, name)
    values: dict[str, Callable[[], Sequence[Any]]] = {
        "cutoff": lambda: [each for pair in _short(settings.cutoff) for each in pair],
        "l_max": lambda: [settings.l_max, *map(int, settings.flags)],
        "batch": lambda: [settings.batch, int(settings.full)],
        "use_typewise_cutoff_zbl": lambda: [settings.zbl_factor],
        "fine_tune": lambda: list(vars(settings.fine_tune).values()),
    }
    value = values[name]() if name in values else getattr(settings, name)
    parts = value if isinstance(value, (list, tuple)) else [value]
    return " ".join([name, *(f"{int(p)}" if isinstance(p, bool) else f"{p}" for p in parts)])


def _short(cutoffs: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return cutoffs[:1] if len(set(cutoffs)) == 1 else cutoffs
