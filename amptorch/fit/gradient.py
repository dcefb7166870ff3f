"""The fit by gradients: a skorch net, trained, and judged when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..dataset.device_batches import DeviceCollater
from ..dataset.frames import Frames
from ..errors import Diverged
from ..potentials.potential import Potential
from ..processes import group
from . import outcome
from .base import History, Run
from .settings import FitSettings, OptimConfig
from .splits import train_split

if TYPE_CHECKING:
    from .net import AtomsNet


class GradientFit:
    """Training by gradients, or by an optimizer of ``amptorch.fit.optimizers``.

    Args:
        run: what this is of.
        net: to train, such as the one that a trainer's steps have made, with its callbacks and the
            split of the validation part; without it one is made of the configuration.
        go_on: train the net on from where it is.
    """

    Settings: ClassVar[type[FitSettings]] = OptimConfig

    def __init__(self, run: Run, net: AtomsNet | None = None, go_on: bool = False) -> None:
        self._run, self._net, self._go_on = run, net, go_on

    def run(self, potential: Potential, train: Frames, valid: Frames | None = None) -> History:
        """Train the model; without ``valid`` a net may part ``train`` itself.

        Raises:
            Diverged: a loss is not finite; the best model until then is kept.

        Warns:
            FitWarning: nothing was learned; see ``amptorch.fit.outcome``.
        """
        if not self._go_on:
            potential.model.begin(train[k] for k in range(len(train)))
        net = self._net or self._make_net(potential, train, valid)
        failure = self._train(net, train)
        # The first process alone has the checkpoint of the best model.
        group.share(potential.model)
        folder = None if self._run.folder is None else str(self._run.folder)
        fits = outcome.settle(net, potential.model, train, folder, failure)
        scores = ", ".join(f"{name} {fit.r2:.3f}" for name, fit in fits.items() if fit.r2)
        self._run.say(f"R^2 on images of the data set: {scores}")
        if group.is_first():
            outcome.warn_of_poor_fit(fits, net, self._run.settings)
        return net.history

    def _train(self, net: AtomsNet, train: Frames) -> Diverged | None:
        try:
            (net.partial_fit if self._go_on else net.fit)(train, None)
        except Diverged as error:
            return error
        finally:
            if isinstance(net.iterator_train__collate_fn, DeviceCollater):
                net.iterator_train__collate_fn.release()
        return None

    def _make_net(self, potential: Potential, train: Frames, valid: Frames | None) -> AtomsNet:
        from skorch.helper import predefined_split

        from .callbacks import training_callbacks
        from .nets import check_run, make_net

        settings, run = self._run.settings, self._run
        optim = settings.gradients
        check_run(settings, optim.loss_fn, len(train))
        folder = str(run.folder) if run.folder is not None and group.is_first() else None
        return make_net(
            settings,
            potential.model,
            run.device,
            train,
            optimizer=optim.choice.optimizer,
            criterion=optim.loss_fn,
            train_split=train_split(settings.dataset) if valid is None else predefined_split(valid),
            callbacks=training_callbacks(settings, None, folder, None),
            **optim.choice.arguments,
        )
