"""AtomsTrainer: from a configuration to a trained potential."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from .ase_utils import AmpTorch
from .config import Config, plain_sections
from .data.reading import elements_of
from .dataset.training_data import TrainingData
from .descriptor.base_descriptor import DESCRIPTOR_VERSION
from .files import checkpoint
from .fit import resume
from .fit.running import Running
from .potentials.registry import Inputs, family_named
from .potentials.run_folder import RunFolder
from .preprocessing.scaling import Scalers
from .processes import group, threads


class AtomsTrainer(Running):
    """Trains a model on images and predicts with it.

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
        images: those of "raw_data" where they were read before; the next data set takes them.
        elements, feature_scaler, target_scaler, input_dim, forcetraining, identifier, cp_dir,
        pretrained: as the names say.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.config: dict[str, Any] = {}
        self.pretrained = False
        self.elements: list[str] = []
        self.cp_dir: str | None = None
        self.train_dataset: Any = None
        self.descriptor_choice = None
        self.images: Sequence[Atoms] | None = None
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
        self._load_fit(load_dataset)

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
        """Set ``train_dataset``, ``elements``, ``input_dim``, ``descriptor`` and the scalers: those
        given, those of a checkpoint that is loaded, or else new ones."""
        scalers = scalers or (self.scalers if self.pretrained else None)
        data = TrainingData(self.settings, self.device, scalers, self._loaded, self.images)
        self.images = None
        self.train_dataset = dataset = data.load()
        self.descriptor_choice = data.choice
        self.elements = list(dataset.elements)
        self.input_dim = dataset.input_dim
        self.descriptor = dataset.descriptor
        self._take_scalers(dataset.scalers)
        self.config["dataset"].update(
            descriptor=dataset.descriptor_setup,
            fp_length=self.input_dim,
            descriptor_version=DESCRIPTOR_VERSION,
        )
        self._say(f"data set: {len(dataset)} images")
        if self.baseline is not None:
            self._say(f"baseline (eV per atom): {self.baseline.energies}")

    def load_model(self) -> None:
        """Set ``model``."""
        settings, family = self.settings, family_named(self.settings.model.name)
        self.model = family.make(
            family.Settings(**self.config["model"]),
            Inputs(self.elements, self.input_dim, self.descriptor),
            settings.cmd.torch_dtype,
            get_stress=settings.optim.stress_coefficient > 0,
        )
        self._say(f"model: {self.model.num_params} parameters")

    def train(self, raw_data: str | Sequence[Atoms] | None = None) -> None:
        """Train for ``epochs`` epochs, or whatever the fit of the configuration does.

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
            raise RuntimeError("train: expected a config, or load_pretrained() before, got neither")
        if raw_data is not None:
            self.config["dataset"]["raw_data"] = raw_data
            self.settings.dataset.raw_data = raw_data
            self.images = None
        if not self.debug:
            checkpoint.check_can_be_kept(self.config)
        threads.wait_briefly_late()
        begun = time.perf_counter()
        if self.pretrained:
            if raw_data is not None or self.train_dataset is None:
                self.load_dataset()
            self._go_on()
        else:
            self.load()
            group.share(self.model)
        self._fit()
        self._say(f"training took {time.perf_counter() - begun:.1f} s")

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
        stored, own_config = RunFolder.open(checkpoint_dir), bool(self.config)
        if not own_config:
            self._configure(checkpoint.for_predicting(stored.config, gpu2cpu))
        self._take(stored, own_config)
        # Steps that scripts override come at once.
        if own_config or type(self) is not AtomsTrainer:
            self.load(load_dataset=own_config and self._has_data())
            if self.by_gradients:
                self.net.initialize()
        else:
            self.load_config()
            self.load_rng_seed()
            self.load_model()
            self._has_model, self._folder_of_net = True, stored.path
        stored.load_parameters(self.model.to(self.device), self.device)
        self._load_run(stored.path)
        self.cp_dir = str(checkpoint_dir)
        self._start.random = resume.random_state()

    def without_data(self) -> AtomsTrainer:
        """A trainer with the same model that predicts, and holds neither data nor a run's state:
        what copies of calculators and committees have. It trains with ``raw_data`` given."""
        bare = copy.copy(self)
        bare._potential = self.potential
        bare._forget_run()
        return bare

    def get_calc(self) -> AmpTorch:
        """ASE calculator of the trained model."""
        return AmpTorch(self)
