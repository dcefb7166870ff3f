"""Lean steps of fused Adam: those of torch's own, whatever happens between them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.optim import Adam, AdamW, Optimizer

from amptorch.fit.optimizers import adam, eager

OPTIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "decay": {"weight_decay": 0.1},
    "maximize": {"maximize": True},
    "amsgrad": {"amsgrad": True},
    "not fused": {"fused": False},
}


def groups() -> list[dict[str, Any]]:
    """Weights of several shapes in two groups, of a learning rate each."""
    values = [torch.linspace(-1.0, 1.0, n, dtype=torch.float64) for n in (6, 3, 4)]
    weights = [torch.nn.Parameter(each) for each in (values[0].reshape(2, 3), *values[1:])]
    return [{"params": weights[:2]}, {"params": weights[2:], "lr": 0.03}]


def run(kind: type[Optimizer], options: dict[str, Any]) -> tuple[list[torch.Tensor], Any]:
    """Where an optimizer gets to, and its state."""
    optimizer = kind(groups(), **{"lr": 0.01, "fused": True, **options})
    weights = [each for group in optimizer.param_groups for each in group["params"]]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = sum(((each - 0.3) ** 4).sum() for each in weights if each.requires_grad)
        loss.backward()
        return loss

    for step in range(16):
        weights[1].requires_grad_(step not in (4, 5))
        if step == 7:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        if step == 9:
            optimizer.param_groups[0]["lr"] = 0.02
        if step == 11:
            optimizer.state[weights[0]]["exp_avg"] = torch.ones(2, 3, dtype=torch.float64)
        if step == 12:
            optimizer.state[weights[2]]["step"] = torch.tensor(2.0)
        if step == 13:
            optimizer.state.clear()
        assert optimizer.step(closure) > 0
    return [each.detach() for each in weights], optimizer.state_dict()


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_steps_are_those_of_torch(kind, options, monkeypatch):
    expected, state = run(kind, options)
    monkeypatch.setattr(eager, "_compiler_is_loaded", lambda: False)
    counted: list[None] = []
    own = adam._Kept.step
    monkeypatch.setattr(adam._Kept, "step", lambda *each: (counted.append(None), own(*each))[1])
    found, other_state = run(eager.without_compiler(kind), options)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(other_state["state"], state["state"], rtol=0, atol=0)
    assert other_state["param_groups"] == state["param_groups"]
    assert bool(counted) == (not {"amsgrad", "fused"} & options.keys())
