"""Frames in n2p2's files: read and written, through the one reader of frames."""

from __future__ import annotations

from pathlib import Path

import ase.units
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch.data.n2p2 import write_n2p2_frames
from amptorch.data.reading import ImagesOf, load_images, read_images
from amptorch.data.targets import TargetReader
from amptorch.data.units import Units

from ..made_potentials import alloy_frames

TEXT = """\
begin set=test
comment   two atoms
energy -1.5
lattice 4.0 0.0 0.0
lattice -1.0 5.0 0.0
lattice 0.0 0.5 6.0
atom 0.0 0.1 0.2 O 0.5 0.0 1.0 2.0 3.0
atom 1.0 1.1 1.2 H 0.0 0.0 -1.0 -2.0 -3.0
charge 0.0
end

begin
atom 0.5 0.0 0.0 Fe 0.0 0.0 0.0 0.0 0.0
end
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "any.name"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("units", [Units(), Units.of("Bohr", "hartree")], ids=["Å", "Bohr"])
def test_reading(path: Path, units: Units) -> None:
    length, energy = (ase.units.Bohr, ase.units.Hartree) if units != Units() else (1.0, 1.0)
    first, second = read_images(path, units=units)
    assert str(first.symbols) == "OH"
    assert first.info == {"set": "test", "comment": "two atoms"}
    np.testing.assert_allclose(first.cell[1], np.array([-1.0, 5.0, 0.0]) * length)
    np.testing.assert_allclose(first.positions[1], np.array([1.0, 1.1, 1.2]) * length)
    np.testing.assert_allclose(first.get_forces()[0], np.array([1, 2, 3]) * energy / length)
    assert first.get_potential_energy() == pytest.approx(-1.5 * energy)
    assert first.get_initial_charges().tolist() == [0.5, 0.0]
    assert first.pbc.all()
    assert not second.pbc.any()
    assert not second.has("initial_charges")


@pytest.mark.parametrize("units", [{}, {"length_unit": "Bohr", "energy_unit": "Ry"}], ids=str)
def test_writing(tmp_path: Path, units: dict[str, str]) -> None:
    lone = Atoms("Cu2", [(0, 0, 0), (0, 0, 2.2)], charges=[0.25, -0.5])
    lone.calc = SinglePointCalculator(lone, energy=1.25, forces=np.ones((2, 3)))
    lone.info["charge"] = -0.25
    images = [*alloy_frames(2), lone]
    write_n2p2_frames(tmp_path / "input.data", images, **units)
    for one, other in zip(
        ImagesOf(tmp_path / "input.data", Units.of(**units)), images, strict=True
    ):
        assert str(one.symbols) == str(other.symbols)
        assert one.pbc.tolist() == other.pbc.tolist()
        for name in ("positions", "cell", "initial_charges"):
            wanted = np.asarray(getattr(other, f"get_{name}")())
            np.testing.assert_allclose(getattr(one, f"get_{name}")(), wanted, rtol=1e-14)
        reader = TargetReader()
        assert reader.read(one).energy == pytest.approx(reader.read(other).energy, rel=1e-14)
        np.testing.assert_allclose(one.get_forces(), other.get_forces(), rtol=1e-14)
        assert one.info.get("charge") == other.info.get("charge")
    text = (tmp_path / "input.data").read_text()
    assert "\n\n" not in text
    assert text.startswith("begin\n")
    if not units:  # to the last bit
        assert load_images(tmp_path / "input.data")[0].positions.tolist() == (
            images[0].positions.tolist()
        )


def test_what_cannot_be_written(tmp_path: Path) -> None:
    slab = alloy_frames(1)[0]
    slab.pbc = [True, True, False]
    with pytest.raises(ValueError, match="image 0: expected it periodic in three directions"):
        write_n2p2_frames(tmp_path / "input.data", [slab])
    with pytest.raises(ValueError, match="image 0: expected energy, found none"):
        write_n2p2_frames(tmp_path / "input.data", [Atoms("H")])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end\n\n", "", "frame 0, line 10: expected comment, lattice, atom"),
        ("lattice 4.0 0.0 0.0\n", "", "frame 0, line 9: expected three lines 'lattice'"),
        ("begin set=test", "begin frame", "frame 0, line 1: expected 'begin', got 'begin frame'"),
        ("energy -1.5", "energy", "frame 0, line 3: energy: expected 1 numbers, got 0"),
        ("O 0.5 0.0", "O 0.5 zero", "frame 0, line 7: could not convert string to float: 'zero'"),
        (" Fe ", " Xx ", "frame 1, line 13: expected an element as the fourth entry"),
        ("0.2 O", "0.2", "frame 0, line 7: expected an element"),
        ("0.0 0.0 0.0\nend\n", "0.0 0.0 0.0\n", r"frame 1 .* expected 'end', the file ends"),
    ],
)
def test_files_that_are_refused(path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"cannot read .*{message}"):
        load_images(path)


def test_units_that_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="length_unit: unknown unit 'Bor'; did you mean 'Bohr'"):
        Units.of("Bor")
    alloy_frames(1)[0].write(tmp_path / "a.extxyz")
    with pytest.raises(ValueError, match="only for files of n2p2, others are in Å and eV"):
        load_images(ImagesOf(tmp_path / "a.extxyz", Units()))
    with pytest.raises(ValueError, match="units are of files, images are in Å and eV"):
        list(read_images(alloy_frames(1), units=Units()))
