"""The forms that primes come in give the same forces, and the same slopes of a loss on forces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from amptorch.data.frame import AtomsData, collate
from amptorch.data.primes import OnTheFly, PairJacobian, SparsePrimes
from amptorch.dataset.in_memory import construct_descriptor
from amptorch.potentials.networks.model import BPNN, SingleNN
from amptorch.preprocessing import AtomsToData, FeatureScaler, sparse_block_diag

from ..made_potentials import SCHEMES, alloy_frames

ELEMENTS = ["Cu", "Pd"]
FORMS = {"cached": PairJacobian, "on_the_fly": OnTheFly, "sparse": SparsePrimes}


def images(scheme: str, form: str, number: int = 3) -> list[AtomsData]:
    """Scaled images with their primes in one form."""
    descriptor = construct_descriptor((*SCHEMES[scheme], ELEMENTS))
    derivatives = "on_the_fly" if form == "on_the_fly" else "cached"
    a2d = AtomsToData(descriptor, True, True, derivatives=derivatives)
    data = a2d.convert_all(alloy_frames(number), disable_tqdm=True)
    if form == "sparse":
        for each in data:
            each.fprimes = each.fprimes
    FeatureScaler(data, True, {"type": "standardize", "threshold": 1e-3}).norm(
        data, disable_tqdm=True
    )
    assert all(type(each.primes) is FORMS[form] for each in data)
    return data


def model(kind: Any, width: int) -> torch.nn.Module:
    torch.manual_seed(5)
    return kind(ELEMENTS, width, num_nodes=3, num_layers=1)


def slopes(scheme: str, form: str, kind: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Forces of a batch, and the slope of their mean square in each weight."""
    batch = collate(images(scheme, form))
    network = model(kind, batch.fingerprint.shape[1])
    energies, forces = network(batch)
    loss = (energies - batch.energy).square().mean() + (forces - batch.forces).square().mean()
    loss.backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert len(gradients) >= 4
    return forces.detach(), gradients


@pytest.mark.parametrize("kind", [BPNN, SingleNN])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_forms_agree(scheme, kind):
    forces, gradients = slopes(scheme, "cached", kind)
    assert forces.abs().max() > 1e-3
    for form in ("on_the_fly", "sparse"):
        other_forces, other_gradients = slopes(scheme, form, kind)
        torch.testing.assert_close(other_forces, forces, rtol=1e-9, atol=1e-11)
        for one, other in zip(gradients, other_gradients, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheme", ["gaussian_cosine", "gmpordernorm"])
def test_loss_on_forces_differentiates_in_the_weights(scheme, form):
    """Second derivatives of the network, and the transposed product of the primes."""
    batch = collate(images(scheme, form, 2))
    network = model(SingleNN, batch.fingerprint.shape[1])
    names = [name for name, _ in network.named_parameters() if "weight" in name]
    weights = [dict(network.named_parameters())[name].detach() for name in names]

    def outputs(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.func.functional_call(network, dict(zip(names, values, strict=True)), (batch,))

    assert gradcheck(outputs, [weight.clone().requires_grad_() for weight in weights], atol=1e-6)


@pytest.mark.parametrize("form", ["cached", "on_the_fly"])
def test_forces_and_virials(form):
    """Virials of a batch are those of its frames, and forces the sparse matrix's."""
    data = images("gaussian_cosine", form)
    batch = collate(data)
    gradient = torch.sin(torch.arange(batch.fingerprint.numel(), dtype=torch.float64))
    gradient = gradient.reshape(batch.fingerprint.shape)
    forces, virials = batch.primes.forces_and_virials(gradient, batch.batch, 3)
    torch.testing.assert_close(forces, -(batch.fprimes.t() @ gradient.flatten()).reshape(-1, 3))
    for k, part in enumerate(gradient.split(4)):
        frames = torch.zeros(4, dtype=torch.int64)
        one = data[k].primes.forces_and_virials(part, frames, 1)
        torch.testing.assert_close(forces[4 * k : 4 * k + 4], one[0])
        torch.testing.assert_close(virials[k], one[1][0])


def test_mixed_forms_join_as_matrices():
    cached, sparse = images("gaussian_cosine", "cached"), images("gaussian_cosine", "sparse")
    batch = collate([cached[0], sparse[1], cached[2]])
    assert isinstance(batch.primes, SparsePrimes)
    expected = torch.block_diag(*(each.fprimes.to_dense() for each in cached))
    torch.testing.assert_close(batch.fprimes.to_dense(), expected)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_scaled_frames_join_those_that_are_not(order):
    scaled = images("gaussian_cosine", "on_the_fly", 2)
    factors = scaled[0].primes.factors
    scaled[0].primes = scaled[0].primes.scaled(1 / factors)
    fresh = replace(scaled[0].primes, factors=torch.ones_like(factors), plain=True)
    expected = collate([scaled[k] for k in order]).primes
    scaled[0].primes = fresh.scaled(torch.ones_like(factors))
    found = collate([scaled[k] for k in order]).primes
    assert scaled[0].primes.plain
    gradient = torch.sin(torch.arange(found.factors.numel(), dtype=torch.float64))
    gradient = gradient.reshape(found.factors.shape)
    torch.testing.assert_close(found.forces(gradient), expected.forces(gradient))


@pytest.mark.parametrize("form", FORMS)
def test_forms_move_to_float32(form):
    batch = collate(images("gaussian_cosine", form))
    moved = batch.primes.to(torch.float32)
    assert type(moved) is FORMS[form]
    gradient = torch.ones_like(batch.fingerprint)
    torch.testing.assert_close(
        moved.forces(gradient.float()), batch.primes.forces(gradient).float(), rtol=1e-4, atol=1e-4
    )


shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))


@settings(max_examples=40, deadline=None)
@given(st.lists(shapes, min_size=1, max_size=4))
def test_sparse_block_diag_is_the_dense_one(sizes):
    matrices = []
    for rows, columns, seed in sizes:
        random = np.random.default_rng(seed)
        dense = torch.from_numpy(
            random.normal(size=(rows, columns)) * random.integers(0, 2, (rows, columns))
        )
        matrices.append(dense.to_sparse())
    expected = torch.block_diag(*(matrix.to_dense() for matrix in matrices))
    joined = sparse_block_diag(matrices)
    assert joined.is_coalesced()
    torch.testing.assert_close(joined.to_dense(), expected)
