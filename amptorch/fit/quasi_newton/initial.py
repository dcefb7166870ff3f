"""Numbers of potentials that were fitted before, in one that may have more functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ...descriptor.ace import Ace as Descriptor
from ...potentials.ace.embeddings import Embedding
from ...potentials.ace.files.contents import Contents, FileBond
from ...potentials.ace.functions import Function
from ...potentials.ace.invariants import with_invariants
from ...potentials.ace.model import Ace
from ...potentials.loading import load

Name = tuple[str, tuple[str, ...], tuple[object, ...]]
"""Of a function: central element, elements of its factors, and n, l and the momenta of nodes."""


def take_up(model: Ace, descriptor: Descriptor, sources: Sequence[str | Path]) -> list[str]:
    """Give a model the coefficients that its functions have in potentials, and the part of the
    radial ones that both have; where several have one, the first counts.

    Args:
        model: new, in eV.
        descriptor: of its fingerprints.
        sources: files ``.yaml`` and ``.yace``, checkpoint folders or what else
            :func:`amptorch.load` opens.

    Returns:
        A line for each source.

    Raises:
        ValueError: a source of another kind, or with other bonds or densities of an element.
    """
    places = {name: place for place, name in enumerate(_names(model))}
    left, lines = dict(places), []
    for source in reversed(sources):
        contents = with_invariants(Contents.of(load(source)))
        _check(contents, model, descriptor, source)
        _take_radial(model, contents)
        functions = _functions(contents)
        known = {name: values for name, values in functions.items() if name in places}
        with torch.no_grad():
            for name, values in known.items():
                model.coefficients[places[name], : len(values)] = model.coefficients.new_tensor(
                    values
                )
                left.pop(name, None)
        unknown = len(functions) - len(known)
        more = f", {unknown} that the model has not" if unknown else ""
        lines.append(f"initial potential {source}: {len(known)} functions{more}")
    return [*reversed(lines), f"new functions: {len(left)}"]


def _names(model: Ace) -> list[Name]:
    own = model.expansion
    return [
        _name(center, each, own.elements)
        for center, functions in zip(own.elements, own.functions, strict=True)
        for each in functions
    ]


def _name(center: str, function: Function, elements: Sequence[str]) -> Name:
    symbols = tuple(elements[mu] for mu in function.mus)
    return center, symbols, (function.ns, function.ls, function.lint)


def _functions(contents: Contents) -> dict[Name, list[float]]:
    return {
        _name(center, each, contents.elements): own
        for center, functions, values in zip(
            contents.elements, contents.functions, contents.coefficients, strict=True
        )
        for each, own in zip(functions, values.tolist(), strict=True)
    }


def _check(contents: Contents, model: Ace, descriptor: Descriptor, source: str | Path) -> None:
    expansion, where = model.expansion, f"optim: initial_potential {source}"
    for element, embedding in zip(contents.elements, contents.embeddings, strict=True):
        if element in expansion.elements:
            own = expansion.embeddings[expansion.elements.index(element)]
            if not _begins(own, embedding):
                raise ValueError(
                    f"{where}: expected densities of {element} as those of {own}, got {embedding}"
                )
    for first, second, each in _bonds(contents, model):
        bond = descriptor.bond(first, second)
        if bond != each.bond:
            raise ValueError(
                f"{where}: expected fp_params of {first}-{second} {each.bond}, got {bond}"
            )


def _begins(own: Embedding, other: Embedding) -> bool:
    """Whether the first densities are those of another embedding."""
    count = len(other.exponents)
    first = [list(each[:count]) for each in (own.prefactors, own.exponents)]
    same = first == [list(other.prefactors), list(other.exponents)]
    return same and (own.kind == other.kind or set(other.exponents) == {1.0})


def _bonds(contents: Contents, model: Ace) -> list[tuple[str, str, FileBond]]:
    """Of elements that the model has."""
    found = []
    for (a, b), each in contents.bonds.items():
        first, second = contents.elements[a], contents.elements[b]
        if {first, second} <= {*model.expansion.elements}:
            found.append((first, second, each))
    return found


def _take_radial(model: Ace, contents: Contents) -> None:
    elements = list(model.expansion.elements)
    for first, second, each in _bonds(contents, model):
        place = int(model.pairs[elements.index(first), elements.index(second)])
        n, ell, k = map(min, each.radial.shape, model.radial.shape[1:])
        with torch.no_grad():
            model.radial[place, :n, :ell, :k] = torch.from_numpy(each.radial[:n, :ell, :k])
