"""Chemical symbols by atomic number and back, under the original's names; 0 is "X"."""

from __future__ import annotations

from ase.data import chemical_symbols

ATOM_INDEX_TO_SYMBOL_DICT: dict[int, str] = dict(enumerate(chemical_symbols))
ATOM_SYMBOL_TO_INDEX_DICT: dict[str, int] = {
    symbol: number for number, symbol in ATOM_INDEX_TO_SYMBOL_DICT.items()
}
