"""``cutoff_params``: the cutoff function of symmetry functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import check_keys, nearest

TYPES = ("hard", "cosine", "tanhu", "tanh", "exp", "poly1", "poly2", "poly3", "poly4")
"""Names of ``cutoff_func``, by n2p2's number."""


@dataclass(frozen=True)
class CutoffFunction:
    """As the kernel takes it, see ``amptorch.kernels.symmetry_functions``.

    Attributes:
        gamma: exponent of "polynomial", 0 for the others.
        cutoff_type: of the others.
        alpha: the part of the cutoff up to which those are 1.
    """

    gamma: float = 0.0
    cutoff_type: int = 1
    alpha: float = 0.0

    @classmethod
    def of(cls, cutoff_params: Mapping[str, Any]) -> CutoffFunction:
        """That of ``{"cutoff_func": name, "gamma": ..., "alpha": ...}``.

        Raises:
            ValueError: an unknown name or key, or a number out of range.
        """
        check_keys(cutoff_params, ["cutoff_func", "gamma", "alpha"], "cutoff_params")
        given = cutoff_params.get("cutoff_func", "Cosine")
        name, alpha = str(given).lower(), cutoff_params.get("alpha", 0.0)
        if not 0 <= alpha < 1:
            raise ValueError(f"cutoff_params: expected alpha in [0, 1), got {alpha!r}")
        if name == "polynomial":
            return cls(gamma=_exponent(cutoff_params, alpha))
        if name not in TYPES:
            hint = nearest(name, ("polynomial", *TYPES))
            raise ValueError(f"cutoff_params: unknown cutoff_func {given!r}; {hint}")
        return cls.of_type(TYPES.index(name), float(alpha))

    @classmethod
    def of_type(cls, number: int, alpha: float = 0.0) -> CutoffFunction:
        """That of one of n2p2's numbers; some of them know no alpha."""
        return cls(cutoff_type=number, alpha=0.0 if number in (0, 2, 3) else alpha)

    @property
    def cutoff_params(self) -> dict[str, Any]:
        """What :meth:`of` makes the same function of."""
        if self.gamma:
            return {"cutoff_func": "Polynomial", "gamma": self.gamma}
        return {"cutoff_func": TYPES[self.cutoff_type], "alpha": self.alpha}

    def settings(self) -> dict[str, Any]:
        """What fixes fingerprints; of the older two functions what it was with them alone."""
        by_type = {"cutoff_type": self.cutoff_type, "alpha": self.alpha}
        return {"gamma": self.gamma, **({} if by_type == _COSINE else by_type)}


_COSINE = {"cutoff_type": 1, "alpha": 0.0}


def _exponent(cutoff_params: Mapping[str, Any], alpha: float) -> float:
    if alpha:
        raise ValueError(f"cutoff_params: 'Polynomial' takes no alpha, got {alpha!r}")
    gamma = cutoff_params.get("gamma", 2.0)
    if not gamma > 0:
        raise ValueError(f"cutoff_params: expected gamma > 0, got {gamma!r}")
    return float(gamma)
