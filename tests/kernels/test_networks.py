"""The compiled networks: energies, slopes and their gradients against torch's own layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from amptorch.data.frame import AtomsBatch
from amptorch.kernels.networks import Shape, energies_and_slopes
from amptorch.potentials.networks.model import BPNN, SingleNN
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
) -> list[Any]:
    """Shape, fingerprints, shares, parameters."""
    random = torch.Generator().manual_seed(1)
    shape = Shape(widths, n_networks)

    def draw(size: Sequence[int]) -> Tensor:
        return torch.randn(size, generator=random, dtype=torch.float64).to(dtype) / 2

    parameters = [draw(size).requires_grad_() for size in shape.parameters]
    shares = draw((n_atoms, n_networks)).requires_grad_()
    return [shape, draw((n_atoms, widths[0])), shares, parameters]


def _plain(
    shape: Shape, fingerprints: Tensor, shares: Tensor, parameters: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """The same by torch's layers and autograd."""
    fingerprints = fingerprints.detach().requires_grad_()
    outputs, per_network = [], len(parameters) // shape.n_networks
    for start in range(0, len(parameters), per_network):
        h = fingerprints
        layers = parameters[start : start + per_network]
        for k in range(0, per_network, 2):
            inputs = h if k == 0 else torch.tanh(h)
            h = torch.nn.functional.linear(inputs, layers[k], layers[k + 1])
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
@pytest.mark.parametrize("widths", SHAPES.values(), ids=SHAPES)
def test_kernel_is_what_autograd_gives(widths, n_networks, n_atoms, dtype):
    case = _case(widths, n_atoms, n_networks, dtype)
    _, _, shares, parameters = case
    random = torch.Generator().manual_seed(2)
    found, expected = energies_and_slopes(*case, True), _plain(*case)
    weights = [torch.randn(each.shape, generator=random, dtype=dtype) for each in expected]
    for one, other in zip(found, expected, strict=True):
        _assert_close(one, other)
    # Together, and energies or slopes alone.
    for chosen in ([0, 1], [0], [1]):
        gradients = [
            torch.autograd.grad(
                [values[k] for k in chosen],
                [*parameters, shares],
                [weights[k] for k in chosen],
                retain_graph=True,
                materialize_grads=True,
            )
            for values in (found, expected)
        ]
        for one, other in zip(*gradients, strict=True):
            _assert_close(one, other)


@pytest.mark.parametrize("widths", SHAPES.values(), ids=SHAPES)
def test_energies_alone(widths):
    case = _case(widths, 40, 2)
    found, slopes = energies_and_slopes(*case, False)
    assert slopes.shape == (0, widths[0])
    expected, _ = _plain(*case)
    _assert_close(found, expected)
    gradients = [torch.autograd.grad(e.square().sum(), case[-1]) for e in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        _assert_close(one, other)


def test_finite_differences():
    shape, fingerprints, shares, parameters = _case([3, 5, 2, 1], 4, 2)
    assert torch.autograd.gradcheck(
        lambda s, *p: energies_and_slopes(shape, fingerprints, s, p, True), (shares, *parameters)
    )


def test_a_second_derivative_in_the_parameters_is_refused():
    case = _case([3, 5, 2, 1], 4, 2)
    energies, _ = energies_and_slopes(*case, True)
    (slope, *_) = torch.autograd.grad(energies.square().sum(), case[-1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_exact_over_its_range(dtype):
    """A network whose output is tanh(G)."""
    x = torch.cat([torch.logspace(-12, 2, 999, dtype=torch.float64), torch.zeros(1).double()])
    x = torch.cat([x, -x, torch.tensor([torch.inf, -torch.inf]).double()]).to(dtype)
    one, zero = torch.ones(1, 1, dtype=dtype), torch.zeros(1, dtype=dtype)
    shares = torch.ones(len(x), 1, dtype=dtype)
    layers = [one, zero, one, zero]
    found, _ = energies_and_slopes(Shape([1, 1, 1], 1), x[:, None], shares, layers, False)
    expected = torch.tanh(x.double())
    epsilon = torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), expected, rtol=4 * epsilon, atol=0)


def test_nan_does_not_vanish():
    case = _case([3, 5, 2, 1], 40, 2)
    case[1][7, 1] = torch.nan
    energies, slopes = energies_and_slopes(*case, True)
    assert energies.isnan().nonzero().flatten().tolist() == [7]
    assert slopes.isnan().any(1).nonzero().flatten().tolist() == [7]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_do_not_depend_on_threads(threads):
    case = _case(SHAPES["original"], 1000, 3)

    def gradient() -> list[Tensor]:
        values = energies_and_slopes(*case, True)
        loss = sum(each.square().sum() for each in values)
        return [*values, *torch.autograd.grad(loss, case[-1])]

    before, once = torch.get_num_threads(), gradient()
    torch.set_num_threads(threads)
    try:
        again = gradient()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


@pytest.mark.parametrize("widths", [[3, 1], [3, 5, 2]])
def test_shapes_without_a_kernel_are_refused(widths):
    with pytest.raises(ValueError, match="widths: expected at least 3, the last one 1, got"):
        Shape(widths, 1)


def test_tensors_that_do_not_fit_are_refused():
    shape, fingerprints, shares, parameters = _case([3, 5, 2, 1], 4, 2)
    with pytest.raises(
        ValueError, match=r"shares: expected .*\(4, 2\)\), got \(4, 3\) and \(4, 1\)"
    ):
        energies_and_slopes(shape, fingerprints, shares[:, :1], parameters, True)
    with pytest.raises(ValueError, match="parameters: expected shapes"):
        energies_and_slopes(shape, fingerprints, shares, parameters[1:], True)


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
