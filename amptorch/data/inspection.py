"""A look at images before anything is computed of them.

What cannot be read or described is an error that names the image. What can, but is in all
likelihood a mistake, is a warning: one for each kind of mistake, with the first image and how many
there are.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence

from ase import Atoms

from ..descriptor.util import validate_image
from ..errors import nearest
from . import plausible
from .keys import holds, proposals
from .targets import TargetReader, Targets

# Images that are looked at in one go, and chunks of them in which bonds are looked for.
CHUNK = 64
FIRST_CHUNKS = 4


class DataWarning(UserWarning):
    """Data that can be used, but are probably not what was meant."""


class Inspection:
    """What was found in images that were looked at.

    Args:
        reader: what is read of them.

    Attributes:
        n_images: how many there were.
        counts: how many of them hold energy, forces and stress.
    """

    def __init__(self, reader: TargetReader) -> None:
        self.reader = reader
        self.n_images = 0
        self.counts = dict.fromkeys(("energy", "forces", "stress"), 0)
        self._n_weights = 0
        self._first: Atoms | None = None
        self._bonds: set[bool | None] = set()
        self._doubts: dict[str, tuple[str, int]] = {}

    def read(self, images: Iterable[Atoms]) -> list[Targets]:
        """The targets of all images.

        Raises:
            ValueError: an image that cannot be read or described.
        """
        return [targets for _, targets in self._pass(images)]

    def watch(self, images: Iterable[Atoms]) -> Iterator[Atoms]:
        """The same images, looked at some ahead."""
        return (image for image, _ in self._pass(images))

    def _pass(self, images: Iterable[Atoms]) -> Iterator[tuple[Atoms, Targets]]:
        stream = iter(images)
        while chunk := list(itertools.islice(stream, CHUNK)):
            yield from zip(chunk, self._look_at(chunk), strict=True)

    def _look_at(self, images: Sequence[Atoms]) -> list[Targets]:
        names = [f"image {self.n_images + k}" for k in range(len(images))]
        for image, name in zip(images, names, strict=True):
            validate_image(image, name)
            plausible.check_density(image, name)
        self.doubt(plausible.distances(images, names))
        for image in images if self.n_images < FIRST_CHUNKS * CHUNK else ():
            if True not in self._bonds:
                self._bonds.add(plausible.has_bonds(image))
        if self._first is None:
            self._first = images[0]
        found = [self._read(*each) for each in zip(images, names, strict=True)]
        self.n_images += len(images)
        return found

    def _read(self, image: Atoms, name: str) -> Targets:
        targets = self.reader.read(image, name)
        for kind in self.counts:
            asked = getattr(self.reader, kind)
            there = getattr(targets, kind) is not None
            self.counts[kind] += there if asked else holds(image, kind, self.reader.keys)
        self._n_weights += targets.weight is not None
        self.doubt(plausible.sizes(image, targets, name))
        self.doubt(plausible.kinds(image, targets, self.reader.keys, name))
        return targets

    def doubt(self, doubts: Iterable[plausible.Doubt]) -> None:
        """Keep doubts for :meth:`warn`."""
        for kind, text in doubts:
            first, count = self._doubts.get(kind, (text, 0))
            self._doubts[kind] = (first, count + 1)

    def warn(self) -> None:
        """Give the warnings, at the end of a pass.

        Warns:
            DataWarning: one for each kind of likely mistake.
        """
        texts = [
            text if count == 1 else f"{text} ({count} images are like this)"
            for text, count in self._doubts.values()
        ]
        if False in self._bonds and True not in self._bonds:
            texts.append(
                f"no two atoms are nearer than {plausible.FAR} times the sum of their covalent "
                "radii, in matter that is dense; expected positions in Å, not in Bohr"
            )
        for text in texts:
            warnings.warn(text, DataWarning, stacklevel=3)

    def summary(self) -> str:
        """How many images hold energy, forces and stress, and under which names."""
        keys = self.reader.keys
        stress = keys.virial if keys.stress is None else keys.stress
        names = {
            "energies": ("energy", keys.energy or "energy"),
            "forces": ("forces", keys.forces or "forces"),
            "stresses": ("stress", stress or "stress"),
        }
        parts = [f"{what} of {self.counts[kind]} ({name})" for what, (kind, name) in names.items()]
        left = [repr(name) for name in self._stress_offers().values()]
        hint = f"; not read: {', '.join(left)}" if left else ""
        return f"{self.n_images} images; {', '.join(parts)}{hint}"

    def _stress_offers(self) -> dict[str, str]:
        """Names of stress and virial that could be given, where no stress was found."""
        if self._first is None or self.counts["stress"]:
            return {}
        found = proposals(self._first)
        return {kind: found[kind] for kind in ("stress", "virial") if kind in found}

    def require(self) -> None:
        """Raise a ``ValueError`` where no image has a stress, or none has a weight, asked for."""
        if self.reader.stress and not self.counts["stress"]:
            offers = self._stress_offers()
            hint = f'; dataset: {{"keys": {offers}}} reads one' if offers else ""
            raise ValueError(
                f"stress_coefficient: expected images with stresses, none has one{hint}"
            )
        key = self.reader.weight_key
        if key is not None and not self._n_weights:
            info = {} if self._first is None else self._first.info
            raise ValueError(
                f"weight_key: no image has info[{key!r}]; {nearest(key, map(str, info))}"
            )
