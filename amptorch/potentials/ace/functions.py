"""What an expansion is made of: its functions, embeddings and their sizes, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any

from .couplings import Numbers, coefficients, halved
from .embeddings import Embedding
from .ladder import Label


@dataclass(frozen=True)
class Function:
    """Re sum over m of C(m) times the product over factors t of A_(mu_t n_t l_t m_t).

    A function of one factor is the sum over neighbours of radial function n before contraction.

    Attributes:
        mus: element of each factor, by place among the elements.
        ns: radial function of each factor, from 1.
        ls: angular momentum of each factor.
        lint: angular momenta of the nodes that couple them; None for a single product.
        ms: of that product.
    """

    mus: Numbers
    ns: Numbers
    ls: Numbers
    lint: Numbers | None = ()
    ms: Numbers | None = None

    @property
    def group(self) -> tuple[Numbers, Numbers, Numbers]:
        """What functions of the same products share."""
        return self.mus, self.ns, self.ls

    def products(self) -> dict[Numbers, float]:
        """C by m."""
        if self.ms is not None:
            return {self.ms: 1.0}
        assert self.lint is not None
        return halved(coefficients(self.ls, self.lint))


@dataclass(frozen=True)
class Expansion:
    """All of a potential but its numbers and its bonds.

    Attributes:
        elements: chemical symbols.
        functions: of each element.
        embeddings: of each element.
        inner_cutoff: of the descriptor's kinds.
        n_max, l_max: of contracted radial functions.
    """

    elements: Sequence[str]
    functions: Sequence[Sequence[Function]]
    embeddings: Sequence[Embedding]
    inner_cutoff: str
    n_max: int
    l_max: int

    @classmethod
    def of_labels(
        cls,
        elements: Sequence[str],
        labels: Mapping[str, Sequence[Label]],
        embeddings: Sequence[Embedding],
        inner_cutoff: str,
    ) -> Expansion:
        """That of the functions of each central element."""
        functions = [[_function(each, elements) for each in labels[center]] for center in elements]
        products = [each for of in functions for each in of if len(each.ns) > 1]
        n_max = max((n for each in products for n in each.ns), default=1)
        l_max = max((ell for each in products for ell in each.ls), default=0)
        return cls(list(elements), functions, embeddings, inner_cutoff, n_max, l_max)

    @property
    def n_densities(self) -> int:
        """The most of an element."""
        return max(len(each.exponents) for each in self.embeddings)

    @property
    def n_functions(self) -> int:
        """Of all elements."""
        return sum(map(len, self.functions))

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where the functions of each element begin and end among those of all."""
        return list(pairwise(accumulate(map(len, self.functions), initial=0)))

    @property
    def degrees(self) -> list[int]:
        """sum_t (n_t + l_t) of each function of all elements."""
        return [sum(each.ns) + sum(each.ls) for of in self.functions for each in of]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        functions = [[list(vars(each).values()) for each in of] for of in self.functions]
        embeddings = [asdict(each) for each in self.embeddings]
        return {**vars(self), "functions": functions, "embeddings": embeddings}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Expansion:
        """That of :meth:`to_json`."""
        functions = [[Function(*map(_tuple, each)) for each in of] for of in values["functions"]]
        embeddings = [Embedding(**each) for each in values["embeddings"]]
        return cls(**{**values, "functions": functions, "embeddings": embeddings})


def _function(label: Label, elements: Sequence[str]) -> Function:
    mus = tuple(elements.index(each) for each in label.elements)
    return Function(mus, label.ns, label.ls, label.lint)


def _tuple(values: Sequence[int] | None) -> Any:
    return None if values is None else tuple(values)
