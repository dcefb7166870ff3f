"""The .yaml form: invariants with their coefficients, of which potentials are trained further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ....descriptor.ace import Bond
from ....files.whole import write_whole
from ...potential import Potential
from ..embeddings import Embedding
from ..functions import Function
from .contents import SPLINE_BINS, Array, Contents, FileBond, read_embedding
from .text import Entry, flow, read
from .yace import radial_kind, radial_name


def read_yaml(path: Path, device: torch.device) -> Potential:
    """The potential of a file; such files have no energies of atoms.

    Raises:
        ValueError: what cannot be read, or asks for what is not supported.
    """
    blocks = _blocks(path)
    elements = sorted({each for block in blocks for each in block})
    order = {element: place for place, element in enumerate(elements)}
    functions: list[list[Function]] = [[] for _ in elements]
    coefficients: list[list[Array]] = [[] for _ in elements]
    for block, entry in blocks.items():
        for each in entry.values.get("nbody") or ():
            function, values = _function(Entry(each, f"{entry.where}: nbody"), order)
            functions[order[block[0]]].append(function)
            coefficients[order[block[0]]].append(values)
    embeddings = [_embedding(_block(blocks, (element,), path)) for element in elements]
    bonds, inner_cutoff = _bonds(blocks, elements, path)
    stacked = [
        np.stack(each) if each else np.empty((0, len(embedding.exponents)))
        for each, embedding in zip(coefficients, embeddings, strict=True)
    ]
    energies = [0.0] * len(elements)
    contents = Contents(elements, bonds, embeddings, functions, stacked, energies, inner_cutoff)
    return contents.potential(device)


def _blocks(path: Path) -> dict[tuple[str, ...], Entry]:
    found = {}
    for values in Entry(read(path), str(path)).get("species"):
        symbols = tuple(str(Entry(values, str(path)).get("speciesblock")).split())
        found[symbols] = Entry(values, f"{path}: {' '.join(symbols)}")
    return found


def _block(blocks: Mapping[tuple[str, ...], Entry], symbols: tuple[str, ...], path: Path) -> Entry:
    """That of these elements, in either order."""
    for each in (symbols, symbols[::-1]):
        if each in blocks and "radbase" in blocks[each].values:
            return blocks[each]
    raise ValueError(f"{path}: expected a block with radial functions of {' '.join(symbols)}")


def _function(entry: Entry, order: Mapping[str, int]) -> tuple[Function, Array]:
    _, *symbols = str(entry.get("type")).split()
    ns, ls = entry.integers("nr"), entry.integers("nl")
    lint = entry.integers("lint") if len(ns) > 2 else ()
    if len(ns) > 2 and len(lint) == len(ns) - 1:
        lint = lint[:-1]  # with the last node, whose momentum is 0
    mus = tuple(order[each] for each in symbols)
    return Function(mus, ns, ls, lint), entry.numbers("c")


def _embedding(entry: Entry) -> Embedding:
    core = entry.number("rho_core_cut", 1e5), entry.number("drho_core_cut", 250.0)
    return read_embedding(entry, "parameters", "ndensityi", core)


def _bonds(
    blocks: Mapping[tuple[str, ...], Entry], elements: Sequence[str], path: Path
) -> tuple[dict[tuple[int, int], FileBond], str]:
    found, kinds = {}, set()
    for a, first in enumerate(elements):
        for b, second in enumerate(elements[a:], start=a):
            entry = _block(blocks, (first, second) if a < b else (first,), path)
            found[a, b] = _bond(entry)
            kinds.add(entry.values.get("inner_cutoff_type", "density"))
    if len(kinds) != 1:
        raise ValueError(f"{path}: expected one inner_cutoff_type, got {sorted(kinds)}")
    return found, kinds.pop()


def _bond(entry: Entry) -> FileBond:
    n, ell, k = (int(entry.number(key)) for key in ("nradmaxi", "lmaxi", "nradbaseij"))
    radial = entry.numbers("radcoefficients")
    if radial.ndim == 1 and radial.size == n * (ell + 1) * k:  # k the slowest in old files
        radial = radial.reshape(k, n, ell + 1).transpose(1, 2, 0)
    if radial.shape != (n, ell + 1, k) and radial.size:
        raise ValueError(
            f"{entry.where}: expected radcoefficients of shape {(n, ell + 1, k)}, got "
            f"{radial.shape}"
        )
    prefactor, exponent = entry.numbers("core-repulsion")
    values = Bond(
        cutoff=entry.number("rcutij"),
        radial=radial_kind(entry, "radbase"),
        steepness=float(entry.numbers("radparameters")[0]),
        width=entry.number("dcutij"),
        core_prefactor=float(prefactor),
        core_exponent=float(exponent),
        inner=entry.number("r_in", 0.0),
        inner_width=entry.number("delta_in", 0.0),
    )
    return FileBond(values, radial.reshape(n, ell + 1, k))


def write_yaml(potential: Potential, path: Path) -> None:
    """Write the form of which a potential is trained further; it has no energies of atoms.

    Raises:
        ValueError: a potential that the file cannot hold: one of single products, or with energies
            of atoms.
    """
    contents = Contents.of(potential)
    if any(contents.energies):
        raise ValueError(
            f"{path}: a .yaml has no energies of atoms, got {contents.energies}; export to yace"
        )
    if any(each.lint is None for of in contents.functions for each in of):
        raise ValueError(f"{path}: the potential came from a .yace, whose invariants are not known")
    text = "".join(f"{line}\n" for line in _lines(contents))
    write_whole(path, text.encode)


def _lines(contents: Contents) -> Iterator[str]:
    yield f"global:\n  DeltaSplineBins: {SPLINE_BINS}\nspecies:"
    for center, others in _order(contents):
        elements = [contents.elements[each] for each in (center, *others)]
        yield f"  - speciesblock: {' '.join(elements)}"
        for key, value in _of_block(contents, center, others).items():
            yield f"    {key}: {flow(value)}"
        entries = list(_of_functions(contents, center, others))
        yield "    nbody:" if entries else "    nbody: []"
        for each in entries:
            yield f"      - {flow(each)}"


def _order(contents: Contents) -> list[tuple[int, tuple[int, ...]]]:
    """Blocks (central element, others), by their size; all of one and of two elements."""
    n = range(len(contents.elements))
    found: set[tuple[int, tuple[int, ...]]] = {(a, (b,) if a != b else ()) for a in n for b in n}
    for center, functions in enumerate(contents.functions):
        found |= {(center, _others(center, each)) for each in functions}
    return sorted(found, key=lambda block: (len(block[1]), block))


def _others(center: int, function: Function) -> tuple[int, ...]:
    return tuple(sorted({*function.mus} - {center}))


def _of_block(contents: Contents, center: int, others: tuple[int, ...]) -> dict[str, object]:
    values: dict[str, object] = {}
    if not others:
        embedding = contents.embeddings[center]
        pairs = zip(embedding.prefactors, embedding.exponents, strict=True)
        values = {
            "ndensityi": len(embedding.exponents),
            "npoti": embedding.kind,
            "parameters": [float(value) for pair in pairs for value in pair],
            "rho_core_cut": embedding.core_cutoff,
            "drho_core_cut": embedding.core_width,
        }
    if len(others) < 2:
        other = others[0] if others else center
        bond = contents.bonds[min(center, other), max(center, other)]
        values.update(_of_bond(bond, contents.inner_cutoff))
    return values


def _of_bond(of: FileBond, inner_cutoff: str) -> dict[str, object]:
    bond, (n, ell, k) = of.bond, of.radial.shape
    return {
        "nradmaxi": n,
        "lmaxi": ell - 1,
        "nradbaseij": k,
        "radbase": radial_name(bond),
        "radparameters": [bond.steepness],
        "radcoefficients": of.radial,
        "rcutij": bond.cutoff,
        "dcutij": bond.width,
        "NameOfCutoffFunctionij": "cos",
        "core-repulsion": [bond.core_prefactor, bond.core_exponent],
        "r_in": bond.inner,
        "delta_in": bond.inner_width,
        "inner_cutoff_type": inner_cutoff,
    }


def _of_functions(
    contents: Contents, center: int, others: tuple[int, ...]
) -> Iterator[dict[str, object]]:
    symbols = contents.elements
    for function, values in zip(
        contents.functions[center], contents.coefficients[center], strict=True
    ):
        if _others(center, function) == others:
            names = [symbols[each] for each in (center, *function.mus)]
            lint = {"lint": function.lint} if len(function.ns) > 2 else {}
            yield {
                "type": " ".join(names),
                "nr": function.ns,
                "nl": function.ls,
                **lint,
                "c": values,
            }
