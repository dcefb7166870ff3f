"""``convert``: from an LMDB file of the original to a store."""

from __future__ import annotations

import argparse
from typing import Any

from ..dataset.convert import convert_lmdb


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "convert",
        help="write an LMDB file of the original as a store",
        description="Write an LMDB file of the original as a store: unscaled fingerprints, primes "
        "as sparse matrices, targets, and the scalers. The file's pickles are read safely.",
    )
    parser.add_argument("original")
    parser.add_argument("--out", required=True)
    parser.add_argument("--quiet", action="store_true")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the store."""
    store = convert_lmdb(arguments.original, arguments.out, verbose=not arguments.quiet)
    print(f"{arguments.out}: {len(store)} images, derivatives {store.header.derivatives!r}")
