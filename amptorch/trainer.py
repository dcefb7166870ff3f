"""AtomsTrainer: from a configuration to a trained potential."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from .config import Config, plain_sections
from .data.baseline import Baseline
from .data.reading import elements_of, load_images
from .dataset.pickled_images import same_scaler
from .dataset.training_data import TrainingData
from .descriptor import BaseDescriptor, construct_descriptor
from .descriptor.base_descriptor import DESCRIPTOR_VERSION
from .descriptor.from_data import Choice
from .errors import Diverged
from .files import checkpoint
from .fit import outcome, resume
from .potentials.potential import Potential
from .potentials.registry import family_named
from .preprocessing import AtomicCorrectionScaler
from .preprocessing.scaling import Scalers, from_file, to_file, warn_of_constant
from .processes import group, threads


class AtomsTrainer:
    """Trains a network on images and predicts with it.

    Args:
        config: nested dict with the sections "model", "optim", "dataset" and "cmd" (see
            ``amptorch.config``); it is not changed. Without one, :meth:`load_pretrained` brings
            its own.

    Attributes:
        config: the configuration as a dict.
        settings: the same, typed.
        net: the skorch net; ``net.history`` holds losses and errors of every epoch.
        model: the network.
        train_dataset: scaled images.
        descriptor_choice: what the data decided of the descriptor, or None.
        elements, feature_scaler, target_scaler, input_dim, forcetraining, identifier, cp_dir,
        pretrained: as the names say.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config: dict[str, Any] = {}
        self.pretrained = False
        self.elements: list[str] = []
        self.cp_dir: str | None = None
        self._net: Any = None
        self._folder_of_net: Path | None = None
        self.train_dataset: Any = None
        self.baseline: AtomicCorrectionScaler | None = None
        self.fixed_baseline: Baseline | None = None
        self.descriptor_choice: Choice | None = None
        self._descriptor: BaseDescriptor | None = None
        self._loaded_from: str | None = None
        self._loaded_setup: Any = None
        self._resume_state: dict[str, Any] | None = None
        self._changes = resume.Changes()
        self._random: dict[str, Any] | None = None
        self._potential: Potential | None = None
        if config:
            self._configure(config)

    def _configure(self, config: Mapping[str, Any]) -> None:
        # A copy: keys are added here, and the caller's dict stays as it is.
        self.config = plain_sections(config)
        self.settings = Config.from_dict(self.config)
        for name in ("model", "optim", "dataset", "cmd"):
            self.config.setdefault(name, {})
        settings = self.settings
        group.start()
        if not group.is_first():
            settings.cmd.verbose = settings.cmd.logger = False
        self.identifier = settings.cmd.identifier
        self.debug = settings.cmd.debug
        self.verbose = settings.cmd.verbose
        self.forcetraining = settings.model.get_forces
        self.gpus = settings.optim.gpus
        self.device = group.device(self.gpus)

    def load(self, load_dataset: bool = True) -> None:
        """All that comes before the first epoch, in steps that scripts override: each of them sets
        the attributes that it names.

        Args:
            load_dataset: load the data set too, and start a checkpoint folder.
        """
        self.load_config()
        self.load_rng_seed()
        if load_dataset:
            if not self.pretrained:
                self._descriptor = None
            self.load_dataset()
        self.load_model()
        self._load_run(load_dataset)

    def _load_run(self, load_dataset: bool) -> None:
        # What follows needs skorch, which takes as long to import as torch: not before it is used.
        self.load_criterion()
        self.load_optimizer()
        if load_dataset:
            from .fit.gradient import check_run

            check_run(self.settings, self.criterion, len(self.train_dataset))
        if load_dataset and not self.pretrained:
            self._start_folder()
        self.load_logger()
        self.load_extras()
        self.load_skorch()

    def load_config(self) -> None:
        """Set ``settings`` and what scripts read of them from ``config``."""
        self._configure(self.config)

    def load_rng_seed(self) -> None:
        """Seed the generators of Python, numpy and torch."""
        seed = self.settings.cmd.seed
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def get_unique_elements(self, training_images: Sequence[Atoms]) -> list[str]:
        """Chemical symbols in images, sorted."""
        return elements_of(training_images)

    def load_dataset(self, scalers: Scalers | None = None) -> None:
        """Set ``train_dataset``, ``elements``, ``input_dim``, ``descriptor`` and the scalers; with
        ``scalers``, or once a checkpoint is loaded, these are applied instead of fitting new ones.
        """
        data = TrainingData(
            self.settings,
            self.device,
            scalers or (self.scalers if self.pretrained else None),
            elements=None if self._loaded_from is None else self.elements,
            setup=self._loaded_setup,
            check=self._check_same_descriptor,
        )
        dataset = data.load()
        self._check_same_scalers(dataset.scalers)
        self.train_dataset = dataset
        self.descriptor_choice = data.choice
        self.elements = list(dataset.elements)
        self.input_dim = dataset.input_dim
        self.descriptor = dataset.descriptor
        self._take_scalers(dataset.scalers)
        setup = dataset.descriptor_setup
        self.config["dataset"].update(
            descriptor=setup, fp_length=self.input_dim, descriptor_version=DESCRIPTOR_VERSION
        )
        self._say(f"data set: {len(dataset)} images")
        if self.baseline is not None:
            self._say(f"baseline (eV per atom): {self.baseline.energies}")

    @property
    def descriptor(self) -> BaseDescriptor:
        """That of the data set, or of the checkpoint that was loaded."""
        if self._descriptor is None:
            self._descriptor = construct_descriptor(self.config["dataset"]["descriptor"])
        return self._descriptor

    @descriptor.setter
    def descriptor(self, descriptor: BaseDescriptor) -> None:
        self._descriptor = descriptor

    def _take_scalers(self, scalers: Scalers) -> None:
        self.feature_scaler = scalers["feature"]
        self.target_scaler = scalers["target"]
        self.baseline = scalers.get("baseline")
        self.fixed_baseline = scalers.get("fixed")
        self._potential = None

    @property
    def scalers(self) -> Scalers:
        """ "feature", "target" and, if there are any, "fixed" and "baseline"."""
        scalers = {"target": self.target_scaler, "feature": self.feature_scaler}
        more = {"fixed": self.fixed_baseline, "baseline": self.baseline}
        return {**scalers, **{name: each for name, each in more.items() if each is not None}}

    def load_model(self) -> None:
        """Set ``model``."""
        self.model = family_named(self.settings.model.name).make(
            self.config["model"],
            self.elements,
            self.input_dim,
            self.settings.cmd.torch_dtype,
            get_stress=self.settings.optim.stress_coefficient > 0,
        )
        self._say(f"model: {self.model.num_params} parameters")

    def load_criterion(self) -> None:
        """Set ``criterion``, the class of the loss."""
        self.criterion = self.settings.optim.loss_fn
        coefficient = self.config["optim"].get("force_coefficient", 0)
        if coefficient and not self.forcetraining:
            self._say(f"get_forces is False: force_coefficient {coefficient} is ignored")

    def load_optimizer(self) -> None:
        """Set ``optimizer``: a dict with "optimizer", a class, and skorch's ``optimizer__...``."""
        choice = self.settings.optim.choice
        self.optimizer = {"optimizer": choice.optimizer, **choice.arguments}

    def load_logger(self) -> None:
        """Set ``wandb_run``, None without ``logger``."""
        from .fit.callbacks import start_wandb

        logged = self.settings.cmd.logger
        self.wandb_run = start_wandb(self.identifier, self.config) if logged else None

    def load_extras(self) -> None:
        """Set ``split``, which makes the validation part, and ``callbacks``."""
        from .fit.callbacks import training_callbacks
        from .fit.gradient import train_split

        state = self._resume_state
        self.split = train_split(self.settings.dataset, None if state is None else state["split"])
        folder = self.cp_dir if group.is_first() else None
        self.callbacks = training_callbacks(self.settings, self.wandb_run, folder, state)

    def load_skorch(self) -> None:
        """Set ``net``, the skorch net of all that was loaded."""
        from .fit.gradient import make_net

        self.net = make_net(
            self.settings,
            self.model,
            self.device,
            self.train_dataset,
            criterion=self.criterion,
            train_split=self.split,
            callbacks=self.callbacks,
            **self.optimizer,
        )

    @property
    def net(self) -> Any:
        """The skorch net. After a checkpoint was loaded to predict, for which there need be none,
        it is made when it is asked for."""
        if self._net is None and self._folder_of_net is not None:
            folder, self._folder_of_net = self._folder_of_net, None
            with resume.random_kept():
                self._load_run(load_dataset=False)
                self.net.initialize()
                self._load_history(folder)
        return self._net

    @net.setter
    def net(self, net: Any) -> None:
        self._net, self._folder_of_net = net, None

    def _start_folder(self, previous: str | None = None) -> None:
        """A new checkpoint folder with configuration and scalers, unless ``debug`` is set; and with
        the model and the state of a ``previous`` one."""

        def fill(folder: Path) -> None:
            checkpoint.write_settings(folder, self.config, to_file(self.scalers))
            if self.descriptor_choice is not None:
                self.descriptor_choice.write(folder / "descriptor.json")
            if previous is not None:
                checkpoint.copy_state(Path(previous), folder, self._resume_state)

        def write() -> str:
            folder = checkpoint.new_folder(self.settings.cmd.run_dir, self.identifier, fill)
            self._say(f"results are saved to {folder}")
            return str(folder)

        self.cp_dir = None if self.debug else group.of_the_first(write)

    def train(self, raw_data: str | Sequence[Atoms] | None = None) -> None:
        """Train for ``epochs`` epochs.

        After :meth:`load_pretrained` training goes on where the checkpoint ended; one that was
        interrupted is brought to its end.

        Args:
            raw_data: images, in place of the configuration's.

        Raises:
            Diverged: a loss is not finite; the best model until then is kept.

        Warns:
            FitWarning: nothing was learned; see ``amptorch.fit.outcome``.
        """
        if not self.config:
            raise RuntimeError(
                "train: AtomsTrainer was made without a config; give it one, or call "
                "load_pretrained() first"
            )
        if raw_data is not None:
            self.config["dataset"]["raw_data"] = raw_data
            self.settings.dataset.raw_data = raw_data
        if not self.debug:
            checkpoint.check_can_be_kept(self.config)
        threads.wait_briefly_late()
        begun = time.perf_counter()
        if self.pretrained:
            self._go_on(reload=raw_data is not None)
        else:
            self.load()
            group.share(self.model)
            self._fit(self.net.fit)
        self._say(f"training took {time.perf_counter() - begun:.1f} s")

    def _go_on(self, reload: bool) -> None:
        from .fit.schedules import restart

        if reload or self.train_dataset is None:
            self.load_dataset()
        history = self.net.history
        self._start_folder(self.cp_dir)
        optimizer, state = self.net.optimizer_.state_dict(), self._resume_state
        if state is None and self._random is not None:
            resume.set_random_state(self._random)
        self._random = None
        epochs = self.settings.optim.epochs
        if state is not None:
            self.model.load_state_dict(state["module"])
            history, optimizer = resume.history_of(state), state["optimizer"]
            if len(history) < state["target_epochs"]:
                epochs = state["target_epochs"] - len(history)
        self.load_extras()
        self.load_skorch()
        self.net.set_params(max_epochs=epochs)
        self.net.initialize()
        resume.load_optimizer(self.net.optimizer_, optimizer)
        self.net.history = history
        if self._changes.schedule or (state and "lr_scheduler" not in state["callbacks"]):
            restart(self.net)
        self._changes = resume.Changes()
        self._say(f"going on at epoch {len(history) + 1}, {epochs} epochs to go")
        self._fit(self.net.partial_fit)
        self._resume_state = None

    def _fit(self, fit: Callable[[Any, Any], Any]) -> None:
        failure: Diverged | None = None
        try:
            fit(self.train_dataset, None)
        except Diverged as error:
            failure = error
        # The first process alone has the checkpoint of the best model.
        group.share(self.model)
        self._potential = None
        fits = outcome.settle(self.net, self.model, self.train_dataset, self.cp_dir, failure)
        scores = ", ".join(f"{name} {fit.r2:.3f}" for name, fit in fits.items() if fit.r2)
        self._say(f"R^2 on images of the data set: {scores}")
        if group.is_first():
            outcome.warn_of_poor_fit(fits, self.net, self.settings)

    @resume.random_kept()
    def load_pretrained(
        self,
        checkpoint_dir: str | Path | None = None,
        gpu2cpu: bool = False,
        *,
        checkpoint_path: str | Path | None = None,
    ) -> None:
        """Load a trained model, of this package or of the original.

        Without a configuration the model can predict. With one the data set is loaded too, with
        the checkpoint's scalers, and training can go on.

        Args:
            checkpoint_dir: folder with ``params.pt``, ``config.pt``, ``normalizers.pt``.
            gpu2cpu: load on the CPU what was trained on a GPU.
            checkpoint_path: the original's name of ``checkpoint_dir``.

        The generators of Python, numpy and torch stay as they are.
        """
        checkpoint_dir = checkpoint_path if checkpoint_dir is None else checkpoint_dir
        if checkpoint_dir is None:
            raise ValueError("checkpoint_dir: expected a folder, got None")
        stored = checkpoint.load_folder(checkpoint_dir)
        own_config = bool(self.config)
        if not own_config:
            self._configure(checkpoint.for_predicting(stored["config"], gpu2cpu))
        self._loaded_setup = stored["config"]["dataset"]["descriptor"]
        self.descriptor = construct_descriptor(self._loaded_setup)
        checkpoint.check_version(checkpoint_dir, stored, self.descriptor)
        self.elements = list(self.descriptor.elements)
        self.input_dim = stored["config"]["dataset"]["fp_length"]
        scalers = from_file(stored["normalizers"])
        warn_of_constant(scalers, str(checkpoint_dir))
        self._take_scalers(scalers)
        self.pretrained = True
        self._loaded_from = str(checkpoint_dir)
        self._changes = resume.Changes.between(
            stored["config"].get("optim", {}), self.settings.optim
        )
        self._resume_state = resume.read(checkpoint_dir) if own_config else None
        if self._resume_state is not None:
            self._resume_state = self._changes.apply(self._resume_state)
        self.cp_dir = self.net = self.train_dataset = None
        folder = Path(checkpoint_dir)
        # Steps that scripts override come at once.
        if own_config or type(self) is not AtomsTrainer:
            self.load(load_dataset=own_config and self._has_data())
            self.net.initialize()
        else:
            self.load_config()
            self.load_rng_seed()
            self.load_model()
            self._folder_of_net = folder
        checkpoint.load_parameters(self.model, folder, self.device)
        if self._net is not None:
            self._load_optimizer(folder)
            self._load_history(folder)
        self.cp_dir = str(checkpoint_dir)
        self._random = resume.random_state()

    def _has_data(self) -> bool:
        settings = self.settings.dataset
        return settings.raw_data is not None or settings.lmdb_path is not None

    def _check_same_descriptor(self, descriptor: BaseDescriptor) -> None:
        if self._loaded_from is not None and not self.descriptor.has_same_fingerprints(descriptor):
            raise ValueError(
                f"checkpoint_dir: {self._loaded_from} was made with other descriptor parameters "
                f"or elements ({', '.join(self.descriptor.elements)}) than the configuration's "
                f"({', '.join(descriptor.elements)})"
            )

    def _check_same_scalers(self, scalers: Scalers) -> None:
        if self._loaded_from is None:
            return
        for name, scaler in scalers.items():
            if not same_scaler(scaler, self.scalers[name]):
                raise ValueError(
                    f"lmdb_path: the files were written with another {name} scaler than "
                    f"{self._loaded_from} was trained with"
                )

    def _load_optimizer(self, folder: Path) -> None:
        file = folder / "optimizer.pt"
        if file.is_file() and self._has_data():
            state = self._changes.of_optimizer(checkpoint.torch_load(file, self.device))
            resume.load_optimizer(self.net.optimizer_, state)

    def _load_history(self, folder: Path) -> None:
        file = folder / "history.json"
        if file.is_file():
            self.net.history = checkpoint.load_history(file)

    def predict(
        self,
        images: Sequence[Atoms],
        disable_tqdm: bool = True,
        get_latent: int | None = None,
        get_descriptor: bool = False,
        save_fps: bool = False,
    ) -> dict[str, Any]:
        """Energies, forces and stresses of images.

        Args:
            images: list of ``Atoms``.
            disable_tqdm: show no progress bar.
            get_latent: also give the per-frame mean output of this layer of ``model_net``.
            get_descriptor: also give the per-frame mean of the scaled fingerprints.
            save_fps: keep fingerprints on disk.

        Returns:
            dict with "energy" (eV per frame), "atomic_energies" (list of [n_atoms], eV, that add up
            to it, see :class:`amptorch.AmpTorch`), "forces" (list of [n_atoms, 3], eV/Å) and
            "stress" (list of [6] in Voigt order and ASE's sign, eV/Å^3, or None without a cell or
            with a ``prime_threshold``); these two are empty without force training. "latent" and
            "descriptors" where asked for, and the seconds "t_fingerPrint" and "t_forwardPass".

        Warns:
            ExtrapolationWarning: fingerprints outside the range seen in training.
        """
        potential = self.potential
        found = potential.evaluate(
            load_images(images, "images"),
            self.forcetraining,
            latent=get_latent,
            descriptors=get_descriptor,
            cache_dir=str(Path(self.settings.cmd.run_dir) / "processed") if save_fps else None,
            show_progress=not disable_tqdm,
        )
        potential.warn_outside(found)
        out = {"energy": found.energy.tolist(), "atomic_energies": found.energies}
        out.update(forces=found.forces, stress=found.stress)
        out.update({} if get_latent is None else {"latent": found.latent})
        out.update({"descriptors": found.descriptors} if get_descriptor else {})
        fingerprints, forward = found.seconds
        return {**out, "t_fingerPrint": fingerprints, "t_forwardPass": forward}

    @property
    def potential(self) -> Potential:
        """The model with all it takes to predict, made once per training."""
        if self._potential is None:
            if self._net is None and self._folder_of_net is None:
                raise RuntimeError("predict: call train() or load_pretrained() first")
            self._potential = Potential(
                self.model.to(self.device),
                self.descriptor,
                self.scalers,
                self.settings.dataset.target_keys,
            )
        return self._potential

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """Losses and errors of every epoch."""
        return [] if self.net is None else self.net.history

    @property
    def parts(self) -> tuple[list[int], list[int]] | None:
        """Indices of the training and of the validation images, if there are any of these."""
        return None if self.net is None else self.net.parts_

    def without_data(self) -> AtomsTrainer:
        """A trainer with the same model that predicts, and holds neither data nor a run's state:
        what copies of calculators and committees have. It trains with ``raw_data`` given."""
        bare = copy.copy(self)
        bare._potential = self.potential
        bare.pretrained, bare._resume_state = False, None
        bare.net = bare.train_dataset = None
        for name in ("callbacks", "split", "wandb_run"):
            vars(bare).pop(name, None)
        bare.config = {**self.config, "dataset": {**self.config["dataset"], "raw_data": None}}
        dataset = replace(self.settings.dataset, raw_data=None)
        bare.settings = replace(self.settings, dataset=dataset)
        return bare

    def get_calc(self) -> Any:
        """ASE calculator of the trained model."""
        from .ase_utils import AmpTorch  # imports this module

        return AmpTorch(self)

    def _say(self, text: str) -> None:
        if self.verbose:
            print(text)
