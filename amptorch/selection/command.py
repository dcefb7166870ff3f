"""A whole study: from data to a report."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from ..data.keys import Keys
from ..data.reading import Source, load_images
from ..data.targets import TargetReader
from .content import content
from .gathering import found, gathered, kept
from .journal import Journal
from .material import Material
from .options import Options
from .pool import Pool
from .report import write
from .samples import Samples, scaled
from .study import study

SAMPLES, JOURNAL = "samples.safetensors", "journal.jsonl"
TRAINING, VALIDATION = 0.6, 0.2  # of the frames; the others test
FEWEST = 10


def selected(
    source: Source,
    pool: str | Mapping[str, Any],
    options: Options,
    out: Path,
    show: bool = False,
    keys: Keys | None = None,
) -> str:
    """Study, and write the report to a folder, which is gone on with where it has a journal of the
    same study.

    Args:
        source: of images with energies and, unless ``options`` say otherwise, forces.
        pool: name of a pool, or its settings: see :meth:`.pool.Pool.of`.
        options: of the study.
        out: folder.
        show: show progress.
        keys: names of energies and forces.

    Returns:
        What was found, in a few lines.
    """
    images = _some(load_images(source), options.frames)
    if len(images) < FEWEST:
        raise ValueError(f"data: expected at least {FEWEST} frames, got {len(images)}")
    made = Pool.of(pool, images)
    names = [*made.names, *(f"noise {place}" for place in range(options.noise))]
    sizes = options.sizes_of(len(names))
    reader = TargetReader(forces=options.forces, keys=keys or Keys())
    out.mkdir(parents=True, exist_ok=True)
    about = _about(images, reader, made, options)
    journal = Journal(out / JOURNAL, {**about, **options.of_sets()})
    raw, seconds = _samples(out / SAMPLES, about, images, made, reader, options, show)
    raw = with_noise(raw, options.noise, options.seed)
    parts = split(len(images), options.seed)
    material, test = _material(raw, parts, len(made.descriptor.elements), sizes, options)
    result = study(material, test, options.methods, sizes, journal, show, options.noise)
    spent = {"fingerprints": seconds, "memory": raw.memory}
    report = content(made, names, result, options, images, [len(each) for each in parts], spent)
    return write(out, report, made)


def _material(
    raw: Samples,
    parts: Sequence[Tensor],
    n_species: int,
    sizes: Sequence[int],
    options: Options,
) -> tuple[Material, Samples]:
    """What methods choose with, and the test frames."""
    ready = scaled(raw, parts[0], n_species)
    training, validation, test = (ready.of_frames(each) for each in parts)
    material = Material(
        training,
        validation,
        raw.features.amax(0) - raw.features.amin(0),
        n_species,
        options.all_seeds,
        options.epochs,
        options.hidden,
        sizes[0],
        sizes[-1],
    )
    return material, test


def split(number: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Places of training, validation and test frames, drawn at random."""
    order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
    first, second = round(TRAINING * number), round((TRAINING + VALIDATION) * number)
    return order[:first], order[first:second], order[second:]


def with_noise(samples: Samples, number: int, seed: int) -> Samples:
    """Samples with more functions, of normal numbers; their slopes are as well, as wide as those of
    the others are on average, in units of the features' widths."""
    if not number:
        return samples
    drawn = torch.Generator().manual_seed(seed)
    n, rows = len(samples.features), len(samples.slopes)
    spreads = samples.features.var(0).clamp(min=1e-12)
    ratios = samples.slopes.square().mean((0, 2)) / spreads
    wide = float(ratios.median()) ** 0.5 if rows else 0.0
    features = torch.randn(n, number, generator=drawn)
    slopes = wide * torch.randn(rows, number, 3, generator=drawn)
    return replace(
        samples,
        features=torch.cat([samples.features, features], 1),
        slopes=torch.cat([samples.slopes, slopes], 1),
    )


def _some(images: Sequence[Atoms], number: int) -> list[Atoms]:
    if not 0 < number < len(images):
        return list(images)
    return [images[each] for each in np.linspace(0, len(images) - 1, number).round().astype(int)]


def _about(
    images: Sequence[Atoms], reader: TargetReader, pool: Pool, options: Options
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for index, image in enumerate(images):
        targets = reader.read(image, f"image {index}")
        values = [image.numbers, image.positions, image.cell.array, image.pbc, targets.energy]
        for part in [*values, *([] if targets.forces is None else [targets.forces])]:
            digest.update(np.ascontiguousarray(part).tobytes())
    return {
        "images": digest.hexdigest(),
        "pool": pool.descriptor.descriptor_setup_hash,
        **options.of_samples(),
    }


def _samples(
    path: Path,
    about: Mapping[str, Any],
    images: Sequence[Atoms],
    pool: Pool,
    reader: TargetReader,
    options: Options,
    show: bool,
) -> tuple[Samples, float]:
    """Those of a file, or computed; and the seconds that this took."""
    begun = time.monotonic()
    known = found(path, about)
    if known is not None:
        return known, 0.0
    samples = gathered(images, pool, reader, options.force_atoms, options.seed, show)
    kept(path, about, samples)
    return samples, time.monotonic() - begun
