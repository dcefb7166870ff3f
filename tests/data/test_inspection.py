"""Data that cannot be meant are refused or warned about before anything is computed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch.data.inspection import CHUNK, DataWarning, Inspection
from amptorch.data.keys import Keys
from amptorch.data.plausible import crowding
from amptorch.data.reading import read_images
from amptorch.data.targets import TargetReader

from ..made_potentials import alloy_frames
from .frames import FORCES, MATRIX, STRESS, dimer


def labelled(image: Atoms) -> Atoms:
    """The image with an energy and forces."""
    image.calc = SinglePointCalculator(image, energy=-1.0, forces=np.zeros((len(image), 3)))
    return image


def scaled(image: Atoms, factor: float) -> Atoms:
    """All lengths by a factor, as in another unit."""
    image.positions *= factor
    image.cell *= factor
    return labelled(image)


def found(images: list[Atoms], **options: object) -> list[str]:
    """The warnings that images give."""
    inspection = Inspection(TargetReader(**options))
    inspection.read(images)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inspection.warn()
    assert all(each.category is DataWarning for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize(
    "image",
    [
        lambda: bulk("Cu"),
        lambda: bulk("Cs"),
        lambda: bulk("Li"),
        lambda: bulk("NaCl", "rocksalt", a=5.64),
        lambda: bulk("Ar", "fcc", a=5.26),
        lambda: molecule("H2"),
        lambda: molecule("CH4"),
        lambda: bulk("Hg"),
        lambda: Atoms("U"),
        lambda: Atoms("CuCO", [(0, 0, 0), (3, 0, 0), (0, 3, 0)], cell=[10] * 3, pbc=True),
    ],
)
def test_matter_is_not_doubted(image):
    assert found([labelled(image())]) == []


@pytest.mark.parametrize("symbol", ["Cu", "Cs", "Li", "C"])
def test_bohr(symbol):
    (text,) = found([scaled(bulk(symbol) * (2, 1, 1), 1.8897)] * 3)
    assert "expected positions in Å, not in Bohr" in text


def test_one_frame_with_bonds_is_enough():
    assert found([scaled(bulk("Cu"), 1.8897), labelled(bulk("Cu"))]) == []


@pytest.mark.parametrize(
    "image", [bulk("Cu", cubic=True), bulk("Cs") * 2, bulk("C"), bulk("H", "fcc", a=2.0)]
)
def test_nanometres_of_a_crystal(image):
    with pytest.raises(ValueError, match=r"image 1: its \d+ atoms share .* Å\^3; expected .* in Å"):
        found([dimer(), scaled(image, 0.1)])


@pytest.mark.parametrize("name", ["H2O", "H2", "C6H6"])
def test_nanometres_of_a_molecule(name):
    (text,) = found([labelled(molecule(name)), *[scaled(molecule(name), 0.1)] * 2])
    assert text.startswith("image 1: atoms 0 (")
    assert text.endswith("expected positions in Å (2 images are like this)")


def no_element(image: Atoms) -> None:
    image.numbers[1] = 0


def beyond_the_table(image: Atoms) -> None:
    image.arrays["numbers"][1] = 150


def nan_position(image: Atoms) -> None:
    image.positions[1, 2] = np.nan


def one_spot(image: Atoms) -> None:
    image.positions[1] = image.positions[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_element, "image 70: atom 1 is of no element, its atomic number is 0"),
        (beyond_the_table, "image 70: atom 1 is of no element, its atomic number is 150"),
        (nan_position, "image 70: positions hold NaN or infinite values"),
        (one_spot, "image 70: atoms 0 and 1 are on one spot"),
    ],
)
def test_what_cannot_be_described_is_refused(change: Callable[[Atoms], None], message):
    images = [dimer() for _ in range(CHUNK + 10)]
    change(images[70])
    # As a file gives it: results belong to the structure as it is.
    images[70].calc.atoms = images[70].copy()
    with pytest.raises(ValueError, match=message):
        found(images)


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ({"energy": 2.1e6}, "image 1: its energy: 1.05e+06 eV an atom; expected eV an atom"),
        ({"forces": 1e6 * FORCES}, "image 1: its forces: 2e+05 eV/Å; expected eV/Å"),
        ({"stress": 1e4 * STRESS}, "image 1: its stress: 300 eV/Å^3; expected eV/Å^3"),
    ],
)
def test_large_numbers(results, text):
    images = [dimer(), dimer(**results), dimer(**results)]
    assert found(images, stress=True) == [f"{text} (2 images are like this)"]


def test_forces_belong_to_the_free_energy():
    images = [dimer(free_energy=-1.0), dimer(free_energy=-1.004)]
    (text,) = found(images)
    assert text.startswith("image 1: its 'free_energy' differs from 'energy' by 0.002 eV an atom")
    assert '{"keys": {"energy": \'free_energy\'}}' in text
    assert found(images, keys=Keys("free_energy")) == []
    assert found(images, forces=False) == []
    for image in images:
        image.info.update(REF_energy=-1.0, REF_free_energy=-1.1)
    assert (
        "'REF_free_energy' differs from 'REF_energy'" in found(images, keys=Keys("REF_energy"))[0]
    )


def test_energies_and_forces_of_two_kinds():
    image = dimer()
    image.info["REF_energy"] = -2.0
    image.arrays["REF_forces"] = FORCES
    expected = {
        Keys(): [],
        Keys("REF_energy", "REF_forces"): [],
        Keys("REF_energy"): [
            "image 0: energy is read from 'REF_energy' and forces from 'forces', though there is "
            "'REF_forces'"
        ],
        Keys(forces="REF_forces"): [
            "image 0: forces is read from 'REF_forces' and energy from 'energy', though there is "
            "'REF_energy'"
        ],
    }
    for keys, texts in expected.items():
        assert found([image], keys=keys) == texts


def test_counts():
    images = [dimer(stress=STRESS), dimer(), dimer()]
    for stress in (True, False):
        inspection = Inspection(TargetReader(stress=stress))
        inspection.read(images)
        assert inspection.summary() == (
            "3 images; energies of 3 (energy), forces of 3 (forces), stresses of 1 (stress)"
        )


def test_counts_by_other_names():
    image = dimer()
    image.info.update(REF_energy=-2.0, virial=MATRIX)
    inspection = Inspection(TargetReader(keys=Keys("REF_energy")))
    inspection.read([image])
    assert inspection.summary() == (
        "1 images; energies of 1 (REF_energy), forces of 1 (forces), stresses of 0 (stress); "
        "not read: 'virial'"
    )
    inspection = Inspection(TargetReader(stress=True, keys=Keys(virial="virial")))
    inspection.read([image])
    assert inspection.summary().endswith("stresses of 1 (virial)")


def test_stresses_that_are_asked_for():
    image = dimer()
    image.info["virial"] = MATRIX
    inspection = Inspection(TargetReader(stress=True))
    inspection.read([image])
    with pytest.raises(ValueError, match=r"none has one; dataset: .*'virial': 'virial'"):
        inspection.require()


def test_images_pass_as_they_are_looked_at():
    taken = []

    def images():
        for _ in range(3 * CHUNK):
            taken.append(1)
            yield dimer()

    stream = Inspection(TargetReader()).watch(read_images(images()))
    next(stream)
    assert len(taken) == CHUNK


def test_crowding():
    (image,) = alloy_frames(1)
    assert list(crowding([(3, image)], 6.0)) == []
    ((kind, text),) = crowding([(3, image)], 30.0)
    assert kind == "crowded"
    assert "image 3: an atom has about" in text
