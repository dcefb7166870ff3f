"""What a search is about: frames, what is varied, and what is made small."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from ...data.keys import Keys
from ...data.targets import TargetReader
from ...errors import nearest
from ...files.config_text import CONFIG_TEXT, config_text
from ...files.whole import write_whole
from .space import Drawn, Sections, Space
from .training import Outcome, Task, Watch

OBJECTIVES = {
    "error": "geometric mean of the errors of energies (eV/atom) and forces (eV/Å)",
    "energy": "root mean square error of energies, eV/atom",
    "forces": "root mean square error of force components, eV/Å",
    "stress": "root mean square error of stress components, eV/Å^3",
    "cost": "of a force call, µs an atom",
    "seconds": "of training",
}


@dataclass(frozen=True)
class Problem:
    """A search, but for how it is done.

    Attributes:
        images: frames to choose by; none that are to judge the choice.
        space: what is varied.
        objectives: names, see ``OBJECTIVES``.
        folds: parts of the frames, which have them in turn.
        judged: so many of these are kept apart, one after the other, in every trial.
        folder: where all is kept.
        raw_data: what configurations call the data, None where these have no name.
        of_data: keys of the section "dataset" that tell how these are read.
    """

    images: Sequence[Atoms]
    space: Space
    objectives: tuple[str, ...]
    folds: int
    judged: int
    folder: Path
    raw_data: Any = None
    of_data: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise ValueError(f"objectives: unknown {name!r}; {nearest(name, OBJECTIVES)}")
        if not self.objectives:
            raise ValueError("objectives: expected at least one, got none")
        if not 2 <= self.folds <= len(self.images):
            raise ValueError(
                f"folds: expected 2 to {len(self.images)}, the number of frames, got {self.folds}"
            )
        if not 1 <= self.judged <= self.folds:
            raise ValueError(f"judged: expected 1 to {self.folds} folds, got {self.judged}")

    def about(self) -> dict[str, Any]:
        """What tells this search from others, in plain values."""
        space = {
            family: [f"{each}" for each in own] for family, own in self.space.dimensions.items()
        }
        digest = sha256(repr((space, self.space.bases)).encode()).hexdigest()
        return {
            "frames": len(self.images),
            "data": fingerprint_of(self.images, self._keys()),
            "space": digest,
            "objectives": list(self.objectives),
            "folds": [self.folds, self.judged],
        }

    def data(self, apart: Sequence[Atoms] = ()) -> dict[str, Any]:
        """What a report says of the frames: "name", numbers of "frames" and of those kept "apart",
        least and largest number of "atoms", "elements", and a "checksum" of the first."""
        given = self.raw_data if isinstance(self.raw_data, list) else [self.raw_data]
        sizes = [len(image) for image in (*self.images, *apart)]
        elements = set().union(*(image.symbols for image in self.images))
        return {
            "name": ", ".join(Path(str(each)).name for each in given if each is not None),
            "frames": len(self.images),
            "apart": len(apart),
            "atoms": [min(sizes), max(sizes)],
            "elements": sorted(elements),
            "checksum": fingerprint_of(self.images, self._keys()),
        }

    def _keys(self) -> Keys:
        base = next(iter(self.space.bases.values()))
        return Keys.of(base["dataset"].get("keys"))

    def parts(self, fold: int) -> tuple[list[Atoms], list[Atoms]]:
        """Frames to train on and to judge by."""
        train = [image for k, image in enumerate(self.images) if k % self.folds != fold]
        return train, list(self.images[fold :: self.folds])

    def place(self, number: int) -> Path:
        """Folder of a trial."""
        return self.folder / "trials" / f"{number:04d}"

    def run(
        self, drawn: Drawn, place: Path, limit: float | None = None, watch: Watch | None = None
    ) -> Outcome:
        """Train a configuration, a potential for each fold that is judged; the first is that of the
        folder, and is watched. See :class:`.training.Task`. Of several members whose number the
        space does not say one is trained."""
        found, one = [], self._alone(drawn)
        for fold in range(self.judged):
            folder = place if fold == 0 else place / f"fold-{fold}"
            share = None if limit is None else limit / self.judged
            found.append(self.train(one, fold, folder, share, watch if fold == 0 else None))
            self.write_config(drawn, folder / CONFIG_TEXT)
        return together(found)

    def _alone(self, drawn: Drawn) -> Drawn:
        config = copy.deepcopy(drawn.config)
        if "members" in config["model"] and not self.space.says(drawn.family, "model", "members"):
            config["model"]["members"] = 1
        return replace(drawn, config=config)

    def train(
        self,
        drawn: Drawn,
        fold: int,
        folder: Path,
        limit: float | None = None,
        watch: Watch | None = None,
    ) -> Outcome:
        """Train a configuration without one fold, which judges it."""
        task = Task(self.shared(drawn), *self.parts(fold), folder, self.folder, limit)
        outcome = task.run(watch)
        self.write_config(drawn, folder / CONFIG_TEXT)
        return outcome

    def shared(self, drawn: Drawn) -> Sections:
        """The configuration with its fingerprints kept, where other trials have the same."""
        config = copy.deepcopy(drawn.config)
        config["dataset"]["save_fps"] = self.space.descriptor_is_fixed(drawn.family)
        return config

    def write_config(self, drawn: Drawn, path: Path) -> None:
        """The configuration as ``amptorch train`` takes it."""
        dataset = {**(self.of_data or {}), **drawn.config["dataset"]}
        if self.raw_data is not None:
            dataset = {"raw_data": self.raw_data, **dataset}
        text = config_text({**drawn.config, "dataset": dataset})
        write_whole(path, lambda: text.encode())


def told_of(data: Mapping[str, Any]) -> str:
    """What :meth:`Problem.data` says, in words."""
    low, high = data["atoms"]
    sizes = f"{low}" if low == high else f"{low} to {high}"
    apart = f", {data['apart']} others kept apart" if data["apart"] else ""
    return (
        f"{data['frames']} frames{f' of {name}' if (name := data['name']) else ''}{apart}: "
        f"{sizes} atoms of {', '.join(data['elements'])}; checksum {data['checksum'][:16]}."
    )


def together(found: Sequence[Outcome]) -> Outcome:
    """Of folds: errors are roots of mean squares, costs and seconds means."""
    errors = {
        name: float(np.sqrt(np.mean([each.errors[name] ** 2 for each in found])))
        for name in found[0].errors
    }
    cost, seconds = (float(np.mean([getattr(e, n) for e in found])) for n in ("cost", "seconds"))
    return replace(found[0], errors=errors, cost=cost, seconds=seconds)


def fingerprint_of(images: Sequence[Atoms], keys: Keys) -> str:
    """A checksum of structures, energies and forces."""
    reader, digest = TargetReader(forces=False, keys=keys), sha256()
    for k, image in enumerate(images):
        digest.update(image.numbers.tobytes() + np.ascontiguousarray(image.positions).tobytes())
        digest.update(repr(reader.read(image, f"image {k}").energy).encode())
    return digest.hexdigest()
