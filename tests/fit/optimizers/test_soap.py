"""SOAP against Adam, which it is in its own basis."""

from __future__ import annotations

import copy

import pytest
import torch

from amptorch.fit.optimizers import SOAP

BETAS = (0.9, 0.95)


def _matrix(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _rotation(seed: int, n: int) -> torch.Tensor:
    return torch.linalg.qr(_matrix(seed, n, n))[0]


def _path(weight, loss, kind, steps, **options):
    """Weights after each step."""
    weight = weight.clone().requires_grad_()
    optimizer = kind([weight], **options)
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss(weight).backward()
        optimizer.step()
        path.append(weight.detach().clone())
    return torch.stack(path)


def _quartic(weight):
    """Not quadratic, so that its curvature changes along the way."""
    curvature = torch.linspace(1.0, 30.0, weight.numel(), dtype=torch.float64)
    return (curvature.view_as(weight) * weight**2).sum() + (weight**4).sum()


@pytest.mark.parametrize("shape", [(7,), (4, 5), (1, 6)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_without_bases_it_is_adam(shape, weight_decay):
    """But for the first step, which SOAP does not make."""
    start, options = _matrix(0, *shape), {"lr": 0.05, "betas": BETAS, "weight_decay": weight_decay}
    adam = _path(start, _quartic, torch.optim.AdamW, 30, **options)
    soap = _path(start, _quartic, SOAP, 31, **options, largest=0)
    assert torch.equal(soap[0], start)
    torch.testing.assert_close(soap[1:], adam, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("refresh", [1, 3])
def test_rotations_of_the_problem_rotate_the_path(refresh):
    """Both sides of W, which Adam's path does not follow. G Gᵀ squares the condition of G, so that
    rounding is amplified."""
    left, right, start = _rotation(1, 5), _rotation(2, 5), _matrix(0, 5, 5)

    def turned(weight):
        return _quartic(left.T @ weight @ right)

    expected = _path(start, _quartic, SOAP, 20, lr=0.05, refresh=refresh)
    found = _path(left @ start @ right.T, turned, SOAP, 20, lr=0.05, refresh=refresh)
    torch.testing.assert_close(found, left @ expected @ right.T, rtol=0, atol=1e-5)
    adam = _path(start, _quartic, torch.optim.Adam, 20, lr=0.05)
    other = _path(left @ start @ right.T, turned, torch.optim.Adam, 20, lr=0.05)
    assert (other - left @ adam @ right.T).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_rounding_of_gradients_stays_rounding(shape):
    """Gradients of low rank, each batch's of one still lower, and a little off: what they do not reach
    has no basis of its own, and must not get one from rounding."""
    rows = [_matrix(10 + k, 1, shape[0]) for k in range(9)]
    columns = [_matrix(30 + k, shape[1], 1) for k in range(9)]
    rotation = _rotation(5, shape[0])[:, :4]

    def path(noise):
        random = torch.Generator().manual_seed(1)
        weight = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        optimizer = SOAP([weight], lr=0.05, refresh=3)
        for step in range(40):
            seen = [(3 * step + k) % 9 for k in range(3)]
            outer = sum((rows[k].T @ columns[k].T for k in seen), torch.zeros(shape))
            gradient = rotation @ rotation.T @ (outer + 0.1 * weight.detach())
            off = torch.randn(shape, generator=random, dtype=torch.float64)
            weight.grad = gradient + noise * gradient.abs().max() * off
            optimizer.step()
        return weight.detach()

    torch.testing.assert_close(path(1e-16), path(0.0), rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6)])
def test_coupled_weights(shape):
    """|A (W - W*) B|² with condition numbers of 100: the loss falls faster than with Adam."""
    rows, columns = shape
    a = _rotation(3, rows) * torch.logspace(-1, 1, rows, dtype=torch.float64) @ _rotation(4, rows)
    b = _rotation(5, columns) * torch.logspace(-1, 1, columns, dtype=torch.float64)
    b = b @ _rotation(6, columns)
    best = _matrix(7, *shape)

    def loss(weight):
        return (a @ (weight - best) @ b).square().mean()

    start = torch.zeros(shape, dtype=torch.float64)
    soap = loss(_path(start, loss, SOAP, 300, lr=0.03)[-1])
    adam = loss(_path(start, loss, torch.optim.Adam, 300, lr=0.03)[-1])
    assert soap < 0.1 * adam


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"betas": (0.9, 1.0)}, r"betas: expected numbers in \[0, 1\), got 1.0"),
        ({"memory": -0.1}, r"memory: expected numbers in \[0, 1\), got -0.1"),
        ({"refresh": 0}, "refresh: expected a positive number of steps, got 0"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SOAP([torch.nn.Parameter(torch.zeros(2, 2))], **options)


def test_states_from_before_the_means_lay_in_the_bases():
    weight = torch.nn.Parameter(_matrix(1, 4, 3))
    optimizer = SOAP([weight], lr=1e-2, refresh=2)
    for step in range(5):
        weight.grad = _matrix(step, 4, 3)
        optimizer.step()
    old = copy.deepcopy(optimizer.state_dict())
    state = dict(old["state"][0])
    pairs = zip(state.pop("means"), state["bases"], strict=True)
    state["sides"] = [basis @ mean @ basis.T for mean, basis in pairs]
    other = torch.nn.Parameter(weight.detach().clone())
    gone_on = SOAP([other], lr=1e-2, refresh=2)
    gone_on.load_state_dict({**old, "state": {0: state}})
    for each, parameter in ((optimizer, weight), (gone_on, other)):
        parameter.grad = _matrix(9, 4, 3)
        each.step()
    torch.testing.assert_close(other, weight, rtol=0, atol=1e-12)
