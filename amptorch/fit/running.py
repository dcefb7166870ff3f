"""A trainer's runs: folder, fit, and going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..dataset.frames import Frames, Part
from ..dataset.loaded import Loaded
from ..descriptor.from_data import Choice
from ..files import checkpoint
from ..potentials.registry import family_named
from ..potentials.run_folder import RunFolder
from ..preprocessing.scaling import to_file
from ..processes import group
from .base import Fit, History, Run
from .going_on import Continuation, Start, state_of
from .gradient import GradientFit
from .splits import check_parts, train_split
from .steps import NetSteps

Parts = tuple[list[int], list[int]]


class Running(NetSteps):
    """What a trainer does with a model, data and a configuration that are loaded."""

    debug: bool
    pretrained: bool
    elements: list[str]
    input_dim: int
    descriptor_choice: Choice | None

    def __init__(self) -> None:
        super().__init__()
        self._history: History = []
        self._parts: Parts | None = None
        self._loaded: Loaded | None = None

    @property
    def history(self) -> History:
        """Losses and errors of every epoch."""
        return self._history if self.net is None else self.net.history

    @property
    def parts(self) -> Parts | None:
        """Indices of the training and of the validation images, if there are any of these."""
        return self._parts if self.net is None else self.net.parts_

    def _start_folder(self, previous: str | None = None) -> None:
        """A new checkpoint folder with configuration and scalers, unless ``debug`` is set; and with
        the model and the state of a ``previous`` one."""

        def fill(folder: Path) -> None:
            checkpoint.write_settings(folder, self.config, to_file(self.scalers))
            if self.descriptor_choice is not None:
                self.descriptor_choice.write(folder / "descriptor.json")
            if previous is not None:
                checkpoint.copy_state(Path(previous), folder, self._start.state)

        def write() -> str:
            folder = checkpoint.new_folder(self.settings.cmd.run_dir, self.identifier, fill)
            self._say(f"results are saved to {folder}")
            return str(folder)

        self.cp_dir = None if self.debug else group.of_the_first(write)

    def _load_fit(self, load_dataset: bool) -> None:
        """What is left to do when the model is there."""
        self._has_model = True
        if self.by_gradients:
            self.load_criterion()
            self.load_optimizer()
        if load_dataset:
            self._check_run()
            if not self.pretrained:
                self._start_folder()
        if self.by_gradients:
            self._load_net()

    def _check_run(self) -> None:
        n_images = len(self.train_dataset)
        if self.by_gradients:
            from .nets import check_run

            check_run(self.settings, self.criterion, n_images)
        check_parts(self.settings.dataset, n_images)

    def _go_on(self) -> None:
        """Prepare to go on with a checkpoint, in a folder of its own."""
        if not self.by_gradients and self.cp_dir is not None:
            self._start = Start(state_of(self.cp_dir, self.settings.optim.fit))
        self._start_folder(self.cp_dir)
        if self.by_gradients:
            on = Continuation(self.net, self._start, self.settings.gradients.epochs)
            self.load_extras()
            self.load_skorch()
            on.give(self.net)
            self._say(f"going on at epoch {len(on.history) + 1}, {on.epochs} epochs to go")

    def _fit(self) -> None:
        # Another one than before: whoever predicts with the last is to see that it is outdated.
        self._potential = None
        potential = self._holding(self.model.to(self.device))
        try:
            fit, frames = self._make_fit()
            self._history = fit.run(potential, *frames)
            group.share(self.model)
            self._finish()
            self._log()
        finally:
            self._potential = None
        self._start = Start()

    def _finish(self) -> None:
        """Let the model set what depends on the data, and keep it."""
        places = range(len(self.train_dataset)) if self.parts is None else self.parts[0]
        changed = self.model.finish(self.train_dataset[k] for k in places)
        if changed and self.cp_dir is not None and group.is_first():
            checkpoint.save(self.model.state_dict(), Path(self.cp_dir) / "params.pt")

    def _log(self) -> None:
        """Hand the history to ``logger``, of a fit whose net has not done so."""
        if self.settings.cmd.logger and not self.by_gradients:
            self.load_logger()
            for row in self._history:
                self.wandb_run.log(dict(row))

    def _make_fit(self) -> tuple[Fit, tuple[Frames, Frames | None]]:
        folder = None if self.cp_dir is None else Path(self.cp_dir)
        history = self._history if self.pretrained else []
        run = Run(self.settings, self.device, folder, self._start.state, history)
        if self.by_gradients:
            return GradientFit(run, self.net, go_on=self.pretrained), (self.train_dataset, None)
        frames = self._part()
        run.parts = self._parts
        kind = family_named(self.settings.model.name).fit_named(self.settings.optim.fit)
        return kind(run), frames

    def _part(self) -> tuple[Frames, Frames | None]:
        """The images to train and to validate on, for fits that do not part them themselves."""

        known, size = self._start.split, len(self.train_dataset)
        same = known is not None and sum(map(len, known)) == size  # not where the data are new
        split = train_split(self.settings.dataset, known if same else None)
        if split is None:
            self._parts = None
            return self.train_dataset, None
        train, valid = (Part(self.train_dataset, p.indices) for p in split(self.train_dataset))
        self._parts = (list(map(int, train.indices)), list(map(int, valid.indices)))
        return train, valid

    def _take(self, stored: RunFolder, own_config: bool) -> None:
        """Take up what a checkpoint folder holds of its potential, and of its run if it is to go
        on with a configuration of one's own."""
        self.descriptor = stored.descriptor
        self.elements, self.input_dim = list(stored.inputs.elements), stored.inputs.n_features
        self._take_scalers(stored.scalers)
        setup = stored.config["dataset"]["descriptor"]
        self._loaded = Loaded(stored.path, setup, stored.descriptor, stored.scalers)
        optim = stored.config.get("optim", {})
        self._start = Start.of(stored.path if own_config else None, optim, self.settings)
        self.pretrained = True
        self.cp_dir = self.net = self.train_dataset = None

    def _forget_run(self) -> None:
        """Leave out data and the state of a run."""
        self.pretrained, self._start = False, Start()
        self.net = self.train_dataset = self._parts = None
        self._history = []
        for name in ("callbacks", "split", "wandb_run"):
            vars(self).pop(name, None)
        self.config = {**self.config, "dataset": {**self.config["dataset"], "raw_data": None}}
        dataset = replace(self.settings.dataset, raw_data=None)
        self.settings = replace(self.settings, dataset=dataset)

    def _load_run(self, folder: Path) -> None:
        """Take up what a checkpoint folder holds of its run."""
        if self._net is not None:
            self._start.load_into(self._net, folder, self.device, self._has_data())
        elif not self.by_gradients:
            self._history = checkpoint.load_rows(folder)
            split = self._start.split
            self._parts = None if split is None else (split[0], split[1])

    def _has_data(self) -> bool:
        settings = self.settings.dataset
        return settings.raw_data is not None or settings.lmdb_path is not None
