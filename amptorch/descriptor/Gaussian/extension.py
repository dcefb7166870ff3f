"""Symmetry functions for more elements, beside those that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from . import Gaussian, GaussianDescriptorSet
from .auto import Options, automatic_set, nearest_distances
from .tables import Table, rows_of, table_of


def with_elements(
    old: Gaussian, elements: Sequence[str], size: str | Mapping[str, Any], images: Sequence[Atoms]
) -> GaussianDescriptorSet:
    """The functions of a descriptor, and such that know more elements.

    The new ones are of :func:`.auto.automatic_set`, in even shells: all functions of centres of new
    elements and, of the others, those that have a new element among the neighbours. Where the
    old functions are element-weighted, so are the new ones, and old centres get none.

    Args:
        old: what is kept.
        elements: all of them.
        size: see :class:`.auto.Options`.
        images: whose nearest distances decide.
    """
    weighted = any((table[:, 1] == 0).any() for table in old.descriptor_setup.values())
    options = Options(old.cutoff, size, weighted, "even")
    distances = nearest_distances(images, elements, old.cutoff)
    cutoff_params = old.descriptor_set.cutoff_params
    chosen = automatic_set(options, elements, distances, cutoff_params)
    new = {atomic_numbers[each] for each in elements if each not in old.elements}
    tables = {}
    for element in elements:
        rows = rows_of(chosen.table(element))
        if element in old.elements:
            rows = [row for row in rows if new & {row[1], row[2]}]
            rows += rows_of(old.descriptor_setup[element])
        tables[element] = table_of(rows)
    return GaussianDescriptorSet.from_tables(tables, cutoff_params)


def places(old: Table, new: Table) -> list[int]:
    """Where the functions of a table are in another one, which has them all."""
    rows = rows_of(new)
    return [rows.index(row) for row in rows_of(old)]
