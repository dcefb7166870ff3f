"""Loss and gradient of a batch without autograd, where model, loss and data allow it.

On the CPU, of stored primes, by one kernel (``kernels/batch_loss.py``); on a GPU, and of primes
that are computed at every step, composed of the networks and of products with the primes
(``kernels/composed_loss.py``). Both take the steps that autograd would take, so the results differ
by rounding only. What somebody else may want to see or change on the way (hooks, classes of their
own) goes the general way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from ..data.frame import AtomsBatch
from ..data.primes import StoredPrimes
from ..kernels import batch_loss, composed_loss, networks
from ..kernels.batch_loss import Result, Terms
from ..kernels.capability import COMPILED
from ..potentials.networks.model import BPNN, AtomisticModel, SingleNN
from ..processes.stages import stage
from .losses import CustomLoss, PerAtomLoss

# Threads of the kernel share the frames of a batch; other ways cut frames in parts, too.
_LEAST_FRAMES = 4

Losses = CustomLoss | PerAtomLoss


@dataclass
class _Known:
    """What the kernel is told of a model, and what must not change for it to stay so."""

    shape: networks.Shape
    hooks: Sequence[Mapping[int, object]]
    layers: Sequence[nn.Module]
    trained: Sequence[bool]

    def holds(self, layers: Sequence[nn.Module], parameters: Sequence[Tensor]) -> bool:
        """Whether nothing has, neither layers, nor what is trained, nor who looks on."""
        same = self.layers == layers and self.trained == [p.requires_grad for p in parameters]
        return same and not any(self.hooks)


class FusedSteps:
    """Steps of training, which looks through a model once and then sees that it is as it was.

    Settings of a layer, as the beta of a softplus, are taken as they were first.
    """

    def __init__(self) -> None:
        self._known: dict[nn.Module, _Known] = {}

    def step(
        self,
        model: nn.Module,
        criterion: nn.Module,
        batch: AtomsBatch,
        targets: Sequence[Tensor],
        gradient: bool,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]] | None:
        """Loss of a batch, energies and forces; None where the general path must do it.

        Args:
            model: the network.
            criterion: the loss.
            batch: the frames.
            targets: energies and, with forces, forces.
            gradient: add the gradient to ``grad`` of the parameters.
        """
        if type(model) not in (BPNN, SingleNN) or type(criterion) not in (CustomLoss, PerAtomLoss):
            return None
        assert isinstance(model, AtomisticModel)
        assert isinstance(criterion, Losses)
        with torch.no_grad():
            return self._step(model, criterion, batch, targets, gradient)

    def _step(
        self,
        model: AtomisticModel,
        criterion: Losses,
        batch: AtomsBatch,
        targets: Sequence[Tensor],
        gradient: bool,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]] | None:
        layers = [layer for each in model.perceptrons() for layer in each.model_net]
        parameters = [
            part for each in layers for part in each._parameters.values() if part is not None
        ]
        trained: list[Tensor] = list(parameters)
        if isinstance(model, BPNN):
            trained = [*parameters, model.element_mask.mask.weight]
        shape = self._shape(model, criterion, batch, layers, trained)
        if shape is None:
            return None
        terms = criterion.terms(batch)
        if terms is None or not _same_type(batch, [parameters[0], *targets]):
            return None
        result = _result(model, shape, parameters, batch, targets, terms, gradient)
        if result is None:
            return None
        if gradient:
            changes = [*result.parameters, result.shares]
            for parameter, change in zip(trained, changes, strict=False):
                if change is not None and parameter.requires_grad:
                    old = parameter.grad
                    parameter.grad = change if old is None else old + change
        return result.loss, (result.energies, result.forces)

    def _shape(
        self,
        model: AtomisticModel,
        criterion: nn.Module,
        batch: AtomsBatch,
        layers: Sequence[nn.Module],
        trained: Sequence[Tensor],
    ) -> networks.Shape | None:
        """Of the networks, unless somebody looks on."""
        if type(batch) is not AtomsBatch or model.get_stress:
            return None
        if _has_any_global_hook() or any(
            p._backward_hooks or p._post_accumulate_grad_hooks for p in trained
        ):
            return None
        known = self._known.get(model)
        if known is None or not known.holds(layers, trained):
            known = _look_through(model, criterion, layers, trained)
            if known is None:
                return None
            self._known[model] = known
        return known.shape


def _look_through(
    model: AtomisticModel,
    criterion: nn.Module,
    layers: Sequence[nn.Module],
    trained: Sequence[Tensor],
) -> _Known | None:
    hooks = [
        hooks
        for each in (*model.modules(), *criterion.modules())
        for hooks in (
            each._forward_hooks,
            each._forward_pre_hooks,
            each._backward_hooks,
            each._backward_pre_hooks,
        )
    ]
    shape = None if any(hooks) else model.kernel_shape()
    if shape is None:
        return None
    return _Known(shape, hooks, layers, [each.requires_grad for each in trained])


def _result(
    model: AtomisticModel,
    shape: networks.Shape,
    parameters: Sequence[Tensor],
    batch: AtomsBatch,
    targets: Sequence[Tensor],
    terms: Terms,
    gradient: bool,
) -> Result | None:
    """By the kernel where it can, else composed; None where the general path must do it."""
    shares = model.shares_of_numbers()
    if not model.get_forces:
        primes, product = None, None
    elif batch.primes is None:
        return None
    else:
        primes, product = batch.primes, batch.primes.product
    if networks.compiled(batch.like) and (primes is None or isinstance(primes, StoredPrimes)):
        inputs = _of_kernel(shares, batch, primes)
        if inputs is None:
            return None
        with stage("amptorch::loss_and_gradient"):
            return batch_loss.batch_loss(shape, parameters, inputs, targets, terms, gradient)
    fingerprint, numbers = batch.fingerprint.detach(), batch.atomic_numbers
    parts = composed_loss.Inputs(fingerprint, shares, numbers, batch.batch, product)
    with stage("amptorch::loss_and_gradient"):
        return composed_loss.composed_loss(shape, parameters, parts, targets, terms, gradient)


def _of_kernel(
    shares: Tensor, batch: AtomsBatch, primes: StoredPrimes | None
) -> batch_loss.Inputs | None:
    """What the kernel is given; None of batches that it does not take."""
    if batch.num_graphs < _LEAST_FRAMES:
        return None
    frames, factors = None, []
    if primes is not None:
        frames, factors = primes.constants(), [each.factors for each in primes.frames()]
        if frames.blocks[0].dtype != batch.like.dtype or len(factors) != batch.num_graphs:
            return None
    numbers, natoms = batch.atomic_numbers, batch.natoms
    return batch_loss.Inputs(batch.fingerprints, shares, numbers, natoms, frames, factors)


def _same_type(batch: AtomsBatch, tensors: Sequence[Tensor]) -> bool:
    """Whether all of it has one precision, that there are kernels for, and is on one device."""
    x = batch.like
    same = all((each.dtype, each.device) == (x.dtype, x.device) for each in tensors)
    return same and x.dtype in COMPILED
