"""Adam in the eigenbasis of Shampoo's preconditioner (SOAP)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .eager import Eager

State = dict[str, Any]


class SOAP(Eager):
    """Adam in the eigenbasis of Shampoo's preconditioner.

    For a matrix of weights with gradient G the running means of G Gᵀ and Gᵀ G have eigenvectors U
    and V, and Adam works on Uᵀ G V, where what was coupled between weights is nearly diagonal:

        M ← b₁ M + (1 − b₁) G,    S ← b₂ S + (1 − b₂) (Uᵀ G V)²,
        W ← W − lr · U [ (Uᵀ M V) / (√S + eps) ] Vᵀ,

    with Adam's corrections of M and S for their start at zero. Biases and sides longer than
    ``largest`` keep their own basis. The first batch only sets up the bases. After N. Vyas,
    D. Morwani, R. Zhao, I. Shapira, D. Brandfonbrener, L. Janson and S. Kakade, arXiv:2409.11321
    (2024).

    Args:
        params: weights, or groups of them.
        lr: learning rate.
        betas: b₁ and b₂ above, each in [0, 1).
        memory: b of the running means of G Gᵀ and Gᵀ G, in [0, 1).
        eps: added to √S.
        weight_decay: weights shrink by lr times this each step, apart from the gradient.
        refresh: steps after which the bases follow the means, by one orthogonal iteration.
        largest: longest side of a matrix that gets a basis; it costs largest³ at each refresh.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 5e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        memory: float = 0.95,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        refresh: int = 10,
        largest: int = 1024,
    ) -> None:
        for name, value in (("betas", betas[0]), ("betas", betas[1]), ("memory", memory)):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name}: expected numbers in [0, 1), got {value}")
        if refresh < 1:
            raise ValueError(f"refresh: expected a positive number of steps, got {refresh}")
        options = {
            "lr": lr,
            "betas": tuple(betas),
            "memory": memory,
            "eps": eps,
            "weight_decay": weight_decay,
            "refresh": refresh,
            "largest": largest,
        }
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Change the weights by their gradients; returns what ``closure`` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state.update(_start(gradient, group))
            return
        state["step"] += 1
        b1, b2 = group["betas"]
        rotated = _into(state["bases"], gradient)
        state["mean"].lerp_(gradient, 1 - b1)
        state["square"].lerp_(rotated**2, 1 - b2)
        mean = _into(state["bases"], state["mean"]) / (1 - b1 ** state["step"])
        square = state["square"] / (1 - b2 ** state["step"])
        change = _out_of(state["bases"], mean / (square.sqrt() + group["eps"]))
        weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(change, alpha=group["lr"])
        _follow(state, gradient, group)


def _start(gradient: Tensor, group: dict[str, Any]) -> State:
    sides = _sides(gradient, group["largest"])
    means = [None if side is None else (1 - group["memory"]) * side for side in sides]
    return {
        "step": 0,
        "mean": torch.zeros_like(gradient),
        "square": torch.zeros_like(gradient),
        "sides": means,
        "bases": [None if each is None else torch.linalg.eigh(each)[1].flip(1) for each in means],
    }


def _sides(gradient: Tensor, largest: int) -> list[Tensor | None]:
    """G Gᵀ and Gᵀ G, None where a side has no basis; nothing for what is not a matrix."""
    if gradient.ndim != 2:
        return []
    return [g @ g.T if 1 < len(g) <= largest else None for g in (gradient, gradient.T)]


def _follow(state: State, gradient: Tensor, group: dict[str, Any]) -> None:
    """Let the means of G Gᵀ and Gᵀ G take in a gradient, and every ``refresh`` steps the bases."""
    sides = _sides(gradient, group["largest"])
    for mean, side in zip(state["sides"], sides, strict=True):
        if mean is not None:
            mean.lerp_(side, 1 - group["memory"])
    if state["step"] % group["refresh"]:
        return
    for dim, (mean, basis) in enumerate(zip(state["sides"], state["bases"], strict=True)):
        if mean is not None:
            order = ((mean @ basis) * basis).sum(0).argsort(descending=True)
            state["square"] = state["square"].index_select(dim, order)
            state["bases"][dim] = torch.linalg.qr(mean @ basis[:, order])[0]


def _into(bases: list[Tensor | None], matrix: Tensor) -> Tensor:
    """Uᵀ A V."""
    left, right = bases or (None, None)
    matrix = matrix if left is None else left.T @ matrix
    return matrix if right is None else matrix @ right


def _out_of(bases: list[Tensor | None], matrix: Tensor) -> Tensor:
    """U A Vᵀ."""
    left, right = bases or (None, None)
    matrix = matrix if left is None else left @ matrix
    return matrix if right is None else matrix @ right.T
