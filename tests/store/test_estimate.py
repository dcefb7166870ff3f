"""The estimate behind derivatives "auto"."""

from __future__ import annotations

import ase.io
import pytest
import torch

from amptorch.data.reading import count_images, sampled
from amptorch.store import estimate

from ..made_potentials import cuco_frames
from .conftest import SETUP, build, contents


@pytest.fixture
def costs(images, tmp_path):
    return estimate.estimate(images, 100, SETUP, torch.float32, tmp_path, 1)


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_bytes_are_those_of_the_records(path, images, costs, derivatives):
    build(images, path, dtype=torch.float32, derivatives=derivatives).close()
    sizes = [len(record) for record in contents(path)[b"frames"].values()]
    assert costs.costs[derivatives].size == pytest.approx(sum(sizes) / len(sizes))
    assert costs.costs[derivatives].build > 0
    assert costs.costs[derivatives].epoch > 0


@pytest.mark.parametrize(
    ("disk", "memory", "expected"),
    [(4.01, 2.01, "cached"), (3.99, 2.01, "on_the_fly"), (4.01, 1.99, "on_the_fly")],
)
def test_cached_is_chosen_where_it_fits(costs, disk, memory, expected):
    size = 100 * costs.costs["cached"].size
    found = estimate.Estimate(costs.costs, 100, disk * size, memory * size)
    assert found.choice == expected
    assert f"derivatives: {expected!r}, because 'cached' " in str(found)
    assert ("does not fit" in str(found)) == (expected == "on_the_fly")


def test_an_unknown_number_of_images_is_not_cached(costs):
    found = estimate.Estimate(costs.costs, None, 1e15, 1e15)
    assert found.choice == "on_the_fly"
    assert "whether 'cached' fits is not known" in str(found)


def test_auto_prints_what_it_chooses(path, images, capsys):
    build(images, path, derivatives="auto", verbose=True).close()
    printed = capsys.readouterr().out
    assert "estimate for 8 images:" in printed
    assert "derivatives: 'cached', because 'cached' fits into" in printed
    assert build(images, path, derivatives="auto").header.derivatives == "cached"


def test_auto_keeps_to_what_there_is(path, images):
    build(images[:3], path, derivatives="on_the_fly").close()
    assert build(images, path, derivatives="auto").header.derivatives == "on_the_fly"


def test_auto_loses_no_image_of_a_generator(path, images):
    store = build(iter(images * 2), path, derivatives="auto")
    assert len(store) == 16
    assert store.header.derivatives == "on_the_fly"


@pytest.mark.parametrize("suffix", ["traj", "xyz", "extxyz", "db", "json", None])
def test_counts_and_samples(tmp_path, suffix):
    images = cuco_frames(11)
    source = images if suffix is None else tmp_path / f"frames.{suffix}"
    if suffix is not None:
        ase.io.write(source, images)
    assert count_images(source) == (None if suffix == "json" else 11)
    sample, again = sampled(source, 4)
    assert again is source
    assert len(sample) == 4
    spread = [images[place].positions for place in (0, 2, 4, 6)]
    expected = spread if suffix in ("traj", None) else [each.positions for each in images[:4]]
    for one, positions in zip(sample, expected, strict=True):
        torch.testing.assert_close(one.positions, positions, atol=1e-7, rtol=0)
