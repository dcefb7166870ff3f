"""Rows of coefficients of densities that energies are not linear in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from amptorch.potentials.ace.density_rows import DensityRows
from amptorch.potentials.ace.embeddings import KINDS
from amptorch.potentials.model import LinearModel, voigt

from ...ace import BONDS, potential_of
from ...tolerances import FINITE_DIFFERENCE, KERNEL
from .test_model import batch_of, salt

PLACES = (0, 1, None)
NAMES = ("energies", "forces", "virials")


def potential(dtype=torch.float64, kind=KINDS[0]):
    """Of chlorine and sodium, of which the latter has one density."""
    found = potential_of(BONDS["inner"], dtype=dtype)
    expansion = found.model.expansion
    first, second = (replace(each, kind=kind) for each in expansion.embeddings)
    second = replace(second, prefactors=second.prefactors[:1], exponents=second.exponents[:1])
    found.model.expansion = replace(expansion, embeddings=[first, second])
    return found


def frames():
    return [salt(), salt()[:5]]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("p", PLACES)
def test_the_kernel_has_the_rows_of_torch(dtype, p):
    made = potential(dtype)
    batch = batch_of(made.descriptor, frames()).to(dtype)
    linear = DensityRows(made.model, p)
    found, expected = linear.rows(batch), LinearModel.rows(linear, batch)
    for name in NAMES:
        one, other = getattr(found, name), getattr(expected, name)
        assert (one - other).abs().max() <= KERNEL[dtype] * other.abs().max()
    energies = linear.rows(batch, forces=False).energies
    assert (energies - expected.energies).abs().max() <= KERNEL[dtype] * energies.abs().max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0, 1])
def test_rows_are_changes_by_coefficients(kind, p):
    made = potential(kind=kind)
    model, batch = made.model, batch_of(made.descriptor, frames())
    linear = DensityRows(model, p)
    rows = linear.rows(batch)
    n = len(model.constants)
    functions = model.expansion.n_functions
    for f in range(0, functions, functions // 7):
        places = linear.order[n + f]
        both = [_values(model, batch, (f, p), step) for step in (1e-5, -1e-5)]
        for name, plus, minus in zip(NAMES, *both, strict=True):
            expected, found = (plus - minus) / 2e-5, getattr(rows, name)[:, places]
            size = getattr(rows, name).abs().max()
            assert (found - expected).abs().max() <= 10 * FINITE_DIFFERENCE * size


def _values(model, batch, place, step):
    """Energies, forces and virials where a coefficient has changed."""
    with torch.no_grad():
        kept = model.coefficients[place].clone()
        model.coefficients[place] += step
        energies, slopes = model.energies_and_gradient(batch, gradient=True)
        forces, virials = batch.primes.forces_and_virials(slopes, batch.batch, batch.num_graphs)
        model.coefficients[place] = kept
    return energies, forces.flatten(), voigt(virials).flatten()
