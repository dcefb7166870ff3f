"""Adam in the eigenbasis of Shampoo's preconditioner (SOAP)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .eager import Eager

State = dict[str, Any]

# Where gradients hardly reach, rounding would choose the basis, and runs that sum in another order
# would part for good. So directions under these, relative to the largest, count as unknown: of the
# gradient in the first batch, which knows little, and of the means of its square.
_FIRST = 1e-2
_FLOOR = 1e-8


class SOAP(Eager):
    """Adam in the eigenbasis of Shampoo's preconditioner.

    For a matrix of weights with gradient G the running means of G Gᵀ and Gᵀ G have eigenvectors U
    and V, and Adam works on Uᵀ G V, where what was coupled between weights is nearly diagonal:

        M ← b₁ M + (1 − b₁) G,    S ← b₂ S + (1 − b₂) (Uᵀ G V)²,
        W ← W − lr · U [ (Uᵀ M V) / (√S + eps) ] Vᵀ,

    with Adam's corrections of M and S for their start at zero. Biases and sides longer than
    ``largest`` keep their own basis. The first batch only sets up the bases. After N. Vyas,
    D. Morwani, R. Zhao, I. Shapira, D. Brandfonbrener, L. Janson and S. Kakade, arXiv:2409.11321
    (2024); but the means are kept in the bases, Uᵀ ⟨G Gᵀ⟩ U, where small directions are not
    rounded by large ones, and what is smaller than 1e-8 of the largest counts as just that; and
    the basis that starts has singular vectors of G only where they are above 1e-2 of the largest.
    So the bases depend on gradients, not on how they are rounded.

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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """torch's; of a state that was kept before the means lay in the bases these are made."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            sides = state.pop("sides", None)
            if sides is not None:
                pairs = zip(sides, state["bases"], strict=True)
                state["means"] = [None if u is None else u.T @ side @ u for side, u in pairs]

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
        _follow(state, rotated, group)


def _start(gradient: Tensor, group: dict[str, Any]) -> State:
    bases = []
    if gradient.ndim == 2:
        bases = [
            _first_basis(side) if 1 < len(side) <= group["largest"] else None
            for side in (gradient, gradient.T)
        ]
    squares = _squares(_into(bases, gradient), bases)
    return {
        "step": 0,
        "mean": torch.zeros_like(gradient),
        "square": torch.zeros_like(gradient),
        "means": [None if each is None else (1 - group["memory"]) * each for each in squares],
        "bases": bases,
    }


def _first_basis(gradient: Tensor) -> Tensor:
    """Left singular vectors of G, and across them directions that are as near to axes as can be."""
    rows, columns = gradient.shape
    basis, values, _ = torch.linalg.svd(gradient.double(), full_matrices=rows > columns)
    known = int((values > _FIRST * values[0]).sum())
    rest = basis[:, known:]
    ranks = torch.arange(rows, 0, -1, dtype=basis.dtype, device=basis.device)
    axes = torch.linalg.eigh(rest.T @ (ranks[:, None] * rest))[1].flip(1)
    return torch.cat([basis[:, :known], rest @ axes], 1).to(gradient.dtype)


def _squares(rotated: Tensor, bases: list[Tensor | None]) -> list[Tensor | None]:
    """R Rᵀ and Rᵀ R of R = Uᵀ G V, None where a side has no basis."""
    sides = (rotated, rotated.T) if bases else ()
    return [
        None if basis is None else side @ side.T for side, basis in zip(sides, bases, strict=True)
    ]


def _follow(state: State, rotated: Tensor, group: dict[str, Any]) -> None:
    """Let the means take in a gradient, and every ``refresh`` steps the bases follow them."""
    squares = _squares(rotated, state["bases"])
    for mean, square in zip(state["means"], squares, strict=True):
        if mean is not None:
            mean.lerp_(square, 1 - group["memory"])
    if state["step"] % group["refresh"]:
        return
    for side, mean in enumerate(state["means"]):
        if mean is not None:
            _turn(state, side, mean.double())


def _turn(state: State, side: int, mean: Tensor) -> None:
    """One orthogonal iteration of the basis of a side, largest directions first."""
    largest_first = mean.diagonal().clamp(min=_FLOOR * mean.diagonal().max())
    order = largest_first.argsort(descending=True, stable=True)
    mean = mean[order][:, order]
    floor = _FLOOR * mean[0, 0] * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    turn = torch.linalg.qr(mean + floor)[0]
    basis, square = state["bases"][side], state["square"]
    state["square"] = square.index_select(side, order)
    state["bases"][side] = (basis[:, order].double() @ turn).to(basis.dtype)
    state["means"][side] = (turn.T @ mean @ turn).to(basis.dtype)


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
