"""The four operations of a fingerprint kernel as torch operators, and the choice of its backend.

G is a function of the pair vectors R, with the Jacobian J = dG/dR. The operations, and how
autograd differentiates each:

    forward   G                      in R: vjp
    vjp       J^T g  (g = dE/dG)     in g: jvp;  in R: through the reference
    jvp       J v    (v = dR)        in v: vjp;  in R: through the reference
    jacobian  G and J                not differentiable: it is made to be stored

so derivatives of any order exist, and those that training on forces needs are compiled kernels.
The kernels are C++ on the CPU and Triton on a GPU; where there is none for a device, precision or
set of parameters, the reference runs in the open, under autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

import torch
from torch import Tensor

from . import cuda
from .backends import Cpp, Native, Parameters, Reference
from .capability import COMPILED
from .environment import Environment
from .registration import Context, define


class _Inputs(Context):
    """With what :func:`_save` keeps."""

    numbers: Sequence[float]
    n_tensors: int


class Operators:
    """The four operations of a stem, on whichever backend fits the vectors.

    Args:
        stem: name of the kernel; its operators are ``amptorch::<stem>_forward`` and so on.
        parameters: the frozen dataclass that holds its parameters.
        native: kernels for float32 and float64 on the CPU in the place of those in C++; on a GPU
            those of ``kernels/cuda/<stem>.py`` are taken.
        stored: whether there is a Jacobian.
        reference: forward in plain torch, differentiable any number of times; with its
            derivatives by autograd it is taken for everything else.
    """

    def __init__(
        self,
        stem: str,
        parameters: type[Parameters],
        reference: Callable[[Environment, Any], Tensor],
        native: Native | None = None,
        stored: bool = True,
    ) -> None:
        self.stem, self.stored = stem, stored
        self.reference = Reference(reference)
        self.compiled = Compiled(stem, parameters, native or Cpp(stem), self.reference, stored)

    def forward(self, environment: Environment, parameters: Parameters) -> Tensor:
        """Fingerprints [n_atoms, n_features]."""
        return self._backend(environment, parameters).forward(environment, parameters)

    def jacobian(self, environment: Environment, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Fingerprints, and dG_i/dR_ij [n_pairs, n_touched, 3].

        Raises:
            ValueError: a stem whose Jacobian is not made.
        """
        if not self.stored:
            raise ValueError(
                f"jacobian: {self.stem} makes none; forces come by its vjp: use "
                "'derivatives': 'on_the_fly'"
            )
        return self._backend(environment, parameters).jacobian(environment, parameters)

    def vjp(self, environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
        """dE/dR_ij [n_pairs, 3] from dE/dG ``gradient`` [n_atoms, n_features]."""
        shape = (environment.n_atoms, parameters.n_features)
        _check("gradient", gradient, shape, environment.vectors)
        return self._backend(environment, parameters).vjp(environment, parameters, gradient)

    def jvp(self, environment: Environment, parameters: Parameters, changes: Tensor) -> Tensor:
        """dG [n_atoms, n_features] from ``changes`` [n_pairs, 3] of the pair vectors."""
        _check("changes", changes, (environment.n_pairs, 3), environment.vectors)
        return self._backend(environment, parameters).jvp(environment, parameters, changes)

    def _backend(self, environment: Environment, parameters: Parameters) -> Compiled | Reference:
        native = self.compiled.native(environment.vectors, parameters)
        return self.reference if native is None else self.compiled


class Compiled:
    """The backend of C++ and Triton kernels behind torch operators.

    Args: see :class:`Operators`.
    """

    def __init__(
        self,
        stem: str,
        parameters: type[Parameters],
        native: Native,
        reference: Reference,
        stored: bool,
    ) -> None:
        self.stem = stem
        self.parameters = parameters
        self.cpp = native
        self.reference = reference
        hints = get_type_hints(parameters)
        self.types = {field.name: hints[field.name] for field in fields(parameters)}  # type: ignore
        numbers = [name for name, kind in self.types.items() if kind is not Tensor]
        self.n_features = numbers.index("n_features")
        self.operators = {
            "forward": self._define(
                "forward", "", "Tensor", self._features, self._differentiate_forward
            ),
            "vjp": self._define(
                "vjp", ", Tensor gradient", "Tensor", _like_vectors, self._differentiate_vjp
            ),
            "jvp": self._define(
                "jvp", ", Tensor changes", "Tensor", self._features, self._differentiate_jvp
            ),
        }
        if stored:
            self.operators["jacobian"] = self._define(
                "jacobian", ", Tensor touch", "(Tensor, Tensor)", self._blocks
            )

    def native(self, vectors: Tensor, parameters: Parameters) -> Native | None:
        """The kernels for these vectors; None where only the reference can do it."""
        if vectors.dtype not in COMPILED:
            return None
        if cuda.runs_on(vectors.device):
            return self.triton(parameters)
        return self.cpp if vectors.device.type == "cpu" else None

    def triton(self, parameters: Parameters) -> Native | None:
        """The kernels for a GPU; None where there are none for these parameters, or no Triton."""
        triton = cuda.load(self.stem)
        return triton if triton is not None and triton.takes(parameters) else None

    def forward(self, environment: Environment, parameters: Parameters) -> Tensor:
        return self.operators["forward"](*flatten(environment, parameters))

    def jacobian(self, environment: Environment, parameters: Parameters) -> tuple[Tensor, Tensor]:
        touch = parameters.touch()
        return self.operators["jacobian"](*flatten(environment, parameters), touch)

    def vjp(self, environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
        return self.operators["vjp"](*flatten(environment, parameters), gradient)

    def jvp(self, environment: Environment, parameters: Parameters, changes: Tensor) -> Tensor:
        return self.operators["jvp"](*flatten(environment, parameters), changes)

    def _define(
        self,
        operation: str,
        argument: str,
        returns: str,
        shapes: Callable[..., Any],
        backward: Callable[..., Any] | None = None,
    ) -> Any:
        def run(*inputs: Any) -> Any:
            environment, parameters, rest = self._rebuild(*inputs)
            native = self.native(environment.vectors, parameters)
            return getattr(native, operation)(environment, parameters, *rest)

        schema = (
            "(Tensor vectors, Tensor first, Tensor neighbors, Tensor species, "
            f"Tensor[] tensors, float[] numbers{argument}) -> {returns}"
        )
        return define(f"{self.stem}_{operation}", schema, run, shapes, backward, _save)

    def _rebuild(
        self,
        vectors: Tensor,
        first: Tensor,
        neighbors: Tensor,
        species: Tensor,
        tensors: Sequence[Tensor],
        numbers: Sequence[float],
        *rest: Tensor,
    ) -> tuple[Environment, Parameters, list[Tensor]]:
        environment = Environment(vectors.contiguous(), first, neighbors, species)
        tables, scalars = iter(tensors), iter(numbers)
        values = [
            next(tables) if kind is Tensor else kind(next(scalars)) for kind in self.types.values()
        ]
        return environment, self.parameters(*values), [tensor.contiguous() for tensor in rest]

    def _features(self, *inputs: Any) -> Tensor:
        vectors, _, _, species, _, numbers = inputs[:6]
        return vectors.new_empty((species.shape[0], int(numbers[self.n_features])))

    def _blocks(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        vectors, touch = inputs[0], inputs[6]
        return self._features(*inputs), vectors.new_empty((vectors.shape[0], touch.shape[-1], 3))

    def _differentiate_forward(self, ctx: _Inputs, gradient: Tensor) -> tuple[Any, ...]:
        return _pad(ctx, self.operators["vjp"](*_saved(ctx), gradient))

    def _differentiate_vjp(self, ctx: _Inputs, changes: Tensor) -> tuple[Any, ...]:
        *inputs, gradient = _saved(ctx)
        return self._differentiate_product(ctx, inputs, gradient, changes, "jvp", changes)

    def _differentiate_jvp(self, ctx: _Inputs, gradient: Tensor) -> tuple[Any, ...]:
        *inputs, changes = _saved(ctx)
        return self._differentiate_product(ctx, inputs, gradient, changes, "vjp", gradient)

    def _differentiate_product(
        self,
        ctx: _Inputs,
        inputs: list[Any],
        gradient: Tensor,
        changes: Tensor,
        transpose: str,
        direction: Tensor,
    ) -> tuple[Any, ...]:
        """Gradients of g . J v in R, and in g or v, where it is linear."""
        curvature = linear = None
        if ctx.needs_input_grad[0]:
            curvature = self._curvature(inputs, gradient, changes)
        if ctx.needs_input_grad[-1]:
            linear = self.operators[transpose](*inputs, direction)
        return _pad(ctx, curvature, linear)

    def _curvature(self, inputs: list[Any], gradient: Tensor, changes: Tensor) -> Tensor:
        """d(g . J v)/dR [n_pairs, 3], by differentiating the reference twice."""
        environment, parameters, _ = self._rebuild(*inputs)
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            # An alias: g is held fixed here, also where it is a function of the vectors.
            vectors = environment.vectors.view_as(environment.vectors)
            pulled = self.reference.vjp(environment.with_vectors(vectors), parameters, gradient)
        (curvature,) = torch.autograd.grad(
            pulled, vectors, changes, create_graph=wanted, materialize_grads=True
        )
        return curvature


def flatten(environment: Environment, parameters: Parameters) -> tuple[Any, ...]:
    """The arguments of an operator, which may only be tensors and lists."""
    values = [getattr(parameters, field.name) for field in fields(parameters)]  # type: ignore
    tensors = [value for value in values if isinstance(value, Tensor)]
    numbers = [float(value) for value in values if not isinstance(value, Tensor)]
    return (
        environment.vectors,
        environment.first,
        environment.neighbors,
        environment.species,
        tensors,
        numbers,
    )


def _check(name: str, values: Tensor, shape: tuple[int, ...], vectors: Tensor) -> None:
    if values.shape != shape or values.dtype != vectors.dtype:
        raise ValueError(
            f"{name}: expected shape {shape} and {vectors.dtype}, "
            f"got shape {tuple(values.shape)} and {values.dtype}"
        )


def _like_vectors(vectors: Tensor, *_: object) -> Tensor:
    return vectors.new_empty(vectors.shape)


def _save(ctx: _Inputs, inputs: tuple[Any, ...], output: object) -> None:
    vectors, first, neighbors, species, tensors, numbers, *rest = inputs
    ctx.save_for_backward(vectors, first, neighbors, species, *rest, *tensors)
    ctx.numbers, ctx.n_tensors = numbers, len(tensors)


def _saved(ctx: _Inputs) -> list[Any]:
    """The inputs that :func:`_save` kept, in their order."""
    kept = list(ctx.saved_tensors)
    n_rest = len(kept) - 4 - ctx.n_tensors
    return [*kept[:4], kept[4 + n_rest :], ctx.numbers, *kept[4 : 4 + n_rest]]


def _pad(ctx: _Inputs, vectors: Tensor | None, *rest: Tensor | None) -> tuple[Any, ...]:
    """Gradients of the inputs: none of the indices and parameters has one."""
    return vectors, None, None, None, [None] * ctx.n_tensors, None, *rest
