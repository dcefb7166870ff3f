"""The skorch net of a configuration, and its loss."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..dataset.device_batches import DeviceCollater, device_collater
from ..dataset.frames import Frames
from ..dataset.in_memory import DataCollater
from ..dataset.loader import BatchLoader
from ..dataset.training_data import held, reading
from ..potentials.networks.members import Members
from ..processes import group
from . import optimizers, shared
from .data_parallel import DataParallel, ParallelCollater
from .net import AtomsNet
from .optimizers.eager import without_compiler
from .progress import EpochTable
from .schedules import scheduler
from .splits import check_parts

if TYPE_CHECKING:
    from ..config import Config


def check_run(settings: Config, criterion: type[nn.Module], n_images: int) -> None:
    """Raise a ``ValueError`` for a run that could not begin, or would end with its first epoch."""
    shared.check_settings(settings)
    make_loss(settings, criterion)
    if settings.gradients.scheduler is not None:
        scheduler(settings.gradients.scheduler, settings.gradients.epochs)
    check_parts(settings.dataset, n_images)


def loss_arguments(settings: Config) -> dict[str, Any]:
    """Arguments of the loss; what is as by default is left out, except for the two that every loss
    takes."""
    optim = settings.gradients
    given = {name: getattr(optim, name) for name in ("force_coefficient", "loss")}
    for name in ("energy_loss", "huber_delta", "stress_coefficient", "balance"):
        if getattr(optim, name) != getattr(type(optim), name):
            given[name] = getattr(optim, name)
    if settings.dataset.weight_key is not None:
        given["weighted"] = True
    return {**given, **optim.loss_args}


def make_loss(settings: Config, loss: type[nn.Module]) -> nn.Module:
    """A loss of this class.

    Raises:
        ValueError: it does not take one of the arguments, or not this value.
    """
    arguments = loss_arguments(settings)
    taken = inspect.signature(loss).parameters
    for name in arguments:
        if name not in taken and not any(p.kind == p.VAR_KEYWORD for p in taken.values()):
            raise ValueError(f"optim: {loss.__name__} takes no argument {name!r}")
    made = loss(**arguments)
    if settings.gradients.gpus > 1 and getattr(made, "per_image", False):
        raise ValueError("optim: this loss needs all images on one GPU, expected gpus <= 1")
    return made


def make_net(
    settings: Config,
    model: nn.Module,
    device: torch.device,
    dataset: Frames | None,
    optimizer: str | type,
    **keywords: Any,
) -> AtomsNet:
    """The skorch net around a model.

    Args:
        settings: the configuration.
        model: what is trained.
        device: where.
        dataset: what it will be trained on, or None.
        optimizer: class or name.
        keywords: of skorch's net: criterion, train_split, callbacks, ``optimizer__...``.
    """
    optim, together = settings.gradients, group.is_shared()
    if isinstance(model, Members) and (optim.gpus > 1 or optim.choice.net is not AtomsNet):
        raise ValueError(
            "model: members are trained by optimizers that see gradients alone, on one GPU at "
            f"most, got optimizer {optim.optimizer!r} and gpus {optim.gpus}"
        )
    module = model
    if optim.gpus > 1:
        module = DataParallel(model, output_device=device, num_gpus=optim.gpus)
    choice = optimizers.choose(optimizer, {})
    of_loss = loss_arguments(settings)
    if optim.loss == "nep" and dataset is not None:
        of_loss["unit"] = float(dataset.target_scaler.target_std)
    loader = shared.SharedBatchLoader if together else BatchLoader
    batches = _batches(settings, device, dataset)
    order = reading(dataset, settings.dataset.val_split)
    return (shared.SharedNet if together else choice.net)(
        module=module,
        optimizer=without_compiler(choice.optimizer),
        lr=optim.lr,
        batch_size=optim.batch_size,
        max_epochs=optim.epochs,
        iterator_train=loader,
        iterator_valid=loader,
        device=device,
        verbose=int(settings.cmd.verbose),
        callbacks__print_log=EpochTable(),
        **{f"iterator_train__{name}": value for name, value in {**order, **batches}.items()},
        **{f"iterator_valid__{name}": value for name, value in batches.items()},
        **{f"criterion__{name}": value for name, value in of_loss.items()},
        **keywords,
    )


def _batches(settings: Config, device: torch.device, dataset: Frames | None) -> dict[str, Any]:
    """How batches are made: keyword arguments of ``BatchLoader``."""
    optim = settings.gradients
    collater = DataCollater(train=True, forcetraining=settings.model.get_forces)
    if optim.gpus > 1:
        return {"collate_fn": ParallelCollater(optim.gpus, collater)}
    if dataset is None:
        return {"collate_fn": collater}
    images, verbose = held(dataset), settings.cmd.verbose
    made = device_collater(collater, images, device, optim.resident, verbose)
    # Copies are made while the device computes; of frames that lie there none are made.
    copies = isinstance(made, DeviceCollater) and not made.images
    return {"collate_fn": made, **({"prefetch": True} if copies else {})}
