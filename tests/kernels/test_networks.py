"""The compiled networks: energies, slopes and their gradients against torch's own layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from amptorch.data.frame import AtomsBatch
from amptorch.kernels import networks
from amptorch.kernels.networks import Activation, Shape, activations, energies_and_slopes, of_layers
from amptorch.potentials.networks.activations import OF_KERNEL, Exponential, Square, of_kernel
from amptorch.potentials.networks.model import BPNN, SingleNN
from tests.tolerances import KERNEL

DTYPES = [torch.float64, torch.float32]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
# Widths on both sides of the blocks of four rows and two columns that the kernel works in.
SHAPES = {
    "narrow": [5, 3, 1],
    "ragged": [7, 9, 2, 6, 1],
    "wide_after_narrow": [1, 70, 1],
    "original": [36, 20, 20, 20, 1],
}


LAYERS = {
    **{kind.__name__: kind() for kind in OF_KERNEL},
    "GELU of tanh": torch.nn.GELU("tanh"),
    "steep Softplus": torch.nn.Softplus(beta=3.0, threshold=2.0),
}
"""All activations of the kernel."""


def _explodes(layer: torch.nn.Module) -> bool:
    """Whether exp(-x) is all there is of it."""
    return isinstance(layer, Exponential)


def _case(
    widths: Sequence[int],
    n_atoms: int,
    n_networks: int,
    dtype: torch.dtype = torch.float64,
    *layers: torch.nn.Module,
) -> list[Any]:
    """Shape, fingerprints, shares, parameters; activations of the hidden layers, or the one of all,
    tanh without."""
    random = torch.Generator().manual_seed(1)
    found = [of_kernel(layer) for layer in layers or [LAYERS["Tanh"]]]
    shape = Shape(widths, n_networks, of_layers([each for each in found if each is not None]))
    assert None not in found

    spread = 0.2 if any(map(_explodes, layers)) else 0.5

    def draw(size: Sequence[int]) -> Tensor:
        return torch.randn(size, generator=random, dtype=torch.float64).to(dtype) * spread

    parameters = [draw(size).requires_grad_() for size in shape.parameters]
    shares = draw((n_atoms, n_networks)).requires_grad_()
    return [shape, draw((n_atoms, widths[0])), shares, parameters]


def _plain(
    shape: Shape,
    fingerprints: Tensor,
    shares: Tensor,
    parameters: Sequence[Tensor],
    *activations: torch.nn.Module,
) -> tuple[Tensor, Tensor]:
    """The same by torch's layers and autograd."""
    fingerprints = fingerprints.detach().requires_grad_()
    outputs, per_network = [], len(parameters) // shape.n_networks
    for start in range(0, len(parameters), per_network):
        h = fingerprints
        layers = parameters[start : start + per_network]
        one = activations or (LAYERS["Tanh"],)
        behind = one * (1 if len(one) > 1 else per_network)
        for k in range(0, per_network, 2):
            inputs = h if k == 0 else behind[k // 2 - 1](h)
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
    _compare(_case(widths, n_atoms, n_networks, dtype), LAYERS["Tanh"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_every_activation_is_what_autograd_gives(layer, dtype):
    _compare(_case(SHAPES["ragged"], 70, 2, dtype, layer), layer)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_layers_may_have_an_activation_each(layer, dtype):
    layers = (LAYERS["steep Softplus"], layer, LAYERS["Tanh"])
    _compare(_case(SHAPES["ragged"], 40, 2, dtype, *layers), *layers)


def _compare(case: list[Any], *layers: torch.nn.Module) -> None:
    _, _, shares, parameters = case
    dtype, random = shares.dtype, torch.Generator().manual_seed(2)
    found, expected = energies_and_slopes(*case, True), _plain(*case, *layers)
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


DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("with_slopes", [False, True])
@pytest.mark.parametrize("n_atoms", [1, 255, 256, 600])
@pytest.mark.parametrize("n_networks", [1, 3])
def test_plain_torch_is_what_autograd_gives(
    n_networks, n_atoms, with_slopes, dtype, device, monkeypatch
):
    """Atoms in one part and in several, the last one of them filled up."""
    shape, *given = _case(SHAPES["ragged"], n_atoms, n_networks, dtype)
    x, shares = (each.detach().to(device).requires_grad_() for each in given[:2])
    parameters = [each.detach().to(device).requires_grad_() for each in given[2]]
    monkeypatch.setattr(networks, "compiled", lambda _: False)
    with torch.no_grad():
        run = networks.evaluate(shape, x, shares, parameters, with_slopes, keep=True)
    expected = _plain(shape, x, shares, parameters)[: 1 + with_slopes]
    for one, other in zip((run.energies, run.slopes), expected, strict=False):
        _assert_close(one, other)
    weights = [torch.sin(torch.arange(each.numel()).to(each)).view_as(each) for each in expected]
    wanted = torch.autograd.grad(expected, [*parameters, shares], weights)
    with torch.no_grad():
        changes, of_shares = run.gradient(weights[0], [*weights, None][1], of_shares=True)
    for one, other in zip([*changes, of_shares], wanted, strict=True):
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


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_finite_differences(layer):
    shape, fingerprints, shares, parameters = _case([3, 5, 2, 1], 4, 2, torch.float64, layer)
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
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_activations_are_exact_over_their_range(layer, dtype):
    """Of a network whose output is the activation of G: the value, the slope and, by the gradient of
    the slopes to the weight that G is multiplied with, the curvature."""
    far = 5 if _explodes(layer) else 3000
    x = torch.cat([torch.logspace(-12, 0, 499), torch.linspace(1, far, 1500)]).to(dtype)
    x = torch.cat([x, -x, torch.zeros(1, dtype=dtype)])
    one, zero = torch.ones(1, 1, dtype=dtype, requires_grad=True), torch.zeros(1, dtype=dtype)
    shares = torch.ones(len(x), 1, dtype=dtype)
    activation = of_kernel(layer)
    assert activation is not None
    shape = Shape([1, 1, 1], 1, activation)
    found = energies_and_slopes(shape, x[:, None], shares, [one, zero, one.detach(), zero], True)
    y = x.double().requires_grad_()
    value = layer(y) + 0.0 * y**3  # differentiable twice, whatever the layer
    (slope,) = torch.autograd.grad(value.sum(), y, create_graph=True)
    epsilon = torch.finfo(dtype).eps
    for one_found, expected in zip(found, (value, slope), strict=True):
        scale = expected.detach().abs().clamp(min=1.0)
        error = (one_found.detach().double().flatten() - expected.detach()).abs() / scale
        assert error.max() <= 10 * epsilon
    (curved,) = torch.autograd.grad(found[1].sum(), one)
    (expected,) = torch.autograd.grad(slope.sum(), y)
    # d(w f'(w x))/dw = f' + x f''.
    sum_of = (slope + y * expected).detach()
    assert abs(float(curved) - float(sum_of.sum())) <= 40 * epsilon * float(sum_of.abs().sum() + 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_nothing_overflows(layer, dtype):
    case = _case([1, 1, 1], 4, 1, dtype, layer)
    size = 40.0 if _explodes(layer) else torch.finfo(dtype).max / 1e9
    size = 1e4 if isinstance(layer, Square) else size
    case[1] = torch.tensor([[size], [-size], [0.0], [1.0]], dtype=dtype)
    energies, slopes = energies_and_slopes(*case, True)
    gradients = torch.autograd.grad(energies.sum() + slopes.sum(), [case[2], *case[3]])
    assert all(bool(each.isfinite().all()) for each in (energies, slopes, *gradients))


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_exact_relative_to_itself(dtype):
    x = torch.cat([torch.logspace(-12, 2, 999, dtype=torch.float64), torch.zeros(1).double()])
    x = torch.cat([x, -x, torch.tensor([torch.inf, -torch.inf]).double()]).to(dtype)
    one, zero = torch.ones(1, 1, dtype=dtype), torch.zeros(1, dtype=dtype)
    shares = torch.ones(len(x), 1, dtype=dtype)
    layers = [one, zero, one, zero]
    found, _ = energies_and_slopes(Shape([1, 1, 1], 1), x[:, None], shares, layers, False)
    expected = torch.tanh(x.double())
    epsilon = torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), expected, rtol=4 * epsilon, atol=0)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_nan_does_not_vanish(layer):
    case = _case([3, 5, 2, 1], 40, 2, torch.float64, layer)
    case[1][7, 1] = torch.nan
    energies, slopes = energies_and_slopes(*case, True)
    assert energies.isnan().nonzero().flatten().tolist() == [7]
    constant = isinstance(layer, (torch.nn.ReLU, torch.nn.Identity))
    assert slopes.isnan().any(1).nonzero().flatten().tolist() == ([] if constant else [7])


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


def test_unknown_activations_are_refused():
    with pytest.raises(ValueError, match=r"activation: expected one of .*'tanh'.*, got 'tanhh'"):
        Shape([3, 5, 1], 2, Activation("tanhh"))


def test_all_activations_of_the_kernel_have_a_layer():
    assert {of_kernel(layer).name for layer in LAYERS.values()} == {*activations()} - {"mixed"}


class Own(torch.nn.Module):
    """Of another class than what it does, so that it does not go to the kernel."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def _models(kind: Any, layer: torch.nn.Module, **options: Any) -> list[Any]:
    """A model that takes the kernel, and the same with layers that do not."""
    models = []
    for each in (lambda: layer, lambda: Own(layer)):
        torch.manual_seed(0)
        elements = ["Cu", "Pd", "O"]
        models.append(kind(elements, 6, num_nodes=5, num_layers=2, activation=each, **options))
    assert [model.kernel_shape() is None for model in models] == [False, True]
    return models


BATCH = AtomsBatch(
    fingerprint=torch.rand(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3)),
    atomic_numbers=torch.tensor([29, 46, 8, 8, 29, 46, 46]),
    batch=torch.tensor([0, 0, 0, 1, 1, 2, 2]),
    num_graphs=3,
)


def _results(model: Any) -> list[Any]:
    energies, slopes = model.energies_and_gradient(BATCH, gradient=True)
    (energies.square().sum() + slopes.square().sum()).backward()
    return [energies, slopes, *(each.grad for each in model.parameters())]


@pytest.mark.parametrize("layer", [LAYERS["Tanh"], LAYERS["Softplus"]])
@pytest.mark.parametrize("mask", ["trained", "fixed"])
@pytest.mark.parametrize("mixes", [False, True])
@pytest.mark.parametrize("kind", [BPNN, SingleNN])
def test_models_are_the_same_by_kernel_and_by_autograd(kind, mixes, mask, layer):
    models = _models(kind, layer, element_mask=mask)
    if mixes and kind is BPNN:
        torch.manual_seed(1)
        change = torch.rand(100, 3)
        with torch.no_grad():
            for model in models:
                model.element_mask.mask.weight.add_(change)
    assert models[0].kernel_shape().one_network == (
        kind is SingleNN or (mask == "fixed" and not mixes)
    )
    for one, other in zip(*map(_results, models), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            _assert_close(one, other)
    for model in models:
        with torch.no_grad():
            energies, slopes = model.energies_and_gradient(BATCH, gradient=True)
        assert not energies.requires_grad
        _assert_close(slopes, _results(models[1])[1].detach())


def test_a_fixed_mask_is_not_trained():
    model = BPNN(["Cu", "Pd", "O"], 6, num_nodes=5, num_layers=2, element_mask="fixed")
    assert _results(model)[2 + len(list(model.parameters())) - 1] is None
    assert model.num_params == 3 * (6 * 5 + 5 + 5 * 5 + 5 + 5 + 1)
