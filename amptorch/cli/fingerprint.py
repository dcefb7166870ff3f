"""``fingerprint``: build a store from images."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from ..data.reading import ImagesOf, Source, elements_of, in_units
from ..dataset.settings import DatasetConfig
from ..descriptor.from_data import choose, depends_on_data
from ..descriptor.schemes import Setup
from ..errors import check_keys
from ..preprocessing.baselines import Wanted
from ..store import build_store
from ..store.cluster import build_with_dask
from .settings import add_keys, given_keys, read_settings

_OF_TARGETS = ("weight_key", "keys", "baseline", "length_unit", "energy_unit")
_KEYS = ("fp_scheme", "fp_params", "cutoff_params", "elements", "prune", *_OF_TARGETS)


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "fingerprint",
        help="compute fingerprints of images and keep them in a store",
        description="Compute fingerprints of images and keep them in a store. A build that was "
        "interrupted goes on when it is started again.",
    )
    parser.add_argument("data", help="file or database that ASE reads")
    parser.add_argument("--out", required=True, help="store to write")
    parser.add_argument(
        "--config",
        required=True,
        help="YAML or JSON file with fp_scheme, fp_params, cutoff_params, elements, prune, "
        "weight_key, keys, baseline, length_unit, energy_unit, at its top or in its section "
        "'dataset'",
    )
    add_keys(parser)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument(
        "--derivatives", choices=("auto", "cached", "on_the_fly", "none"), default="auto"
    )
    parser.add_argument("--no-forces", action="store_true", help="the images have no forces")
    parser.add_argument("--processes", type=int, help="default: by cores and number of images")
    parser.add_argument("--chunk", type=int, default=64, help="images that a kill may lose")
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="compute on a Dask cluster, 'tcp://host:port' or 'local'; --out is then a manifest, "
        "*.json, beside a folder of stores that all workers must see",
    )
    parser.add_argument("--quiet", action="store_true")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Build the store that the arguments ask for."""
    chosen = read_dataset_config(arguments.config)
    data = in_units(arguments.data, chosen.length_unit, chosen.energy_unit)
    setup = descriptor_setup(chosen, data, not arguments.quiet)
    options: dict[str, Any] = {
        "dtype": getattr(torch, arguments.dtype),
        "derivatives": arguments.derivatives,
        "forces": not arguments.no_forces,
        "verbose": not arguments.quiet,
        "weight_key": chosen.weight_key,
        "keys": given_keys(arguments.keys, chosen.target_keys),
        "baseline": Wanted.of(chosen.baseline).fixed,
    }
    if arguments.dask is not None:
        store = build_with_dask(data, arguments.out, setup, arguments.dask, **options)
    else:
        options.update(processes=arguments.processes, chunk=arguments.chunk)
        store = build_store(data, arguments.out, setup, **options)
    print(f"{arguments.out}: {len(store)} images, {store.n_frames} geometries")


def read_dataset_config(path: str) -> DatasetConfig:
    """What a file says of fingerprints and weights; defaults are those of a training
    configuration."""
    settings = read_settings(path, "config")
    section = settings.get("dataset", settings)
    if section is settings:
        check_keys(section, _KEYS, "config")
    return DatasetConfig(**{key: section[key] for key in _KEYS if key in section})


def descriptor_setup(chosen: DatasetConfig, data: Source, verbose: bool) -> Setup:
    """(fp_scheme, fp_params, cutoff_params, elements); elements are those found in the data where
    none are given."""
    elements = chosen.elements or elements_of(ImagesOf(data))
    setup = chosen.setup(list(elements))
    if not depends_on_data(chosen.fp_params, chosen.prune):
        return setup
    choice = choose(setup, ImagesOf(data), chosen.prune, verbose)
    print(choice.summary())
    return choice.setup
