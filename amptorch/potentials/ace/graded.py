"""What models of ACE know of the atoms they were trained on: active sets of their functions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import torch
from ase.data import atomic_numbers
from torch import Tensor

from ...data.frame import AtomsData
from ...errors import FitWarning
from ..active_set import ActiveSet
from ..model import Model
from .functions import Expansion


class Graded(Model):
    """Has a buffer ``active_<symbol>``, A^-1 [n, n], for each element, once it expects any; zeros
    until these are set. Fingerprints of ACE are not scaled."""

    expansion: Expansion

    def expect_active_sets(self) -> None:
        """Make room for active sets, which the end of a training sets."""
        sizes = zip(self.expansion.elements, self.expansion.functions, strict=True)
        for symbol, functions in sizes:
            zeros = torch.zeros(len(functions), len(functions), dtype=torch.float64)
            self.register_buffer(f"active_{symbol}", zeros)

    @property
    def expects_active_sets(self) -> bool:
        """Whether there is room for active sets."""
        return f"active_{self.expansion.elements[0]}" in self._buffers

    def active_sets(self) -> dict[str, Tensor]:
        """A^-1 by chemical symbol; none where nothing is known."""
        if not self.expects_active_sets:
            return {}
        found = {name: self.get_buffer(f"active_{name}") for name in self.expansion.elements}
        return found if any(bool(each.any()) for each in found.values()) else {}

    def set_active_sets(self, inverses: Mapping[str, Tensor]) -> None:
        """Set A^-1 by chemical symbol."""
        if not self.expects_active_sets:
            self.expect_active_sets()
        for name in self.expansion.elements:
            self.get_buffer(f"active_{name}").copy_(inverses[name])

    def grades(self, fingerprint: Tensor, numbers: Tensor) -> Tensor | None:
        active = self.active_sets()
        if not active:
            return None
        found = torch.zeros(len(fingerprint), dtype=torch.float64)
        with torch.no_grad():
            for symbol, inverse in active.items():
                own = (numbers == atomic_numbers[symbol]).nonzero()[:, 0]
                if len(own) and len(inverse):
                    values = self.functions(fingerprint[own], atomic_numbers[symbol])
                    found[own.cpu()] = (values.to(inverse) @ inverse).abs().amax(1).double().cpu()
        return found

    def finish(self, frames: Iterable[AtomsData]) -> bool:
        if not self.expects_active_sets:
            return False
        try:
            self.set_active_sets(self.inverses_of(frames))
        except ValueError as error:
            warnings.warn(f"no extrapolation grades: {error}", FitWarning, stacklevel=2)
            return False
        return True

    def inverses_of(self, frames: Iterable[AtomsData]) -> dict[str, Tensor]:
        """A^-1 by chemical symbol, of images with fingerprints.

        Raises:
            ValueError: an element has fewer atoms than functions.
        """
        sizes = zip(self.expansion.elements, self.expansion.functions, strict=True)
        sets = {symbol: ActiveSet(len(functions)) for symbol, functions in sizes}
        with torch.no_grad():
            for frame in frames:
                for symbol, each in sets.items():
                    own = frame.atomic_numbers == atomic_numbers[symbol]
                    if bool(own.any()):
                        part = frame.fingerprint[own]
                        values = self.functions(part, atomic_numbers[symbol])
                        each.add(values.double().cpu().numpy())
        return {symbol: _inverse(symbol, each) for symbol, each in sets.items()}


def _inverse(symbol: str, active: ActiveSet) -> Tensor:
    n_atoms, n = active.rows.shape
    if n_atoms < n:
        raise ValueError(
            f"images: expected at least {n} atoms of {symbol}, one for each function, got {n_atoms}"
        )
    active.choose()
    return torch.from_numpy(active.inverse())
