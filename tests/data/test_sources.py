"""Names of data: files, folders, patterns, and frames of a file."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest

from amptorch.data.reading import count_images, load_images, sampled
from amptorch.data.sources import Part, parts_of

from ..made_potentials import alloy_frames


@pytest.fixture
def folder(run_dir: Path) -> Path:
    """Frames whose energies are 0, 1, ...: five in a file, three deeper, two named with an @."""
    frames = alloy_frames(10)
    for number, frame in enumerate(frames):
        frame.calc.results["energy"] = float(number)
    (run_dir / "deep" / "er").mkdir(parents=True)
    ase.io.write("a.extxyz", frames[:5])
    ase.io.write("deep/er/b.traj", frames[5:8])
    ase.io.write("Cu@300K.extxyz", frames[8:])
    (run_dir / "deep" / "notes.txt").write_text("none of them")
    return run_dir


def numbers(source) -> list[float]:
    return [image.get_potential_energy() for image in load_images(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.extxyz", [0, 1, 2, 3, 4]),
        ("a.extxyz@1", [1]),
        ("a.extxyz@-1", [4]),
        ("a.extxyz@-2", [3]),
        ("a.extxyz@1:3", [1, 2]),
        ("a.extxyz@::2", [0, 2, 4]),
        ("a.extxyz@-2:", [3, 4]),
        ("a.extxyz@::-1", [4, 3, 2, 1, 0]),
        ("Cu@300K.extxyz", [8, 9]),
        ("Cu@300K.extxyz@0", [8]),
        ("deep", [5, 6, 7]),
        ("deep@:2", [5, 6]),
        (".", [8, 9, 0, 1, 2, 3, 4, 5, 6, 7]),
        ("*.extxyz", [8, 9, 0, 1, 2, 3, 4]),
        ("**/*.traj", [5, 6, 7]),
        ("*.extxyz@0", [8, 0]),
        (["deep", "a.extxyz@0"], [5, 6, 7, 0]),
        ([Path("a.extxyz")], [0, 1, 2, 3, 4]),
    ],
)
def test_a_name_stands_for(folder, source, expected):
    assert numbers(source) == expected


def test_names_and_images_mixed(folder):
    assert numbers([*load_images("a.extxyz@0:2"), "deep"]) == [0, 1, 5, 6, 7]


def test_a_list_of_names_is_not_counted_as_images(folder):
    assert count_images(["a.extxyz", "deep"]) is None
    first, rest = sampled(["a.extxyz", "deep"], 2)
    assert len(first) == 2
    assert len(load_images(rest)) == 8


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("b.extxyz", r"data: file not found: b.extxyz; did you mean 'a.extxyz'\?"),
        ("a.extxy@0", "file not found: a.extxy@0"),
        ("a.extxyz@x", "file not found: a.extxyz@x"),
        ("*.db", r"file not found: \*.db$"),
        ("none/a.extxyz", "file not found: none/a.extxyz$"),
        ("empty", "empty: expected a folder with .extxyz"),
    ],
)
def test_what_is_not_there(folder, name, match):
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=match):
        parts_of(name, "data")


def test_no_frames_are_an_error(folder):
    with pytest.raises(ValueError, match="expected at least one image"):
        load_images("a.extxyz@7")


def test_a_part_says_its_frames(folder):
    assert parts_of("a.extxyz@2:") == [Part(Path("a.extxyz"), slice(2, None))]
