"""A path of the original's; what it names lives where it acts."""

from .data.memory import check_memory
from .files.checkpoint import save_normalizers
from .fit.best import train_end_load_best_loss
from .fit.metrics import target_extractor, to_tensor
from .fit.splits import InOrderSplit

__all__ = ["InOrderSplit", "check_memory", "save_normalizers", "target_extractor"]
__all__ += ["to_tensor", "train_end_load_best_loss"]
