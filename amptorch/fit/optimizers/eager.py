"""Optimizers that do not load torch's compiler.

torch wraps ``add_param_group``, ``zero_grad``, ``state_dict``, ``load_state_dict`` and ``step`` of
its optimizers for ``torch.compile``, and what it wraps them with imports the compiler when they are
first called: a second and more, for a program that compiles nothing. The classes here call what is
wrapped. Once something else has loaded the compiler they do as torch's; torch's own classes stay as
they are.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache, wraps
from types import MethodType
from typing import Any

import torch
from torch.autograd import profiler
from torch.optim import optimizer as of_torch

from .adam import lean


class Eager(torch.optim.Optimizer):
    """The methods that all optimizers share."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See ``torch.optim.Optimizer``, as the others."""
        _bare(super().add_param_group)(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        if not set_to_none or profiler._is_profiler_enabled:
            _bare(super().zero_grad)(set_to_none)
            return
        for group in self.param_groups:
            for each in group["params"]:
                each.grad = None

    def state_dict(self) -> dict[str, Any]:
        return _bare(super().state_dict)()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _bare(super().load_state_dict)(state_dict)


@cache
def without_compiler(kind: type) -> type:
    """A class that does as one of torch's; any other class as it is."""
    if kind.__module__.partition(".")[0] != "torch":
        return kind
    members: dict[str, Any] = {"__module__": __name__, "__doc__": kind.__doc__}
    # Only steps that may be differentiated through touch the compiler.
    if "differentiable" in inspect.signature(kind).parameters:
        members["step"] = _step(kind)
    return type(kind.__name__, (Eager, kind), members)


def __getattr__(name: str) -> Any:
    """The class for one of torch's by its name: pickles of optimizers ask for it."""
    kind: Any = getattr(torch.optim, name, None)
    known = isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    if not known:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return without_compiler(kind)


def _bare(method: Callable[..., Any]) -> Callable[..., Any]:
    if _compiler_is_loaded() or not isinstance(method, MethodType):
        return method
    function = method.__func__
    return MethodType(getattr(function, "__wrapped__", function), method.__self__)


def _step(kind: type[torch.optim.Optimizer]) -> Callable[..., Any]:
    """The step of a class, with gradients recorded where ``differentiable`` says so."""
    # Around it lie what torch wraps it with and, once there was an object of the class, its hooks.
    bare = inspect.unwrap(kind.step)
    wrapped = inspect.unwrap(kind.step, stop=lambda each: vars(each)["__wrapped__"] is bare)
    begun = lean(kind, bare)

    @wraps(bare)
    def step(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        if _compiler_is_loaded():
            return wrapped(self, *args, **kwargs)
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return begun(self, *args, **kwargs)

    named = torch.optim.Optimizer.profile_hook_step(step)

    @wraps(bare)
    def unless_watched(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        return (named if _is_watched(self) else step)(self, *args, **kwargs)

    unless_watched.hooked = True  # type: ignore[attr-defined]  # torch lays no hooks around it
    return unless_watched


def _is_watched(optimizer: torch.optim.Optimizer) -> bool:
    """Whether steps have hooks, or a profiler wants to know their names."""
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        of_torch._global_optimizer_pre_hooks,
        of_torch._global_optimizer_post_hooks,
    )
    return profiler._is_profiler_enabled or any(hooks)


def _compiler_is_loaded() -> bool:
    return "torch._dynamo" in sys.modules
