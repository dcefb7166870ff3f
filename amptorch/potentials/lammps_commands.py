"""Commands of LAMMPS that run a potential, beside ZBL where that is its baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ase.data import atomic_numbers

from ..data.baseline import Baseline
from ..preprocessing.pair_baseline import ZBL
from ..preprocessing.scaling import Scalers, energies_of_elements, parts_of_baselines

Part = TypeVar("Part", bound=Baseline)


def constants_and_zbl(
    scalers: Scalers,
    elements: Sequence[str],
    frame_size: int | None = None,
    besides: Sequence[type[Any]] = (),
) -> tuple[dict[str, float], ZBL | None]:
    """What is beside the model: energies (eV) of an atom of each element, and ZBL.

    Args:
        scalers: of the potential.
        elements: chemical symbols.
        frame_size: number of atoms, where a mean of frames is taken off.
        besides: other kinds of baselines that the caller sees to.

    Raises:
        ValueError: other baselines, several of ZBL, or a mean of frames without ``frame_size``.
    """
    kinds: tuple[type[Any], ...] = (ZBL, *besides)
    energies = energies_of_elements(scalers, elements, "LAMMPS", frame_size, besides=kinds)
    return energies, only_one(scalers, ZBL)


def only_one(scalers: Scalers, kind: type[Part]) -> Part | None:
    """The baseline of a kind, if there is one.

    Raises:
        ValueError: there are several.
    """
    found = [part for part in parts_of_baselines(scalers) if isinstance(part, kind)]
    if len(found) > 1:
        raise ValueError(f"LAMMPS: expected one baseline {found[0].name!r}, got several")
    return found[0] if found else None


def text(
    style: str,
    options: Sequence[object],
    files: Sequence[object],
    elements: Sequence[str],
    zbl: ZBL | None,
) -> str:
    """``pair_style`` and ``pair_coeff`` for atom types 1, 2, ... of the elements.

    Args:
        style: of the potential.
        options: what stands behind the style.
        files: what stands before the elements in ``pair_coeff``.
        elements: chemical symbols.
        zbl: by ``hybrid/overlay``, if there is any.
    """
    own = " ".join(map(str, (style, *options)))
    coefficients = [*files, *elements]
    lines = ["# written by amptorch; units metal"]
    if zbl is None:
        lines += [f"pair_style {own}", _line("pair_coeff * *", coefficients)]
    else:
        charges = [atomic_numbers[element] for element in elements]
        lines.append(f"pair_style hybrid/overlay zbl {zbl.inner!r} {zbl.outer!r} {own}")
        lines += [
            f"pair_coeff {i} {j} zbl {charges[i - 1]} {charges[j - 1]}"
            for i in range(1, len(charges) + 1)
            for j in range(i, len(charges) + 1)
        ]
        lines.append(_line(f"pair_coeff * * {style}", coefficients))
    return "\n".join(lines) + "\n"


def _line(command: str, values: Sequence[object]) -> str:
    return " ".join([command, *map(str, values)])


def read(path: Path) -> list[list[str]]:
    """Words of the commands of a file, its variables put in.

    Raises:
        ValueError: a variable that it does not define.
    """
    joined = path.read_text(encoding="utf-8").replace("&\n", " ")
    variables: dict[str, str] = {}
    commands = []
    for line in joined.splitlines():
        words = _with_variables(line.partition("#")[0], variables, path).split()
        if words[:1] == ["variable"] and len(words) >= 4:
            variables[words[1]] = words[3]
        elif words:
            commands.append(words)
    return commands


def _with_variables(line: str, variables: Mapping[str, str], path: Path) -> str:
    for name, value in variables.items():
        line = line.replace(f"${{{name}}}", value)
    if "$" in line:
        raise ValueError(f"{path}: {line.strip()}: a variable that the file does not define")
    return line


def zbl_of(commands: Sequence[Sequence[str]], elements: Sequence[str], path: Path) -> ZBL | None:
    """ZBL among the commands of a file.

    Raises:
        ValueError: charges other than those of the elements.
    """
    (style,) = [words for words in commands if words[0] == "pair_style"] or [[]]
    if "zbl" not in style:
        return None
    place = style.index("zbl")
    for words in commands:
        if words[0] == "pair_coeff" and words[3:4] == ["zbl"]:
            _check_charges(words, elements, path)
    return ZBL(float(style[place + 1]), float(style[place + 2]))


def _check_charges(words: Sequence[str], elements: Sequence[str], path: Path) -> None:
    expected: list[Any] = [atomic_numbers[elements[int(kind) - 1]] for kind in words[1:3]]
    if [float(word) for word in words[4:6]] != expected:
        raise ValueError(
            f"{path}: {' '.join(words)}: expected the charges {expected} of its elements"
        )
