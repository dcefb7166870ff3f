"""What a checkpoint has decided: a data set to go on with it is made alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..descriptor import BaseDescriptor, Setup
from ..preprocessing.scaling import Scalers
from .pickled_images import same_scaler


@dataclass
class Loaded:
    """A checkpoint.

    Attributes:
        path: for errors.
        setup: (fp_scheme, fp_params, cutoff_params, elements), with nothing left to decide.
        descriptor: of the setup.
        scalers: that the model was trained with.
    """

    path: Path
    setup: Setup
    descriptor: BaseDescriptor
    scalers: Scalers

    def check_descriptor(self, descriptor: BaseDescriptor) -> None:
        """Raise a ``ValueError`` unless a data set has the same fingerprints."""
        if not self.descriptor.has_same_fingerprints(descriptor):
            raise ValueError(
                f"checkpoint_dir: {self.path} was made with other descriptor parameters "
                f"or elements ({', '.join(self.descriptor.elements)}) than the configuration's "
                f"({', '.join(descriptor.elements)})"
            )

    def check_scalers(self, scalers: Scalers) -> None:
        """Raise a ``ValueError`` unless a data set has the same scalers."""
        for name, scaler in scalers.items():
            if not same_scaler(scaler, self.scalers[name]):
                raise ValueError(
                    f"lmdb_path: the files were written with another {name} scaler than "
                    f"{self.path} was trained with"
                )
