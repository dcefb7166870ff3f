"""Write frames of mlearn with stresses: ``python -m datasets.mlearn.stresses FILE --out FILE``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ase.io import read, write

from . import with_stresses


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.mlearn.stresses", description=__doc__.split(":")[0] + "."
    )
    parser.add_argument("frames", type=Path, help="such as Si_training.extxyz")
    parser.add_argument("--out", type=Path, required=True, help="file that ASE writes")
    arguments = parser.parse_args(argv)
    frames = with_stresses(read(arguments.frames, ":"))
    write(arguments.out, frames)
    print(f"{len(frames)} frames with stresses: {arguments.out}")


if __name__ == "__main__":
    main()
