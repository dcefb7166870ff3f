"""What the section "model" of a configuration has for every family."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ModelSettings:
    """A family's section derives from this one and adds its keys.

    Attributes:
        name: of the model.
        get_forces: whether it gives forces and stresses.
    """

    name: str
    get_forces: bool = True

    @property
    def sees_whole_batches(self) -> bool:
        """Whether what the model does for a frame depends on the other frames of its batch, which
        several processes that share a batch do not see."""
        return False

    def advice(self, rate: str) -> str:
        """What to look at where a model gives the same for all images; ``rate`` is what is said of
        the learning rate."""
        return f"see {rate}"
