"""Steps of torch's fused Adam and AdamW that begin fewer operations.

torch looks at each weight anew in every step, sorts weights by device and precision, and counts
their steps one by one: for many small weights that takes several times as long as the step itself.
Where all weights are of one kind, and the options are the usual ones, what a step needs is kept
here from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

Step = Callable[..., Any]
_UNUSUAL = ("amsgrad", "capturable", "differentiable")


def lean(kind: type[Optimizer], bare: Step) -> Step:
    """The step ``bare`` of a class; where it is Adam or AdamW and the step may be lean, that."""
    if kind not in (Adam, AdamW):
        return bare

    @wraps(bare)
    def step(self: Optimizer, closure: Callable[[], Any] | None = None) -> Any:
        if not self.defaults.get("fused"):
            return bare(self, closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        kept = vars(self).setdefault("_kept", {})
        for place, group in enumerate(self.param_groups):
            weights = [each for each in group["params"] if each.grad is not None]
            if place not in kept or not kept[place].holds(self, weights):
                kept[place] = _Kept(self, group, weights)
        if all(each.usual for each in kept.values()):
            for place, group in enumerate(self.param_groups):
                kept[place].step(group, kind is AdamW)
        else:
            bare(self)
        return loss

    return step


class _Kept:
    """What a step needs of the weights of a group that have gradients.

    Attributes:
        usual: whether their step may be lean.
    """

    def __init__(self, optimizer: Optimizer, group: dict[str, Any], weights: list[Tensor]) -> None:
        self._weights = weights
        known: Mapping[Tensor, Any] = optimizer.state
        self._states = [known.get(each, {}) for each in weights]
        begun = all(self._states) and bool(weights)
        alike = len({(each.device, each.dtype) for each in weights}) == 1
        plain = not any(group.get(option) for option in _UNUSUAL)
        scaled = hasattr(optimizer, "grad_scale") or hasattr(optimizer, "found_inf")
        self.usual = bool(group["fused"]) and begun and alike and plain and not scaled
        if self.usual:
            # Views of one tensor, which one operation counts on.
            self._count = torch.stack([state["step"] for state in self._states])
            self._one = self._count.new_ones(())
            self._steps = self._count.unbind()
            for state, step in zip(self._states, self._steps, strict=True):
                state["step"] = step

    def holds(self, optimizer: Optimizer, weights: list[Tensor]) -> bool:
        """Whether all is as it was."""
        if not self.usual or len(weights) != len(self._weights):
            return False
        known: Mapping[Tensor, Any] = optimizer.state
        kept = zip(self._weights, self._states, self._steps, strict=True)
        return all(
            one is other and state["step"] is step and known.get(one) is state
            for one, (other, state, step) in zip(weights, kept, strict=True)
        )

    def step(self, group: dict[str, Any], decoupled: bool) -> None:
        """As torch's."""
        self._count.add_(self._one)
        decoupled = decoupled or group.get("decoupled_weight_decay", False)
        beta1, beta2 = group["betas"]
        gradients: list[Any] = [each.grad for each in self._weights]
        (torch._fused_adamw_ if decoupled else torch._fused_adam_)(
            self._weights,
            gradients,
            [state["exp_avg"] for state in self._states],
            [state["exp_avg_sq"] for state in self._states],
            [],
            self._steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=group["maximize"],
        )
