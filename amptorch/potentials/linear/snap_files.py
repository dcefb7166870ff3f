"""SNAP potentials in the files of LAMMPS: ``X.snapcoeff`` and ``X.snapparam`` beside it, commands
that run them, ``X.snap``, and the same for ``pair_style mliap``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from ase.data import atomic_numbers
from torch import Tensor

from ...descriptor.bispectrum import Snap
from ...files.whole import write_whole
from ...preprocessing.pair_baseline import ZBL
from ...preprocessing.scaling import Scalers
from ...preprocessing.utils import FeatureScaler, TargetScaler
from .. import lammps_commands, mliap_files, snap_parameters
from ..potential import Potential
from .model import Linear, Quadratic
from .polynomial import equal_components, polynomials_of

COEFFICIENTS, PARAMETERS, COMMANDS = ".snapcoeff", ".snapparam", ".snap"


def is_coefficients(path: Path) -> bool:
    """Whether a path is a ``.snapcoeff`` file."""
    return path.is_file() and path.suffix == COEFFICIENTS


def is_commands(path: Path) -> bool:
    """Whether a path is a file of commands, ``.snap``."""
    return path.is_file() and path.suffix == COMMANDS


def read_coefficients(path: Path, device: torch.device) -> Potential:
    """The potential of a ``.snapcoeff`` file and the ``.snapparam`` file of its name, without what
    LAMMPS may be told to add.

    Raises:
        FileNotFoundError: no ``.snapparam`` file.
        ValueError: a line that cannot be read.
    """
    return _potential(path, path.with_suffix(PARAMETERS), device)


def read_commands(path: Path, device: torch.device) -> Potential:
    """The potential that a file of commands sets up: SNAP, and ZBL with it.

    Raises:
        FileNotFoundError: a file that it names is missing.
        ValueError: it sets up something else.
    """
    commands = lammps_commands.read(path)
    named = [
        place
        for words in commands
        if words[0] == "pair_coeff"
        for place in words[3:6]
        if place.endswith(COEFFICIENTS)
    ]
    if len(named) != 1:
        raise ValueError(f"{path}: expected one pair_coeff with a {COEFFICIENTS}, got {len(named)}")
    line = next(words for words in commands if named[0] in words)
    place = line.index(named[0])
    files = [path.parent / word for word in line[place : place + 2]]
    potential = _potential(files[0], files[1], device)
    zbl = lammps_commands.zbl_of(commands, line[place + 2 :], path)
    if zbl is not None:
        potential.scalers["fixed"] = zbl
    return potential


def _potential(coefficients: Path, parameters: Path, device: torch.device) -> Potential:
    for path in (coefficients, parameters):
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    elements, radii, weights, values = _read(coefficients)
    fp_params, quadratic = snap_parameters.read(parameters, elements)
    fp_params["radelem"] = dict(zip(elements, radii, strict=True))
    fp_params["wj"] = dict(zip(elements, weights, strict=True))
    descriptor = Snap(fp_params, elements)
    model = (Quadratic if quadratic else Linear)(elements, descriptor.n_features, covariance=False)
    if values.shape[1] != model.n_terms:
        raise ValueError(
            f"{coefficients}: {values.shape[1]} coefficients an element, expected {model.n_terms} "
            f"by {parameters}"
        )
    with torch.no_grad():
        model.coefficients.copy_(values.flatten())
    return Potential(model.to(device).eval(), descriptor, _scalers(descriptor))


def _scalers(descriptor: Snap) -> Scalers:
    """That leave all as it is."""
    n = descriptor.n_features
    numbers = [atomic_numbers[element] for element in descriptor.elements]
    ones, zeros = torch.ones(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    same = dict.fromkeys(numbers, (ones, zeros))
    return {"target": TargetScaler.of(0.0, 1.0), "feature": FeatureScaler.of_affine(same, {})}


def _read(path: Path) -> tuple[list[str], list[float], list[float], Tensor]:
    """Elements, radii, weights and coefficients [n_elements, n]."""
    rows = list(snap_parameters.lines(path))
    try:
        n_elements, n = (int(word) for word in rows[0][1])
        blocks = [rows[1 + k * (n + 1) : 1 + (k + 1) * (n + 1)] for k in range(n_elements)]
        heads = [block[0][1] for block in blocks]
        radii, weights = ([float(head[column]) for head in heads] for column in (1, 2))
        values = torch.tensor(
            [[float(words[0]) for _, words in block[1:]] for block in blocks], dtype=torch.float64
        )
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: expected the numbers of elements and coefficients, and for each element a "
            f"line 'symbol radius weight' and its coefficients: {error}"
        ) from error
    if values.shape != (n_elements, n):
        raise ValueError(f"{path}: expected {n_elements} x {n} coefficients, got {values.shape}")
    return [head[0] for head in heads], radii, weights, values


def write_snap(potential: Potential, path: Path, frame_size: int | None = None) -> None:
    """Write ``X.snapcoeff``, ``X.snapparam`` and ``X.snap``.

    Coefficients of components that are equal are averaged, which LAMMPS needs for right forces and
    which leaves energies as they are.

    Args:
        potential: linear or quadratic, of bispectrum components.
        path: X, X.snapcoeff, ...
        frame_size: number of atoms, where a mean of frames is taken off energies: it is shared
            among the atoms of a frame, which is right for frames of this size alone.

    Raises:
        ValueError: LAMMPS has no equal: another descriptor or baseline, or a mean without
            ``frame_size``.
    """
    descriptor = snap_parameters.snap_of(potential.descriptor, "SNAP")
    coefficients, zbl = _coefficients(potential, descriptor, frame_size)
    radii, weights = snap_parameters.radii_and_weights(descriptor)
    heads = [
        f"{element} {radius!r} {weight!r}\n"
        for element, radius, weight in zip(descriptor.elements, radii, weights, strict=True)
    ]
    blocks = [head + _column(each) for head, each in zip(heads, coefficients, strict=True)]
    title = f"# written by amptorch\n{len(blocks)} {len(coefficients[0])}\n"
    quadratic = cast("Linear", potential.model).quadratic
    names = [_sibling(path, suffix) for suffix in (COEFFICIENTS, PARAMETERS)]
    commands = lammps_commands.text(
        "snap", (), [name.name for name in names], descriptor.elements, zbl
    )
    _write(names[0], title + "".join(blocks))
    _write(names[1], snap_parameters.parameter_text(descriptor, quadratic))
    _write(_sibling(path, COMMANDS), commands)


def write_mliap(potential: Potential, path: Path, frame_size: int | None = None) -> None:
    """Write ``X.mliap.model``, ``X.mliap.descriptor`` and ``X.mliap``; see :func:`write_snap`."""
    descriptor = snap_parameters.snap_of(potential.descriptor, "mliap")
    coefficients, zbl = _coefficients(potential, descriptor, frame_size)
    kind = "quadratic" if cast("Linear", potential.model).quadratic else "linear"
    title = f"{len(coefficients)} {len(coefficients[0])}\n"
    model = title + "".join(map(_column, coefficients))
    mliap_files.write(path, kind, model, descriptor, zbl)


def _coefficients(
    potential: Potential, descriptor: Snap, frame_size: int | None
) -> tuple[list[Tensor], ZBL | None]:
    """By element, in eV."""
    scalers = potential.scalers
    energies, zbl = lammps_commands.constants_and_zbl(scalers, descriptor.elements, frame_size)
    unit = float(scalers["target"].target_std)
    model = cast("Linear", potential.model)
    groups = equal_components(descriptor)
    found = polynomials_of(model, scalers["feature"], unit, energies)
    return [each.averaged(groups).packed() for each in found.values()], zbl


def _column(values: Sequence[float] | Tensor) -> str:
    return "".join(f"{float(value)!r}\n" for value in values)


def _sibling(path: Path, suffix: str) -> Path:
    """The path with a suffix, in place of one of these."""
    known = (COEFFICIENTS, PARAMETERS, COMMANDS)
    stem = path.name.removesuffix(path.suffix) if path.suffix in known else path.name
    return path.with_name(stem + suffix)


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode)
