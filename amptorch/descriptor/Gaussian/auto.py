"""A set of symmetry functions chosen from the data: ``fp_params: "auto"``."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from ...errors import check_choice, check_keys, nearest
from . import Gaussian, GaussianDescriptorSet
from .checks import check_cutoff, check_weighted
from .grids import even_centered, even_shells, gastegger_centered, imbalzano_shifted

# Frames of each composition whose distances are looked at.
SAMPLE = 50
LAMBDAS = (1.0, -1.0)


@dataclass(frozen=True)
class Size:
    """How many functions there are.

    Attributes:
        radial: G2 of an element pair, before those inside the core are left out.
        narrow, wide: widths of G4 and of G5 of an element triple.
        zetas: angular exponents; each comes with lambda +1 and -1.
    """

    radial: int = 11
    narrow: int = 3
    wide: int = 0
    zetas: Sequence[float] = (1.0, 4.0)

    def __post_init__(self) -> None:
        for name, least in (("radial", 2), ("narrow", 0), ("wide", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"size: expected {name} to be an integer >= {least}, got {value!r}"
                )


SIZES = {
    "small": Size(radial=7, narrow=2, zetas=(1.0,)),
    "medium": Size(),
    "large": Size(radial=14, narrow=4, wide=2),
}

Distances = Mapping[tuple[str, str], float]
Triple = tuple[str, str | None, str | None]


@dataclass
class Options:
    """What ``{"auto": {...}}`` may hold.

    Attributes:
        cutoff: Å.
        size: "small", "medium", "large", or the counts of a :class:`Size` as a dict.
        weighted: element-weighted functions, as many for any number of elements.
        shells: "growing", the published grids, or "even", see ``grids``.
    """

    cutoff: float = 6.0
    size: str | Mapping[str, Any] = "medium"
    weighted: bool = False
    shells: str = "growing"
    counts: Size = field(init=False)

    def __post_init__(self) -> None:
        self.cutoff = check_cutoff(self.cutoff)
        check_weighted(self.weighted, "fp_params auto")
        check_choice(self, "shells", ("growing", "even"), "fp_params auto")
        if isinstance(self.size, Mapping):
            check_keys(self.size, [entry.name for entry in fields(Size)], "fp_params auto, size")
            self.counts = Size(**self.size)
        elif self.size in SIZES:
            self.counts = SIZES[self.size]
        else:
            hint = nearest(str(self.size), SIZES)
            raise ValueError(f"fp_params auto: unknown size {self.size!r}; {hint}")


def options_of(parameters: str | Mapping[str, Any]) -> Options:
    """The options in ``"auto"`` or ``{"auto": {...}}``."""
    if isinstance(parameters, str):
        return Options()
    check_keys(parameters, ["auto"], "fp_params")
    given = parameters["auto"] or {}
    if not isinstance(given, Mapping):
        raise ValueError(f"fp_params: expected auto to be a dict of options, got {given!r}")
    check_keys(given, ["cutoff", "size", "weighted", "shells"], "fp_params auto")
    return Options(**given)


def automatic_set(
    options: Options,
    elements: Sequence[str],
    distances: Distances,
    cutoff_params: Mapping[str, Any] | None = None,
) -> GaussianDescriptorSet:
    """The symmetry functions for elements whose atoms come as near as ``distances`` (Å).

    Radial functions are the shells of Imbalzano et al. (see ``grids``), but for those more than
    two widths inside the core of a pair, which no atom reaches. Angular functions are centred, as
    of Gastegger et al., their widths spread evenly from the nearest distance of the wider pair to
    the cutoff; G4 is their narrow and G5 their wide function. With shells "even" radial functions
    lie as near to one another everywhere from the core to the cutoff, and widths of angular ones
    are parts of the cutoff. Pairs and triples that never lie within the cutoff get none.

    Element-weighted functions are those of a pair, and a triple, at the nearest distance of the
    centre to any element.

    Args:
        distances: nearest distance of each element pair (symbols sorted); a pair that is absent
            never lies within the cutoff.
    """
    made = GaussianDescriptorSet(elements, options.cutoff, cutoff_params)
    for center in made.elements:
        pairs = {symbol: _pair(center, symbol) for symbol in sorted(made.elements)}
        near = {symbol: distances[pair] for symbol, pair in pairs.items() if pair in distances}
        if near and options.weighted:
            _add_weighted(made, options, center, min(near.values()))
        else:
            _add_by_elements(made, options, center, near, distances)
    return made


def _add_weighted(
    made: GaussianDescriptorSet, options: Options, center: str, distance: float
) -> None:
    _add_radial(made, options, (center, None), distance)
    _add_narrow(made, options, (center, None, None), distance)
    _add_wide(made, options, (center, None, None), distance)


def _add_by_elements(
    made: GaussianDescriptorSet,
    options: Options,
    center: str,
    near: Mapping[str, float],
    distances: Distances,
) -> None:
    for neighbor, distance in near.items():
        _add_radial(made, options, (center, neighbor), distance)
    for j, k in itertools.combinations_with_replacement(near, 2):
        widest = max(near[j], near[k])
        if _pair(j, k) in distances:
            _add_narrow(made, options, (center, j, k), widest)
        _add_wide(made, options, (center, j, k), widest)


def _add_radial(
    made: GaussianDescriptorSet,
    options: Options,
    elements: tuple[str, str | None],
    distance: float,
) -> None:
    if options.shells == "even":
        grid = even_shells(distance, options.cutoff, options.counts.radial)
    else:
        grid = imbalzano_shifted(options.cutoff, options.counts.radial)
    for eta, shift in grid:
        width = 1.0 / np.sqrt(2.0 * eta)
        if shift >= distance - 2.0 * width:
            made.add_g2(*elements, eta=eta * options.cutoff**2, rs=shift)


def _add_narrow(
    made: GaussianDescriptorSet, options: Options, elements: Triple, distance: float
) -> None:
    for eta, zeta, sign in _angular(options, options.counts.narrow, distance):
        made.add_g4(*elements, eta=eta * options.cutoff**2, zeta=zeta, gamma=sign)


def _add_wide(
    made: GaussianDescriptorSet, options: Options, elements: Triple, distance: float
) -> None:
    for eta, zeta, sign in _angular(options, options.counts.wide, distance):
        made.add_g5(*elements, eta=eta, zeta=zeta, gamma=sign)


def _angular(
    options: Options, number: int, distance: float
) -> Iterator[tuple[float, float, float]]:
    """eta (1/Å^2), zeta and lambda of ``number`` widths."""
    if not number:
        return iter(())
    if options.shells == "even":
        etas = even_centered(options.cutoff, number)
    else:
        etas = gastegger_centered(distance, options.cutoff, number)
    return itertools.product(etas, options.counts.zetas, LAMBDAS)


def nearest_distances(
    images: Iterable[Atoms], elements: Sequence[str], cutoff: float
) -> dict[tuple[str, str], float]:
    """Smallest distance (Å) of each pair of elements, symbols sorted, under the cutoff.

    Looks at up to 50 images of each composition, spread evenly over the data.
    """
    one = {"G2": {"etas": [0.0], "rs_s": [0.0]}, "cutoff": cutoff}
    probe = Gaussian({"default": one}, elements)  # looks for neighbours, and checks the images
    least: dict[tuple[str, str], float] = {}
    for index, image in sample(images).items():
        environment = probe.environment(image, f"image {index}")
        numbers = torch.from_numpy(image.numbers)
        pairs = torch.stack([numbers[environment.centers], numbers[environment.neighbors]])
        lengths = torch.linalg.vector_norm(environment.vectors, dim=1)
        for first, second in torch.unique(pairs, dim=1).T.tolist():
            found = lengths[(pairs[0] == first) & (pairs[1] == second)].min()
            pair = _pair(chemical_symbols[first], chemical_symbols[second])
            least[pair] = min(least.get(pair, np.inf), float(found))
    return least


def sample(images: Iterable[Atoms]) -> dict[int, Atoms]:
    """Up to 50 images of each composition by their place, spread evenly, in one pass."""
    kept: dict[str, list[tuple[int, Atoms]]] = defaultdict(list)
    strides: dict[str, int] = defaultdict(lambda: 1)
    seen: Counter[str] = Counter()
    for index, image in enumerate(images):
        formula = image.get_chemical_formula()
        if seen[formula] % strides[formula] == 0:
            kept[formula].append((index, image))
        seen[formula] += 1
        if len(kept[formula]) > SAMPLE:
            kept[formula], strides[formula] = kept[formula][::2], 2 * strides[formula]
    return dict(sorted(itertools.chain.from_iterable(kept.values()), key=lambda entry: entry[0]))


def _pair(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first <= second else (second, first)
