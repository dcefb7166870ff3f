"""The .yace form: products with a coefficient for each density, as LAMMPS reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from ....descriptor.ace import Bond
from ....files.whole import write_whole
from ...potential import Potential
from ..couplings import Numbers
from ..embeddings import Embedding
from ..functions import Function
from .contents import RADIALS, SPLINE_BINS, Array, Contents, FileBond, read_embedding
from .text import Entry, flow, read


def read_yace(path: Path, device: torch.device) -> Potential:
    """The potential of a file.

    Raises:
        ValueError: what cannot be read, or asks for what is not supported.
    """
    file = Entry(read(path), str(path))
    elements = [str(each) for each in file.get("elements")]
    bonds, inner_cutoff = _bonds(Entry(file.get("bonds"), f"{path}: bonds"), len(elements))
    embeddings, functions, coefficients = [], [], []
    for element in range(len(elements)):
        of = Entry(file.get("embeddings").get(element), f"{path}: embeddings: {element}")
        embeddings.append(_embedding(of))
        entries = file.get("functions").get(element, ())
        found = [_products(Entry(each, f"{path}: functions: {element}")) for each in entries]
        functions.append([each for part, _ in found for each in part])
        count = len(embeddings[-1].exponents)
        coefficients.append(np.concatenate([np.empty((0, count)), *(c for _, c in found)]))
    energies = [float(each) for each in file.get("E0")]
    contents = Contents(
        elements, bonds, embeddings, functions, coefficients, energies, inner_cutoff
    )
    return contents.potential(device)


def _bonds(file: Entry, n: int) -> tuple[dict[tuple[int, int], FileBond], str]:
    found: dict[tuple[int, int], FileBond] = {}
    kinds = set()
    for key, values in file.values.items():
        entry = Entry(values, f"{file.where}: {list(key)}")
        pair = min(key), max(key)
        each = _bond(entry)
        if pair in found and not _same(found[pair], each):
            raise ValueError(f"{entry.where}: expected the same as of {list(key[::-1])}")
        found[pair] = each
        kinds.add(entry.values.get("inner_cutoff_type", "density"))
    missing = [(a, b) for a in range(n) for b in range(a, n) if (a, b) not in found]
    if missing or len(kinds) != 1:
        raise ValueError(
            f"{file.where}: expected all pairs of elements and one inner_cutoff_type, missing "
            f"{missing}, got {sorted(kinds)}"
        )
    return found, kinds.pop()


def _same(one: FileBond, other: FileBond) -> bool:
    return one.bond == other.bond and np.array_equal(one.radial, other.radial)


def _bond(entry: Entry) -> FileBond:
    shape = tuple(int(entry.number(key)) for key in ("nradmax", "lmax", "nradbasemax"))
    radial = entry.numbers("radcoefficients")
    expected = (shape[0], shape[1] + 1, shape[2])
    if radial.shape != expected and radial.size:
        raise ValueError(
            f"{entry.where}: expected radcoefficients of shape {expected}, got {radial.shape}"
        )
    values = Bond(
        cutoff=entry.number("rcut"),
        radial=radial_kind(entry, "radbasename"),
        steepness=float(entry.numbers("radparameters")[0]),
        width=entry.number("dcut"),
        core_prefactor=entry.number("prehc"),
        core_exponent=entry.number("lambdahc"),
        inner=entry.number("rcut_in", 0.0),
        inner_width=entry.number("dcut_in", 0.0),
    )
    return FileBond(values, radial.reshape(expected))


def radial_kind(entry: Entry, key: str) -> str:
    """Our name of the radial functions that an entry names."""
    name = entry.get(key)
    if name not in RADIALS:
        raise ValueError(f"{entry.where}: expected {key} of {', '.join(RADIALS)}, got {name!r}")
    return RADIALS[name]


def _embedding(entry: Entry) -> Embedding:
    core = entry.number("rho_core_cutoff"), entry.number("drho_core_cutoff")
    return read_embedding(entry, "FS_parameters", "ndensity", core)


def _products(entry: Entry) -> tuple[list[Function], Array]:
    """Single products of an entry, and their coefficients [products, densities]."""
    mus, ns, ls = (entry.integers(key) for key in ("mus", "ns", "ls"))
    order = len(mus)
    ms = np.array(entry.integers("ms_combs")).reshape(-1, order).tolist()
    values = entry.numbers("ctildes").reshape(len(ms), -1)
    return [Function(mus, ns, ls, None, tuple(each)) for each in ms], values


def write_yace(potential: Potential, path: Path) -> None:
    """Write a potential as LAMMPS reads it.

    Raises:
        ValueError: a potential that a file cannot hold.
    """
    text = "".join(f"{line}\n" for line in _lines(Contents.of(potential)))
    write_whole(path, text.encode)


def _lines(contents: Contents) -> Iterator[str]:
    n = len(contents.elements)
    yield f"elements: {flow(contents.elements)}"
    yield f"E0: {flow(contents.energies)}"
    yield f"deltaSplineBins: {SPLINE_BINS}"
    yield "embeddings:"
    for element, embedding in enumerate(contents.embeddings):
        yield f"  {element}: {flow(_of_embedding(embedding))}"
    yield "bonds:"
    for a in range(n):
        for b in range(n):
            bond = contents.bonds[min(a, b), max(a, b)]
            yield f"  [{a}, {b}]: {flow(_of_bond(bond, contents.inner_cutoff))}"
    yield "functions:"
    for element in range(n):
        entries = list(_of_functions(contents, element))
        yield f"  {element}:" if entries else f"  {element}: []"
        for each in entries:
            yield f"    - {flow(each)}"


def _of_embedding(embedding: Embedding) -> dict[str, object]:
    pairs = zip(embedding.prefactors, embedding.exponents, strict=True)
    return {
        "ndensity": len(embedding.exponents),
        "FS_parameters": [float(value) for pair in pairs for value in pair],
        "npoti": embedding.kind,
        "rho_core_cutoff": embedding.core_cutoff,
        "drho_core_cutoff": embedding.core_width,
    }


def _of_bond(of: FileBond, inner_cutoff: str) -> dict[str, object]:
    bond, (n, ell, k) = of.bond, of.radial.shape
    return {
        "nradmax": n,
        "lmax": ell - 1,
        "nradbasemax": k,
        "radbasename": radial_name(bond),
        "radparameters": [bond.steepness],
        "radcoefficients": of.radial,
        "prehc": bond.core_prefactor,
        "lambdahc": bond.core_exponent,
        "rcut": bond.cutoff,
        "dcut": bond.width,
        "rcut_in": bond.inner,
        "dcut_in": bond.inner_width,
        "inner_cutoff_type": inner_cutoff,
    }


def radial_name(bond: Bond) -> str:
    """The name of its radial functions in files."""
    return next(name for name, kind in RADIALS.items() if kind == bond.radial)


def _of_functions(contents: Contents, element: int) -> Iterator[dict[str, object]]:
    """Entries of an element, one for all functions of the same group."""
    groups: dict[tuple[Numbers, Numbers, Numbers], dict[Numbers, Array]] = {}
    for function, own in zip(
        contents.functions[element], contents.coefficients[element], strict=True
    ):
        sums = groups.setdefault(function.group, {})
        for ms, weight in function.products().items():
            sums[ms] = sums.get(ms, 0.0) + weight * own
    for group, sums in groups.items():
        yield _of_products(element, group, sums)


def _of_products(
    element: int, group: Sequence[Sequence[int]], sums: dict[tuple[int, ...], Array]
) -> dict[str, object]:
    values = np.array(list(sums.values()))
    return {
        "mu0": element,
        "rank": len(group[0]),
        "ndensity": values.shape[1],
        "num_ms_combs": len(sums),
        "mus": group[0],
        "ns": group[1],
        "ls": group[2],
        "ms_combs": [m for ms in sums for m in ms],
        "ctildes": values.flatten(),
    }
