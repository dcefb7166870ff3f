"""Loss and gradient of a batch by one kernel, where model, loss and data allow it.

It takes the steps that autograd would take, so the two differ by rounding only. What somebody else
may want to see or change on the way (hooks, classes of their own) goes the general way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.profiler import record_function

from ..data.frame import AtomsBatch
from ..data.primes import StoredPrimes
from ..kernels import networks
from ..kernels.batch_loss import Inputs, Result, batch_loss
from ..potentials.networks.model import BPNN, AtomisticModel, SingleNN, has_hooks
from .losses import CustomLoss, PerAtomLoss

# Threads share the frames of a batch; the general path cuts frames in parts, too.
_LEAST_FRAMES = 4


def fused_step(
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
    shape = _shape(model, criterion, batch)
    if shape is None:
        return None
    assert isinstance(model, AtomisticModel)
    assert isinstance(criterion, CustomLoss | PerAtomLoss)
    terms, inputs = criterion.terms(batch), _inputs(model, batch)
    if terms is None or inputs is None or not _same_type(model, inputs, targets):
        return None
    with record_function("amptorch::loss_and_gradient"):
        parameters = [part for each in model.perceptrons() for part in each.parameters()]
        result = batch_loss(shape, parameters, inputs, targets, terms, gradient)
    if gradient:
        for parameter, change in _gradients(model, batch, parameters, result):
            if parameter.requires_grad:
                old = parameter.grad
                parameter.grad = change if old is None else old + change
    return result.loss, (result.energies, result.forces)


def _shape(model: nn.Module, criterion: nn.Module, batch: AtomsBatch) -> networks.Shape | None:
    """Of the networks, unless a class is not known or somebody looks on."""
    if not isinstance(model, AtomisticModel) or type(model) not in (BPNN, SingleNN):
        return None
    known = type(criterion) in (CustomLoss, PerAtomLoss) and type(batch) is AtomsBatch
    if not known or batch.num_graphs < _LEAST_FRAMES or model.get_stress:
        return None
    # Those of the layers are looked for by ``kernel_shape``.
    called = [model, criterion, *model.perceptrons(), *(e.model_net for e in model.perceptrons())]
    if isinstance(model, BPNN):
        called += [model.element_mask, model.element_mask.mask]
    if _has_any_global_hook() or any(map(has_hooks, called)):
        return None
    if any(p._backward_hooks or p._post_accumulate_grad_hooks for p in model.parameters()):
        return None
    return model.kernel_shape()


def _inputs(model: AtomisticModel, batch: AtomsBatch) -> Inputs | None:
    fingerprint = batch.fingerprint.detach()
    with torch.no_grad():
        shares = model.shares(batch.atomic_numbers)
    if not model.get_forces:
        return Inputs(fingerprint, shares, batch.natoms, None, fingerprint[:0])
    primes = batch.primes
    if not isinstance(primes, StoredPrimes):
        return None
    return Inputs(fingerprint, shares, batch.natoms, primes.constants(), primes.factors)


def _same_type(model: AtomisticModel, inputs: Inputs, targets: Sequence[Tensor]) -> bool:
    fingerprint = inputs.fingerprints
    blocks = inputs.jacobian.blocks[:1] if inputs.jacobian is not None else []
    others = [next(model.parameters()), inputs.shares, *targets, *blocks]
    same = all((e.dtype, e.device) == (fingerprint.dtype, fingerprint.device) for e in others)
    return same and networks.compiled(fingerprint)


def _gradients(
    model: AtomisticModel, batch: AtomsBatch, parameters: Sequence[Tensor], result: Result
) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(parameters, result.parameters, strict=True)
    if isinstance(model, BPNN) and len(result.shares):
        mask = model.element_mask.mask.weight
        yield mask, torch.zeros_like(mask).index_add_(0, batch.atomic_numbers, result.shares)
