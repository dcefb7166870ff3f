"""The compiled networks: energies, slopes and their gradients against torch's own layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from amptorch.data import AtomsBatch
from amptorch.kernels import networks
from amptorch.model import BPNN, SingleNN
from tests.tolerances import KERNEL

DTYPES = [torch.float64, torch.float32]
# Widths on both sides of the blocks of four rows and two columns that the kernel works in.
SHAPES = {
    "narrow": [5, 3, 1],
    "ragged": [7, 9, 2, 6, 1],
    "wide_after_narrow": [1, 70, 1],
    "original": [36, 20, 20, 20, 1],
}


def _case(
    widths: Sequence[int], n_atoms: int, n_networks: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Parameters, fingerprints, shares."""
    random = torch.Generator().manual_seed(1)
    size = sum((n + 1) * m for n, m in itertools.pairwise(widths))
    shapes = (n_networks, size), (n_atoms, widths[0]), (n_atoms, n_networks)
    return [torch.randn(s, generator=random, dtype=torch.float64).to(dtype) / 2 for s in shapes]


def _plain(
    parameters: Tensor, widths: Sequence[int], fingerprints: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor]:
    """The same by torch's layers and autograd."""
    fingerprints = fingerprints.detach().requires_grad_()
    outputs = []
    for network in parameters:
        h, at = fingerprints, 0
        for n, m in itertools.pairwise(widths):
            weight, bias = network[at : at + n * m].view(m, n), network[at + n * m : at + n * m + m]
            h = torch.nn.functional.linear(h if at == 0 else torch.tanh(h), weight, bias)
            at += (n + 1) * m
        outputs.append(h)
    energies = (torch.cat(outputs, 1) * shares).sum(1)
    (slopes,) = torch.autograd.grad(energies.sum(), fingerprints, create_graph=True)
    return energies, slopes


def _assert_close(found: Tensor, expected: Tensor) -> None:
    scale = max(1.0, float(expected.detach().abs().max()))
    torch.testing.assert_close(found, expected, rtol=0, atol=10 * KERNEL[found.dtype] * scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_atoms", [1, 32, 33, 70])
@pytest.mark.parametrize("n_networks", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_is_what_autograd_gives(shape, n_networks, n_atoms, dtype):
    widths = SHAPES[shape]
    parameters, fingerprints, shares = _case(widths, n_atoms, n_networks, dtype)
    parameters.requires_grad_()
    shares.requires_grad_()
    random = torch.Generator().manual_seed(2)
    found = networks.energies_and_slopes(parameters, widths, fingerprints, shares, True)
    expected = _plain(parameters, widths, fingerprints, shares)
    weights = [torch.randn(each.shape, generator=random, dtype=dtype) for each in expected]
    for one, other in zip(found, expected, strict=True):
        _assert_close(one, other)
    # Together, and energies or slopes alone.
    for chosen in ([0, 1], [0], [1]):
        gradients = [
            torch.autograd.grad(
                [values[k] for k in chosen],
                [parameters, shares],
                [weights[k] for k in chosen],
                retain_graph=True,
            )
            for values in (found, expected)
        ]
        for one, other in zip(*gradients, strict=True):
            _assert_close(one, other)


@pytest.mark.parametrize("shape", SHAPES)
def test_energies_alone(shape):
    widths = SHAPES[shape]
    parameters, fingerprints, shares = _case(widths, 40, 2)
    parameters.requires_grad_()
    found, slopes = networks.energies_and_slopes(parameters, widths, fingerprints, shares, False)
    assert slopes.shape == (0, widths[0])
    expected, _ = _plain(parameters, widths, fingerprints, shares)
    _assert_close(found, expected)
    gradients = [torch.autograd.grad(e.square().sum(), parameters)[0] for e in (found, expected)]
    _assert_close(*gradients)


def test_finite_differences():
    widths = [3, 5, 2, 1]
    parameters, fingerprints, shares = _case(widths, 4, 2)
    assert torch.autograd.gradcheck(
        lambda p, s: networks.energies_and_slopes(p, widths, fingerprints, s, True),
        (parameters.requires_grad_(), shares.requires_grad_()),
    )


def test_operators_fit_torch():
    widths = SHAPES["ragged"]
    parameters, fingerprints, shares = _case(widths, 35, 2)
    leaves = [parameters.requires_grad_(), widths, fingerprints, shares.requires_grad_()]
    torch.library.opcheck(networks._networks, (*leaves, True, True))
    _, slopes, outputs, tape = networks._networks(*leaves, True, True)
    constants = [each.detach() for each in (outputs, tape, outputs[:, 0], slopes)]
    plain = [parameters.detach(), widths, fingerprints, shares.detach()]
    torch.library.opcheck(networks._networks_backward, (*plain, *constants))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_exact_over_its_range(dtype):
    """A network whose output is tanh(G)."""
    x = torch.cat([torch.logspace(-12, 2, 999, dtype=torch.float64), torch.zeros(1).double()])
    x = torch.cat([x, -x, torch.tensor([torch.inf, -torch.inf]).double()]).to(dtype)
    one = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=dtype)
    shares = torch.ones(len(x), 1, dtype=dtype)
    found, _ = networks.energies_and_slopes(one, [1, 1, 1], x[:, None], shares, False)
    expected = torch.tanh(x.double())
    epsilon = torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), expected, rtol=4 * epsilon, atol=0)


def test_nan_does_not_vanish():
    parameters, fingerprints, shares = _case([3, 5, 2, 1], 40, 2)
    fingerprints[7, 1] = torch.nan
    energies, slopes = networks.energies_and_slopes(
        parameters, [3, 5, 2, 1], fingerprints, shares, True
    )
    assert energies.isnan().nonzero().flatten().tolist() == [7]
    assert slopes.isnan().any(1).nonzero().flatten().tolist() == [7]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_do_not_depend_on_threads(threads):
    widths = SHAPES["original"]
    parameters, fingerprints, shares = _case(widths, 1000, 3)
    parameters.requires_grad_()

    def gradient() -> list[Tensor]:
        values = networks.energies_and_slopes(parameters, widths, fingerprints, shares, True)
        loss = sum(each.square().sum() for each in values)
        return [*values, *torch.autograd.grad(loss, parameters)]

    before, once = torch.get_num_threads(), gradient()
    torch.set_num_threads(threads)
    try:
        again = gradient()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


@pytest.mark.parametrize(
    ("widths", "n_shares", "message"),
    [
        ([3, 1], 2, "widths: expected at least 3, the last one 1"),
        ([3, 5, 2], 2, "widths: expected at least 3, the last one 1"),
        ([3, 5, 2, 1], 1, r"shares: expected \[n_atoms, 2\] for fingerprints \[n_atoms, 3\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(widths, n_shares, message):
    parameters, fingerprints, shares = _case([3, 5, 2, 1], 4, 2)
    with pytest.raises(ValueError, match=message):
        networks.energies_and_slopes(parameters, widths, fingerprints, shares[:, :n_shares], True)


class OwnTanh(torch.nn.Tanh):
    """Of another class, so that it does not go to the kernel."""


@pytest.mark.parametrize("kind", [BPNN, SingleNN])
@pytest.mark.parametrize("trained_mask", [False, True])
def test_models_are_the_same_by_kernel_and_by_autograd(kind, trained_mask):
    elements, numbers = ["Cu", "Pd", "O"], torch.tensor([29, 46, 8, 8, 29, 46, 46])
    models = []
    for activation in (torch.nn.Tanh, OwnTanh):
        torch.manual_seed(0)
        model = kind(elements, 6, num_nodes=5, num_layers=2, activation=activation)
        if trained_mask and kind is BPNN:
            with torch.no_grad():
                model.element_mask.mask.weight.add_(torch.rand(100, 3))
        models.append(model)
    assert [model.perceptrons()[0].is_plain for model in models] == [True, False]
    batch = AtomsBatch(
        fingerprint=torch.rand(7, 6, dtype=torch.float64),
        atomic_numbers=numbers,
        batch=torch.tensor([0, 0, 0, 1, 1, 2, 2]),
        num_graphs=3,
    )
    results = []
    for model in models:
        energies, slopes = model.energies_and_gradient(batch, gradient=True)
        (energies.square().sum() + slopes.square().sum()).backward()
        results.append([energies, slopes, *(each.grad for each in model.parameters())])
    for one, other in zip(*results, strict=True):
        _assert_close(one, other)
    with torch.no_grad():
        for model in models:
            energies, slopes = model.energies_and_gradient(batch, gradient=True)
            assert not energies.requires_grad
            _assert_close(slopes, results[1][1].detach())
