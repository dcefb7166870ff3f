"""From images to scaled per-image data."""

from .atoms_to_data import AtomsToData
from .utils import (
    AtomicCorrectionScaler,
    ExtrapolationWarning,
    FeatureScaler,
    PCAReducer,
    TargetScaler,
    sparse_block_diag,
)

__all__ = [
    "AtomicCorrectionScaler",
    "AtomsToData",
    "ExtrapolationWarning",
    "FeatureScaler",
    "PCAReducer",
    "TargetScaler",
    "sparse_block_diag",
]
