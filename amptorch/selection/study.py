"""Errors of networks on the sets that methods choose, beside those of the whole pool."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from ..errors import nearest
from . import columns, elimination, weights
from .journal import Journal
from .material import Material, Order
from .networks import Errors, errors
from .samples import Samples

LEVEL = 0.05  # of a test
Draw = Callable[[int, int, int], Order]


def drawn(number: int, size: int, seed: int) -> Order:
    """A random subset."""
    places = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
    return sorted(places[:size].tolist())


def spaced(number: int, size: int, seed: int) -> Order:
    """Every so many functions, from a random one on."""
    first = int(np.random.default_rng(seed).integers(number))
    return sorted({(first + number * place // size) % number for place in range(size)})


DRAWS: dict[str, Draw] = {"random": drawn, "spaced": spaced}
RANKINGS: dict[str, Callable[[Material], Order]] = {
    "weights": weights.absolute,
    "weights-signed": weights.signed,
    "weights-spread": weights.spread,
    "range": weights.span,
    "sensitivity": weights.sensitivity,
    "drop-one": weights.drop_one,
    "drop-one-retrained": elimination.drop_one_retrained,
    "backward": elimination.backward,
    "lassonet": elimination.lassonet,
    "cur": columns.cur,
    "fps": columns.farthest,
    "force-correlation": columns.correlation,
    "forest": columns.forest,
    "forest-permutation": columns.permutation,
}
METHODS = (*DRAWS, *RANKINGS)


def check_methods(methods: Sequence[str]) -> None:
    """Raise a ``ValueError`` for a name that is none."""
    for each in methods:
        if each not in METHODS:
            raise ValueError(f"methods: unknown name {each!r}; {nearest(each, METHODS)}")


@dataclass
class Found:
    """A set, or for methods that draw one a seed: the best of them.

    Attributes:
        method: that chose it.
        kept: functions by their places, in the pool's order.
        size: that was asked for.
        validation, test: errors of networks trained on it, one a seed.
        p: of :func:`compared`, that a set no worse than the pool has such errors on test frames.
    """

    method: str
    kept: Order
    size: int
    validation: Errors
    test: Errors
    p: float = 1.0

    @property
    def worse(self) -> bool:
        """Than the pool, at p = 0.05."""
        return self.p < LEVEL

    @property
    def chosen_by(self) -> float:
        """Mean loss of validation frames."""
        return float(np.mean(self.validation.loss))


@dataclass
class Result:
    """Of a study.

    Attributes:
        pool: the set of all functions.
        found: by method and size.
        orders: of methods that rank.
        seconds: that each method's choice took.
    """

    pool: Found
    found: list[Found] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, method: str) -> list[Found]:
        """Its sets."""
        return [each for each in self.found if each.method == method]

    def best(self, most: int, method: str | None = None) -> Found:
        """Of the sets of at most so many functions, that with the least loss on validation
        frames."""
        sets = [each for each in self.found if each.size <= most and method in (None, each.method)]
        return min(sets, key=lambda each: each.chosen_by)


def study(
    material: Material,
    test: Samples,
    methods: Sequence[str],
    sizes: Sequence[int],
    journal: Journal | None = None,
    show: bool = False,
    noise: int = 0,
) -> Result:
    """All methods and sizes.

    Args:
        material: what methods choose with.
        test: scaled samples of frames that choose nothing.
        methods: of ``METHODS``.
        sizes: numbers of functions.
        journal: of what is found, and is not made twice.
        show: show a progress bar.
        noise: how many of the functions, the last ones, are none of the pool: what methods choose
            is compared with networks that do not see them.
    """
    check_methods(methods)
    runner = _Runner(material, test, journal or Journal(None, {}))
    result = Result(runner.trained("pool", list(range(material.n_functions - noise))))
    with tqdm(total=len(methods), desc="methods", disable=not show) as bar:
        for method in methods:
            bar.set_postfix_str(method)
            runner.add(result, method, sizes)
            bar.update()
    return result


@dataclass
class _Runner:
    material: Material
    test: Samples
    journal: Journal

    def add(self, result: Result, method: str, sizes: Sequence[int]) -> None:
        if method in DRAWS:
            sets = [self._of_draws(method, size) for size in sizes]
        else:
            order = self._order(result, method)
            sets = [self.trained(method, sorted(order[:size])) for size in sizes]
        for each in sets:
            each.p = compared(each.test, result.pool.test)
        result.found += sets

    def _order(self, result: Result, method: str) -> Order:
        def make() -> dict[str, object]:
            begun = time.monotonic()
            order = RANKINGS[method](self.material)
            return {"order": order, "seconds": time.monotonic() - begun}

        if not self.journal.knows(f"order of {method}"):
            self.material.networks  # noqa: B018 - their training is not the method's
        known = self.journal.once(f"order of {method}", make)
        result.orders[method], result.seconds[method] = known["order"], known["seconds"]
        return known["order"]

    def trained(self, method: str, kept: Order, seeds: tuple[int, ...] | None = None) -> Found:
        """Networks on a set, and their errors; those of a set that several methods chose once."""
        seeds = seeds or self.material.seeds
        name = hashlib.sha256(repr((kept, seeds)).encode()).hexdigest()[:16]
        known = self.journal.once(f"set {name}", partial(self._errors, kept, seeds))
        return Found(
            method, kept, len(kept), Errors(**known["validation"]), Errors(**known["test"])
        )

    def _errors(self, kept: Order, seeds: tuple[int, ...]) -> dict[str, object]:
        everything = len(kept) == self.material.n_functions
        made = self.material.networks if everything else self.material.on(kept, seeds)
        places = torch.tensor(kept)
        parts = {"validation": self.material.validation, "test": self.test}
        return {
            name: asdict(errors(made, each.of_functions(places))) for name, each in parts.items()
        }

    def _of_draws(self, method: str, size: int) -> Found:
        """Sets that are drawn, one a seed, and the best of them."""
        number, seeds = self.material.n_functions, self.material.seeds
        sets = [self.trained(method, DRAWS[method](number, size, seed), (seed,)) for seed in seeds]
        best = min(sets, key=lambda each: each.chosen_by)
        validation = _together([each.validation for each in sets])
        return Found(method, best.kept, size, validation, _together([each.test for each in sets]))


def _together(parts: Sequence[Errors]) -> Errors:
    names = ("energy", "force", "loss")
    return Errors(*([v for each in parts for v in getattr(each, name)] for name in names))


def compared(own: Errors, others: Errors) -> float:
    """The probability that networks have errors this much larger than others', in energies or in
    forces, where the means of both are the same: twice the smaller of both probabilities, as there
    are two (Bonferroni); at most 1."""
    found = [not_better(own.energy, others.energy)]
    if any(others.force):
        found.append(not_better(own.force, others.force))
    return min(1.0, len(found) * min(found))


def not_better(scores: Sequence[float], others: Sequence[float]) -> float:
    """The probability, by Welch's t-test, of scores this much larger than others where the means of
    both are the same; 1 where there are too few to say."""
    from scipy.stats import ttest_ind_from_stats

    if min(len(scores), len(others)) < 2:
        return 1.0
    if np.ptp(scores) == np.ptp(others) == 0.0:
        return float(np.mean(scores) <= np.mean(others))
    parts = [(np.mean(each), np.std(each, ddof=1), len(each)) for each in (scores, others)]
    found = ttest_ind_from_stats(*parts[0], *parts[1], equal_var=False, alternative="greater")
    return float(found.pvalue)
