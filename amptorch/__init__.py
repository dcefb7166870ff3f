"""Neural-network interatomic potentials from atomic fingerprints."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .processes import collection as _collection
from .processes import threads as _processes

__version__ = "2.0.0.dev0"

# Before torch, which loads OpenMP.
_processes.wait_briefly()

with _collection.paused():
    import torch as _torch

    from .preprocessing.utils import (
        AtomicCorrectionScaler,
        FeatureScaler,
        TargetScaler,
    )

if TYPE_CHECKING:
    from .ase_utils import AmpTorch
    from .potentials.loading import load
    from .potentials.potential import Potential
    from .trainer import AtomsTrainer

_processes.limit_threads()
# Scripts read back the scalers they saved with a plain torch.load.
_torch.serialization.add_safe_globals([AtomicCorrectionScaler, FeatureScaler, TargetScaler])

__all__ = ["AmpTorch", "AtomsTrainer", "Potential", "load"]
_PLACES = {
    "AmpTorch": ".ase_utils",
    "AtomsTrainer": ".trainer",
    "Potential": ".potentials.potential",
    "load": ".potentials.loading",
}


def __getattr__(name: str) -> Any:
    # What only looks at stores or reads scalers back needs neither of them.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name], __name__), name)
