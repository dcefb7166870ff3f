"""Optimizers without torch's compiler: the steps of torch's own, and no compiler."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from typing import Any

import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.fit.optimizers import eager

from ...made_potentials import GAUSSIAN, cuco_frames
from ...processes import answer

KINDS = [
    kind
    for kind in vars(torch.optim).values()
    if inspect.isclass(kind)
    and issubclass(kind, torch.optim.Optimizer)
    and kind not in (torch.optim.Optimizer, torch.optim.SparseAdam)  # the latter: sparse gradients
]


def steps(kind: type[torch.optim.Optimizer], count: int = 4, **options: Any) -> torch.Tensor:
    """Where an optimizer gets to from one point, the hooks it called and the state it is in."""
    weights = torch.nn.Parameter(torch.linspace(-1.0, 1.0, 6, dtype=torch.float64).reshape(2, 3))
    optimizer = kind([weights], **options)
    hooks = []
    optimizer.register_step_pre_hook(lambda *_: hooks.append("before"))
    optimizer.register_step_post_hook(lambda *_: hooks.append("after"))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((weights - 0.3) ** 4).sum()
        loss.backward()
        return loss

    for step in range(count):
        optimizer.step(closure)
        if step == 1:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert hooks == ["before", "after"] * count
    return weights.detach()


@pytest.mark.parametrize("compiler", [True, False])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_steps_are_those_of_torch(kind, compiler, monkeypatch):
    expected = steps(kind)
    monkeypatch.setattr(eager, "_compiler_is_loaded", lambda: compiler)
    found = steps(eager.without_compiler(kind))
    assert torch.equal(found, expected)
    assert not torch.equal(found, torch.linspace(-1.0, 1.0, 6, dtype=torch.float64).reshape(2, 3))


def test_steps_are_differentiated_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(eager, "_compiler_is_loaded", lambda: False)
    gradients = []
    for kind in (torch.optim.SGD, eager.without_compiler(torch.optim.SGD)):
        rate = torch.tensor(0.1, requires_grad=True)
        weights = torch.ones(2, requires_grad=True).clone()
        weights.retain_grad()
        weights.grad = 3 * weights.detach() ** 2
        optimizer = kind([weights], lr=rate, differentiable=True)
        optimizer.step()
        gradients.append(torch.autograd.grad(weights.sum(), rate)[0])
    assert torch.equal(gradients[0], gradients[1])
    assert gradients[0] == -6


def test_classes_of_torch_stay_as_they_are():
    before = dict(vars(torch.optim.Adam))
    optimizer = eager.without_compiler(torch.optim.Adam)([torch.nn.Parameter(torch.ones(1))])
    assert isinstance(optimizer, torch.optim.Adam)
    assert type(optimizer).__name__ == "Adam"
    assert dict(vars(torch.optim.Adam)) == before


def test_classes_of_others_are_not_touched():
    class Own(torch.optim.SGD):
        pass

    assert eager.without_compiler(Own) is Own
    assert eager.without_compiler(eager.Eager) is eager.Eager


def test_optimizers_survive_a_pickle():
    kind = eager.without_compiler(torch.optim.Adam)
    optimizer = kind([torch.nn.Parameter(torch.ones(1))], lr=0.25)
    for copied in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        assert type(copied) is kind
        assert copied.param_groups[0]["lr"] == 0.25
    with pytest.raises(AttributeError, match="no attribute 'lr_scheduler'"):
        eager.lr_scheduler  # noqa: B018


def train() -> bool:
    """Whether training loads the compiler."""
    for optimizer in (torch.optim.Adam, "soap", "lbfgs"):
        trainer = AtomsTrainer(
            {
                "model": {"num_layers": 1, "num_nodes": 2},
                "optim": {"epochs": 1, "optimizer": optimizer, "force_coefficient": 0.1},
                "dataset": {
                    "raw_data": cuco_frames(3),
                    "fp_scheme": "gaussian",
                    "fp_params": GAUSSIAN,
                },
                "cmd": {"debug": True, "verbose": False},
            }
        )
        trainer.train()
    return "torch._dynamo" in sys.modules


def test_training_loads_no_compiler(start):
    """Seconds, in which nothing is trained."""
    assert not answer(start, train)
