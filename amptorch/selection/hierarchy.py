"""LassoNet (I. Lemhadri, F. Ruan, L. Abraham, R. Tibshirani, J. Mach. Learn. Res. 22, 127 (2021))
for energies that are sums over atoms.

A network with a skip connection, e(g) = theta g + f(g), is fitted with a penalty on theta, and a
function enters the first layer W of f only as far as theta lets it:

    min  loss(theta, W, ...) + lambda sum_j |theta_j|   with   |W_jk| <= M |theta_j|

theta_j and W_j hold what belongs to function j in the networks of all elements: a group, which
leaves as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .networks import Weights, losses, of_functions
from .samples import Samples

GROWTH, FASTER = 1.3, 2.0  # of lambda, and where nothing left
LONGEST = 400  # steps of lambda
FIRST = 1e-3  # lambda, of the one that leaves no function from the start


def hier_prox(theta: Tensor, w: Tensor, penalty: float, bound: float) -> tuple[Tensor, Tensor]:
    """For each function j the b, W of

        min  |b - theta_j|^2 / 2 + |W - w_j|^2 / 2 + penalty |b|   with   |W_k| <= bound |b|

    For a length t of b the best direction is that of theta_j, and W_k is w_jk cut at bound t; what
    is left is convex in t; its slope t - |theta_j| + penalty - bound sum_k (|w_jk| - bound t)+ is
    0 at t_s = (|theta_j| - penalty + bound sum of the s largest |w_jk|)+ / (1 + s bound^2)
    for the s whose |w_jk| are larger than bound t_s.

    Args:
        theta: [n_functions, m].
        w: [n_functions, k].
        penalty: >= 0.
        bound: M; infinite for none.

    Returns:
        Both, of the same shapes; the bound holds exactly, not to rounding.
    """
    length = torch.linalg.vector_norm(theta, dim=1)
    if math.isinf(bound):
        shrunk = (length - penalty).clamp(min=0.0)
        free = torch.where((shrunk > 0)[:, None], w, 0.0) if penalty else w
        return theta * _ratio(shrunk, length)[:, None], free
    sizes = w.abs().sort(dim=1, descending=True).values
    sums = torch.cat([sizes.new_zeros(len(sizes), 1), sizes.cumsum(1)], 1)
    many = torch.arange(sums.shape[1], dtype=theta.dtype)
    t = ((length - penalty)[:, None] + bound * sums).clamp(min=0.0) / (1 + many * bound**2)
    # The slope at |w|_(s) / bound grows with |w|_(s): count those where it is positive.
    larger = sizes > bound * t[:, :-1]
    place = larger.int().cumprod(1).sum(1, keepdim=True)
    best = t.gather(1, place)[:, 0]
    direction = torch.where((length > 0)[:, None], theta / length.clamp(min=1e-300)[:, None], 0.0)
    alone = (length == 0) & (best > 0)
    direction[alone] = theta.shape[1] ** -0.5
    b = direction * best[:, None]
    room = bound * torch.linalg.vector_norm(b, dim=1) * (1 - 4 * torch.finfo(b.dtype).eps)
    return b, w.clamp(min=-room[:, None], max=room[:, None])


def _ratio(shrunk: Tensor, length: Tensor) -> Tensor:
    return torch.where(length > 0, shrunk / length.clamp(min=1e-300), 0.0)


def lengths(theta: Tensor) -> Tensor:
    """[n_functions]: |theta_j| of the skip connection [1, n_species, n_functions, 1]."""
    return torch.linalg.vector_norm(theta[0, :, :, 0], dim=0)


def projected(weights: Weights, penalty: float, bound: float) -> Weights:
    """Weights of one network after :func:`hier_prox`."""
    theta, w1 = weights["theta"][0], weights["w1"][0]  # [n_species, n_functions, 1 or hidden]
    n_species, n_functions, hidden = w1.shape
    b, w = hier_prox(theta[..., 0].T, w1.transpose(0, 1).reshape(n_functions, -1), penalty, bound)
    w = w.reshape(n_functions, n_species, hidden).transpose(0, 1)
    return {**weights, "theta": b.T[None, ..., None].contiguous(), "w1": w[None].contiguous()}


def gradient(weights: Weights, samples: Samples) -> tuple[float, Weights]:
    """The loss of one network, and its derivatives by the weights."""
    free = {name: each.detach().requires_grad_() for name, each in weights.items()}
    loss = losses(free, samples).sum()
    slopes = torch.autograd.grad(loss, list(free.values()))
    return float(loss.detach()), dict(zip(free, slopes, strict=True))


def descend(
    weights: Weights, samples: Samples, penalty: float, bound: float, steps: int, rate: float = 0.1
) -> tuple[Weights, float, float]:
    """Proximal gradient steps of one network, none of which makes the penalised loss larger.

    Lengths of steps are those of Barzilai and Borwein, halved until the decrease is sufficient
    (S. J. Wright, R. D. Nowak, M. A. T. Figueiredo, IEEE Trans. Signal Process. 57, 2479 (2009)).

    Returns:
        Weights, the loss without the penalty, and the last length.
    """
    loss, slope = gradient(weights, samples)
    total = loss + penalty * float(lengths(weights["theta"]).sum())
    for _ in range(steps):
        moved = None
        for _ in range(12):
            tried = _step(weights, slope, rate, penalty, bound)
            new_loss = float(losses(tried, samples).detach())
            new = new_loss + penalty * float(lengths(tried["theta"]).sum())
            away = _dot(_less(tried, weights), _less(tried, weights))
            if math.isfinite(new) and new <= total - 0.01 * away / rate:
                moved = tried
                break
            rate *= 0.4
        if moved is None or away == 0.0:
            break
        before, old = weights, slope
        weights, total = moved, new
        loss, slope = gradient(weights, samples)
        change, turn = _less(weights, before), _less(slope, old)
        curved = _dot(change, turn)
        rate = min(max(_dot(change, change) / curved, 1e-6), 1e3) if curved > 0 else 2 * rate
    return weights, loss, rate


def _step(weights: Weights, slope: Weights, rate: float, penalty: float, bound: float) -> Weights:
    there = {name: each - rate * slope[name] for name, each in weights.items()}
    return projected(there, rate * penalty, bound)


def _less(one: Weights, other: Weights) -> Weights:
    return {name: each - other[name] for name, each in one.items()}


def _dot(one: Weights, other: Weights) -> float:
    return float(sum((each * other[name]).sum() for name, each in one.items()))


@dataclass(frozen=True)
class Step:
    """Of the path.

    Attributes:
        penalty: lambda.
        kept: functions that are left, by their places in the pool.
        lengths: |theta_j| of these.
        loss: of the training frames, without the penalty.
    """

    penalty: float
    kept: list[int]
    lengths: list[float]
    loss: float


def path(
    weights: Weights, samples: Samples, least: int, bound: float = 10.0, steps: int = 8
) -> Iterator[Step]:
    """Networks for a growing penalty, from dense to at most ``least`` functions.

    Each goes on from the one before. A function that left stays out, so that their number never
    grows; and the next networks have nothing of it to compute.

    Args:
        weights: of one trained network with a skip connection.
        samples: of the training frames.
        least: functions at which the path ends.
        bound: M.
        steps: at most, of each network.
    """
    kept = torch.arange(samples.n_functions)
    penalty, rate = 0.0, 0.1
    largest = _largest(weights, samples)
    weights = projected(weights, 0.0, bound)
    for _ in range(LONGEST):
        weights, loss, rate = descend(weights, samples, penalty, bound, steps, max(rate, 1e-3))
        there = lengths(weights["theta"])
        alive = torch.nonzero(there > 0)[:, 0]
        gone = len(kept) - len(alive)
        kept = kept[alive]
        yield Step(penalty, kept.tolist(), there[alive].tolist(), loss)
        if len(kept) <= least:
            return
        if gone:
            weights, samples = of_functions(weights, alive), samples.of_functions(alive)
        faster = GROWTH if gone else FASTER
        penalty = penalty * faster if penalty else FIRST * largest


def _largest(weights: Weights, samples: Samples) -> float:
    """The penalty at which a network of zeros keeps no function."""
    nothing = {name: torch.zeros_like(each) for name, each in weights.items()}
    return float(lengths(gradient(nothing, samples)[1]["theta"]).max())
