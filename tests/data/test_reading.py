"""Every frame of a file becomes an image, or an error says where it does not."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.db import connect

from amptorch.data.reading import count_images, elements_of, load_images, read_images, sampled

from .frames import FORCES, dimer, text


@pytest.mark.parametrize("suffix", ["traj", "xyz", "extxyz", "db", "json"])
@pytest.mark.parametrize("stem", ["Cu@300K", "frames@1:2", "@", "a b#*"])
def test_names_are_names(tmp_path, suffix, stem):
    """ASE takes what follows an @ for an index."""
    path = tmp_path / f"{stem}.{suffix}"
    images = [dimer(energy=-1.0 - k) for k in range(3)]
    ase.io.write(tmp_path / f"plain.{suffix}", images)
    (tmp_path / f"plain.{suffix}").rename(path)
    for source in (path, str(path)):
        energies = [image.get_potential_energy() for image in load_images(source)]
        assert energies == [-1.0, -2.0, -3.0]
        assert count_images(source) == (None if suffix == "json" else 3)
        assert len(sampled(source, 2)[0]) == 2


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (text() + text(), 2),
        (text() + "\n" + text(), 2),
        ("\n \n" + text() + "\n\n\n" + text() + "\n\n", 2),
        ((text() + text()).replace("\n", "\r\n"), 2),
        (text() + text().rstrip("\n"), 2),
        ("1\n\nHe 0 0 0\n1\n\nHe 0 0 1\n", 2),
        ("1\ncell in rows\nHe 0 0 0\nVEC1 9 0 0\nVEC2 0 9 0\n1\n\nHe 0 0 0\n", 2),
    ],
)
def test_no_frame_is_lost(tmp_path, content, count):
    """ASE stops at the first blank line between frames, and says nothing."""
    path = tmp_path / "frames.xyz"
    path.write_bytes(content.encode())
    assert len(load_images(path)) == count_images(path) == count


def test_cell_vectors_after_the_atoms(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text("1\n\nHe 0 0 0\nVEC1 9 0 0\nVEC2 0 8 0\nVEC3 0 0 7\n")
    (image,) = load_images(path)
    assert image.cell.lengths().tolist() == [9, 8, 7]


@pytest.mark.parametrize("opened", [gzip.open, bz2.open])
def test_compressed_files(tmp_path, opened):
    path = tmp_path / f"frames.xyz.{'gz' if opened is gzip.open else 'bz2'}"
    with opened(path, "wt") as file:
        file.write(text() + "\n" + text())
    assert len(load_images(path)) == 2


BROKEN = {
    "ends within a frame": (
        text() + text(rows=1),
        r"after 1 images: frame 1 \(from line 5\): expected 2 atoms, but the file ends after 1",
    ),
    "ends after a number": (text() + "2\n", r"frame 1 \(from line 5\): .* ends after 0"),
    "ends within a line": (text()[:-8], r"frame 0 \(lines 1 to 4\)"),
    "more atoms than it says": (
        text(header="1") + text(),
        "line 4: expected the number of atoms of frame 1, got 'Cu 0 0 2.5",
    ),
    "fewer atoms than it says": (text() + text(header="3") + text(), r"frame 1 \(lines 5 to 9\)"),
    "overflowed force": (
        text() + text().replace("0.2", "*******"),
        r"frame 1 \(lines 5 to 8\): could not convert string to float: '\*\*\*\*\*\*\*'",
    ),
    "blank line within a frame": (
        text() + text().replace("Cu", "\nCu", 1) + text(),
        r"frame 1 \(lines 5 to 8\)",
    ),
    "overflowed cell": (
        text() + text().replace("6 0 0 0 6", "******* 0 0 0 6"),
        r"frame 1 \(lines 5 to 8\)",
    ),
    "no number": ("Cu\n" + text(), "line 1: expected the number of atoms of frame 0, got 'Cu'"),
    "negative number": ("-2\n", "line 1: expected the number of atoms of frame 0, got '-2'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_say_where(tmp_path, name):
    content, message = BROKEN[name]
    path = tmp_path / "frames.extxyz"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"data: cannot read .*frames.extxyz .*{message}"):
        load_images(path, "data")


def vasprun(*steps: str) -> str:
    """What ASE reads of a vasprun.xml with Cu2."""
    cell = "<crystal><varray name='basis'><v>6 0 0</v><v>0 6 0</v><v>0 0 6</v></varray></crystal>"
    positions = "<varray name='positions'><v>0 0 0</v><v>0 0 0.4</v></varray>"
    energies = "".join(f"<i name='{each}'>-1.0</i>" for each in ("e_fr_energy", "e_0_energy"))
    energies = f"<energy>{energies}</energy>"
    forces = "<varray name='forces'><v>0 0 0.2</v><v>0 0 -0.2</v></varray>"
    structure = f"<structure>{cell}{positions}</structure>"
    whole = (
        f"<calculation>\n<scstep>{energies}</scstep>{structure}{forces}{energies}\n</calculation>\n"
    )
    atoms = "".join("<rc><c>Cu</c><c>1</c></rc>" for _ in range(2))
    points = (
        "<varray name='kpointlist'><v>0 0 0</v></varray><varray name='weights'><v>1</v></varray>"
    )
    return (
        f"<?xml version='1.0'?>\n<modeling>\n<kpoints>{points}</kpoints>\n"
        f"<atominfo><array name='atoms'><set>{atoms}</set></array></atominfo>\n"
        f"<structure name='initialpos'>{cell}{positions}</structure>\n"
        + "".join(whole if each == "whole" else whole[: len(whole) // 2] for each in steps)
    )


def test_killed_vasp_run(tmp_path):
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun("whole", "whole") + "</modeling>\n")
    assert len(load_images(path)) == 2
    path.write_text(vasprun("whole", "whole", "half"))
    with pytest.raises(ValueError, match="it begins 3 ionic steps, 2 of them are whole"):
        load_images(path)


@pytest.mark.parametrize("part", [0.3, 0.7, 0.99])
def test_truncated_trajectory(tmp_path, part):
    path = tmp_path / "frames.traj"
    ase.io.write(path, [dimer() for _ in range(4)])
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=r"raw_data: cannot read .*frames.traj"):
        load_images(path)


def test_rows_of_a_database_bring_their_values(tmp_path):
    with connect(tmp_path / "rows.db") as rows:
        image = dimer()
        image.calc = None
        rows.write(image, REF_energy=-3.0, data={"REF_forces": FORCES, "group": "a"})
    (image,) = load_images(tmp_path / "rows.db")
    assert image.info["REF_energy"] == -3.0
    assert image.info["group"] == "a"
    np.testing.assert_array_equal(image.info["REF_forces"], FORCES)


def test_files_are_read_as_they_are_asked_for(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(text() * 3 + "broken\n")
    images = read_images(path)
    assert [len(next(images)) for _ in range(3)] == [2, 2, 2]
    with pytest.raises(ValueError, match="line 13"):
        next(images)


def test_iterables_are_not_exhausted():
    taken = []

    def endless() -> Iterator[Atoms]:
        while True:
            taken.append(1)
            yield dimer()

    next(read_images(endless()))
    assert len(taken) == 1


def test_empty_and_foreign(tmp_path):
    (tmp_path / "empty.xyz").write_text("\n\n")
    with pytest.raises(ValueError, match="images: expected at least one image, got none"):
        load_images(tmp_path / "empty.xyz", "images")
    with pytest.raises(ValueError, match=r"images: expected ase.Atoms, entry 1 is dict"):
        load_images([dimer(), {}], "images")
    with pytest.raises(FileNotFoundError, match=r"images: file not found: .*none.xyz"):
        load_images(tmp_path / "none.xyz", "images")


def test_elements():
    assert elements_of([Atoms("OCu"), Atoms("CO")]) == ["C", "Cu", "O"]
