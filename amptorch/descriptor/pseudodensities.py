"""Atomic pseudodensities: sums of Gaussians, rho(r) = sum_g B_g exp(-beta_g r^2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The name of the bundled set; a checkpoint that names its files elsewhere means these numbers.
BUNDLED = "pseudodensity_psp_v3"


@cache
def bundled_pseudodensities() -> dict[str, list[list[float]]]:
    """The bundled set: per element a list of [B, beta], beta in 1/Å^2."""
    text = resources.files(__package__).joinpath("data/pseudodensities.json").read_text("utf-8")
    return json.loads(text)["densities"]


def load_pseudodensities(
    elements: Sequence[str], files: Mapping[str, str] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Pseudodensity [n_gaussians, 2] (B, beta) of each element.

    Args:
        elements: chemical symbols.
        files: paths by element, text with ``B beta`` a line; default the bundled set.

    Raises:
        ValueError: an element without a pseudodensity, or a file that is not of this form.
        FileNotFoundError: a file that is not there (unless it is named as one of the bundled set).
    """
    if files is not None:
        return {element: _from_files(element, files) for element in elements}
    return {element: _bundled(element) for element in elements}


def _bundled(element: str) -> NDArray[np.float64]:
    if element not in bundled_pseudodensities():
        raise ValueError(
            f"atom_gaussians: no pseudodensity of {element!r} is bundled; give a file for it"
        )
    return np.array(bundled_pseudodensities()[element])


def _from_files(element: str, files: Mapping[str, str]) -> NDArray[np.float64]:
    if element not in files:
        raise ValueError(f"atom_gaussians: no file for {element!r}, only for {sorted(files)}")
    path = Path(files[element])
    if not path.is_file() and path.parent.name == BUNDLED:
        return _bundled(element)
    if not path.is_file():
        raise FileNotFoundError(
            f"atom_gaussians: pseudodensity file of {element} not found: {path}"
        )
    try:
        density = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"atom_gaussians: {path} is not a table of 'B beta': {error}") from None
    if density.shape[1] != 2 or not (np.isfinite(density).all() and (density[:, 1] > 0).all()):
        raise ValueError(
            f"atom_gaussians: {path}: expected two finite columns, B and beta > 0, got an array "
            f"of shape {density.shape}"
        )
    return density


def stack(densities: Sequence[NDArray[np.float64]]) -> Tensor:
    """[n_species, n_gaussians_max, 2]; shorter lists are padded with B = 0, beta = 1."""
    longest = max(len(density) for density in densities)
    stacked = torch.zeros((len(densities), longest, 2), dtype=torch.float64)
    stacked[:, :, 1] = 1.0
    for species, density in enumerate(densities):
        stacked[species, : len(density)] = torch.from_numpy(density)
    return stacked
