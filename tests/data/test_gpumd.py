"""train.xyz of GPUMD."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.data.gpumd import read_gpumd
from amptorch.data.reading import load_images

from ..nep import alloys, xyz

FRAME = """\
1
LATTICE="3 0 0 0 4 0 0 0 5" energy=-2 {} Properties=species:S:1:pos:R:3:tag:I:2:forces:R:3
Cu 0.1 0.2 0.3 7 8 -1 0 1
"""


def test_frames_have_what_was_written(tmp_path):
    images = alloys(3)
    (tmp_path / "train.xyz").write_text(xyz(images))
    found = read_gpumd(tmp_path / "train.xyz")
    for frame, image in zip(found, images, strict=True):
        assert frame.atoms.pbc.all()
        assert (frame.atoms.numbers == image.numbers).all()
        assert frame.energy == pytest.approx(image.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(frame.forces, image.get_forces(), atol=1e-9)
        virial = -image.get_stress(voigt=False) * image.get_volume()
        np.testing.assert_allclose(frame.virial, virial, atol=1e-9)


def test_other_columns_weights_and_stress(tmp_path):
    path = tmp_path / "one.xyz"
    path.write_text(
        FRAME.format('stress="1 0 0 0 2 0 0 0 3" weight=2 energy_weight = 0 pbc="F F F"')
    )
    (frame,) = read_gpumd(path)
    np.testing.assert_allclose(frame.forces, [[-1, 0, 1]])
    np.testing.assert_allclose(frame.virial, -60 * np.diag([1, 2, 3]))
    assert (frame.weight, frame.energy_weight) == (2.0, 0.0)


@pytest.mark.parametrize(
    "change",
    [str, lambda line: line.replace("LATTICE", "lattice").replace("Properties", "PROPERTIES ")],
)
def test_names_in_any_case_outside_of_gpumds_folders(tmp_path, change):
    path = tmp_path / "one.xyz"
    path.write_text(change(FRAME.format('pbc="T T T" note="its lattice=1"')))
    (frame,), (image,) = read_gpumd(path), load_images(path)
    assert image.pbc.all()
    assert image.info["note"] == "its lattice=1"
    np.testing.assert_array_equal(image.cell.array, frame.atoms.cell.array)
    np.testing.assert_array_equal(image.positions, frame.atoms.positions)
    np.testing.assert_array_equal(image.get_forces(), frame.forces)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("weight=0", "expected 0 < weight <= 100, got 0"),
        ('virial="1 2"', "expected virial to have 9 numbers, got '1 2'"),
        (
            'virial="1 0 0 0 1 0 0 0 1" stress="1 0 0 0 1 0 0 0 1"',
            "expected virial to be -stress times the volume",
        ),
    ],
)
def test_errors_name_frame_and_lines(tmp_path, words, message):
    path = tmp_path / "one.xyz"
    path.write_text(FRAME.format("") + FRAME.format(words))
    with pytest.raises(ValueError, match=r"one.xyz: frame 1 \(lines 4 to 6\): " + message):
        read_gpumd(path)
