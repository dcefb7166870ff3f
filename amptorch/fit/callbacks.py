"""What happens around the epochs of a run: scores, best model, schedule, stopping, state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skorch.callbacks import EarlyStopping, GradientNormClipping, WandbLogger

from .averaging import WeightAverage
from .clock import Clock
from .deadline import Deadline
from .metrics import evaluator
from .schedules import scheduler
from .state import Resume

if TYPE_CHECKING:
    from ..config import Config


def training_callbacks(
    settings: Config,
    wandb_run: Any,
    cp_dir: str | None,
    resume_state: dict[str, Any] | None,
) -> list[tuple[str, Any]]:
    """Callbacks of the skorch net.

    Args:
        settings: the typed configuration.
        wandb_run: of Weights & Biases, to log to, or None.
        cp_dir: checkpoint folder; None writes nothing.
        resume_state: state to go on from, see ``amptorch.fit.resume``.
    """
    scores = evaluator(
        settings.dataset.val_split,
        settings.gradients.metric,
        settings.cmd.identifier,
        settings.model.get_forces,
        settings.gradients.cp_metric,
        cp_dir,
    )
    # What loads the best model back comes last, after the state to go on from is kept; averaged
    # weights are in place before anything is kept.
    scores, load_best = (scores[:-1], scores[-1:]) if cp_dir else (scores, [])
    callbacks = [*_weights(settings), *scores, *_schedule(settings), *_stopping(settings)]
    callbacks.append(("resume", Resume(cp_dir, resume_state)))
    if wandb_run is not None:
        callbacks.append(("wandb", WandbLogger(wandb_run, save_model=False, keys_ignored="dur")))
    return [*callbacks, *load_best]


def _weights(settings: Config) -> list[tuple[str, Any]]:
    annealing, decay = settings.gradients.choice.annealing, settings.gradients.ema
    callbacks: list[tuple[str, Any]] = [] if annealing is None else [("annealing", annealing)]
    return [*callbacks, ("ema", WeightAverage(decay))] if decay else callbacks


def _schedule(settings: Config) -> list[tuple[str, Any]]:
    optim, callbacks = settings.gradients, []
    if optim.gradient_clip is not None:
        callbacks.append(("gradient_clip", GradientNormClipping(optim.gradient_clip)))
    if optim.scheduler is not None:
        callbacks.append(("lr_scheduler", scheduler(optim.scheduler, optim.epochs)))
    return callbacks


def _stopping(settings: Config) -> list[tuple[str, Any]]:
    cmd, callbacks = settings.cmd, []
    if cmd.time_limit is not None:
        callbacks.append(("deadline", Deadline(Clock(cmd))))
    if cmd.early_stopping:
        monitor = "valid_loss" if settings.dataset.val_split else "train_loss"
        patience = cmd.early_stopping_patience
        callbacks.append(("early_stopping", EarlyStopping(monitor=monitor, patience=patience)))
    return callbacks


def start_wandb(identifier: str, config: dict[str, Any]) -> Any:
    """A run of Weights & Biases."""
    try:
        import wandb
    except ImportError:
        raise ImportError("cmd: logger True needs the package wandb: pip install wandb") from None
    return wandb.init(name=identifier, config=config)
