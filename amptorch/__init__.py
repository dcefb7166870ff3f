"""Neural-network interatomic potentials from atomic fingerprints."""

import torch as _torch

from .ase_utils import AmpTorch
from .preprocessing.utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler
from .trainer import AtomsTrainer

# Scripts read back the scalers they saved with a plain torch.load.
_torch.serialization.add_safe_globals([AtomicCorrectionScaler, FeatureScaler, TargetScaler])

__all__ = ["AmpTorch", "AtomsTrainer"]
