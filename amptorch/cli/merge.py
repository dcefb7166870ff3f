"""``merge``: one store of several."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..store import merge_stores, write_manifest


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "merge",
        help="join stores of the same header, one after the other",
        description="Join stores of the same header, one after the other. With an OUT that ends "
        "in .json only a manifest is written, and the stores stay where they are.",
    )
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--quiet", action="store_true")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the store or manifest."""
    if Path(arguments.out).suffix == ".json":
        write_manifest(arguments.out, arguments.stores)
        return
    store = merge_stores(arguments.stores, arguments.out, verbose=not arguments.quiet)
    print(f"{arguments.out}: {len(store)} images, {store.n_frames} geometries")
