"""``verify``: read and check every record of a store."""

from __future__ import annotations

import argparse
from typing import Any

from ..store import open_store
from ..store.verify import verify


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser("verify", help="check every record of a store or manifest")
    parser.add_argument("store")
    parser.add_argument("--quiet", action="store_true")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong; 1 if there is anything."""
    problems = 0
    store = open_store(arguments.store)
    for shard in store.shards:
        for problem in verify(shard, verbose=not arguments.quiet):
            problems += 1
            print(problem)
    print(
        f"{arguments.store}: {len(store)} images, {store.n_frames} geometries, {problems} damaged"
    )
    return 1 if problems else 0
