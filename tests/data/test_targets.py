"""Numbers of any type, order and name are read as what they are, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.stress import full_3x3_to_voigt_6_stress

from amptorch.data.keys import Keys, proposals
from amptorch.data.targets import (
    MissingTargetError,
    TargetReader,
    read_energy,
    read_forces,
    read_stress,
)

from .frames import FORCES, MATRIX, STRESS, dimer

ENERGIES = {
    "number": -1.5,
    "integer": -1,
    "numpy's number": np.float32(-1.5),
    "array of one": np.array([-1.5]),
    "array of one in rows": np.array([[-1.5]]),
    "array of no axis": np.array(-1.5),
    "list": [-1.5],
    "object": np.array([-1.5], dtype=object),
    "half precision": np.array([-1.5], dtype=np.float16),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_energies(name):
    energy = read_energy(dimer(energy=ENERGIES[name]), "image 4")
    assert type(energy) is float
    assert energy == (-1 if name == "integer" else -1.5)


BAD_ENERGIES: dict[str, tuple[Any, str]] = {
    "stars": ("*******", r"its energy is '\*\*\*\*\*\*\*', expected real numbers"),
    "bytes": (b"-1.0", "its energy is b'-1.0', expected real numbers"),
    "text": (np.array("-1.0"), r"its energy is array\('-1.0'.*, expected real numbers"),
    "complex": (-1.0 + 0j, r"its energy is \(-1\+0j\), expected real numbers"),
    "truth": (True, "its energy is True, expected real numbers"),
    "two": (np.array([1.0, 2.0]), r"expected its energy to be a number, got shape \(2,\)"),
    "none": (np.array([]), r"expected its energy to be a number, got shape \(0,\)"),
    "NaN": ([np.nan], "its energy is nan"),
    "infinite": (np.float32("-inf"), "its energy is -inf"),
    "nothing in it": (np.array([None]), "its energy is nan"),
    "masked": (np.ma.masked_array([1.0], mask=[True]), "its energy is nan"),
}


@pytest.mark.parametrize("name", BAD_ENERGIES)
def test_bad_energies(name):
    value, message = BAD_ENERGIES[name]
    with pytest.raises(ValueError, match=f"image 4: {message}"):
        read_energy(dimer(energy=value), "image 4")


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda forces: forces.astype(np.float32),
        lambda forces: forces.astype(np.longdouble),
        lambda forces: forces.astype(object),
        lambda forces: forces.tolist(),
        lambda forces: np.repeat(forces, 2, axis=1)[:, ::2],
        lambda forces: forces[::-1][::-1],
        lambda forces: np.ma.masked_array(forces),
        lambda forces: forces.astype(">f8"),
    ],
)
def test_forces_of_any_kind(change):
    forces = read_forces(dimer(forces=change(FORCES.copy())), "image")
    assert forces.dtype == np.float64
    assert forces.flags.c_contiguous
    np.testing.assert_allclose(forces, FORCES, rtol=1e-6)


def test_integer_forces():
    forces = read_forces(dimer(forces=np.array([[0, 0, 1], [0, 0, -1]])), "image")
    assert forces.dtype == np.float64


BAD_FORCES: dict[str, tuple[Any, str]] = {
    "too few": (FORCES[:1], r"expected forces of shape \(2, 3\), a row an atom, got \(1, 3\)"),
    "transposed": (FORCES.T, r"got \(3, 2\)"),
    "flat": (FORCES.ravel(), r"got \(6,\)"),
    "one number": (0.0, r"got \(\)"),
    "complex": (FORCES + 0j, "its forces is array.* expected real numbers"),
    "ragged": ([[0, 0, 1], [0, 0]], "its forces is .*, expected real numbers"),
    "text": (FORCES.astype(str), "expected real numbers"),
    "words": (np.array([["a"] * 3] * 2, dtype=object), "expected real numbers"),
    "NaN": (np.where(FORCES < 0, np.nan, FORCES), r"the force on atom 1 is \[0.0, 0.0, nan\]"),
    "masked": (np.ma.masked_less(FORCES, 0), r"the force on atom 1 is \[0.0, 0.0, nan\]"),
}


@pytest.mark.parametrize("name", BAD_FORCES)
def test_bad_forces(name):
    value, message = BAD_FORCES[name]
    with pytest.raises(ValueError, match=f"image 4: .*{message}"):
        read_forces(dimer(forces=value), "image 4")


@pytest.mark.parametrize(
    "stress", [STRESS, MATRIX, MATRIX.ravel(), MATRIX.tolist(), np.asfortranarray(MATRIX)]
)
def test_stresses(stress):
    np.testing.assert_allclose(full_3x3_to_voigt_6_stress(MATRIX), STRESS)
    image = dimer(stress=stress)
    np.testing.assert_allclose(read_stress(image, "image"), STRESS)
    image.info.update(REF_stress=stress, REF_virial=-216 * np.array(stress))
    for keys in (Keys(stress="REF_stress"), Keys(virial="REF_virial")):
        np.testing.assert_allclose(read_stress(image, "image", keys), STRESS)


BAD_STRESSES: dict[str, tuple[Any, str]] = {
    "five": (STRESS[:5], r"expected its stress as 6 numbers .*, got shape \(5,\)"),
    "row of six": (STRESS[None], r".* got shape \(1, 6\)"),
    "not symmetric": (np.triu(MATRIX), "its stress is not symmetric"),
    "NaN": (np.where(STRESS > 0.02, np.nan, STRESS), "its stress is .*nan"),
    "text": ("1 2 3 4 5 6", "its stress is '1 2 3 4 5 6', expected real numbers"),
}


@pytest.mark.parametrize("name", BAD_STRESSES)
def test_bad_stresses(name):
    value, message = BAD_STRESSES[name]
    with pytest.raises(ValueError, match=f"image 4: {message}"):
        read_stress(dimer(stress=value), "image 4")


def test_virials_are_minus_volume_times_stress():
    """EMT's stress against the virial of its forces, sum over r_i F_i of a cluster in a box."""
    image = Atoms("Cu3", [(5, 5, 5), (5, 5, 7.4), (5, 7.3, 5.4)], cell=[20, 20, 20], pbc=True)
    image.calc = EMT()
    virial = np.einsum("ia,ib->ab", image.positions, image.get_forces())
    stress = image.get_stress()
    image.info["virial"] = virial
    np.testing.assert_allclose(
        read_stress(image, "image", Keys(virial="virial")), stress, atol=1e-9
    )
    image.info["virial"] = -virial
    with pytest.raises(ValueError, match=r"image: its stress .* and its virial, .* disagree"):
        read_stress(image, "image", Keys(virial="virial"))


def test_no_stress_without_a_volume():
    image = dimer(stress=STRESS)
    image.pbc, image.cell[2] = False, 0
    image.calc.atoms = image.copy()
    image.info["virial"] = STRESS
    assert np.isnan(read_stress(image, "image", Keys(virial="virial"))).all()
    assert TargetReader(stress=True).read(image).stress is None


def named() -> Atoms:
    """No results of its own; energies of two kinds and forces under other names."""
    image = dimer()
    image.calc = None
    image.info.update(REF_energy=-2.0, dft_free_energy=-3.0, config_type="dimer", weight_energy=1.0)
    image.arrays["REF_forces"] = 2 * FORCES
    return image


def test_names_are_read():
    image = named()
    reader = TargetReader(keys=Keys("REF_energy", "REF_forces"))
    targets = reader.read(image)
    assert targets.energy == -2.0
    np.testing.assert_array_equal(targets.forces, 2 * FORCES)
    assert read_energy(image, "image", Keys("dft_free_energy")) == -3.0
    assert read_energy(dimer(free_energy=-4.0), "image", Keys("free_energy")) == -4.0
    assert read_energy(dimer(), "image", Keys("energy")) == -1.0


def test_what_is_there_is_proposed():
    with pytest.raises(MissingTargetError) as caught:
        TargetReader().read(named(), "image 7")
    assert str(caught.value).startswith("image 7: expected energy, found none")
    for part in ("REF_energy, REF_forces", "'energy': 'REF_energy'", "'forces': 'REF_forces'"):
        assert part in str(caught.value)
    with pytest.raises(MissingTargetError, match=r"under 'REF_enrgy', .*did you mean 'REF_energy'"):
        read_energy(named(), "image", Keys("REF_enrgy"))
    with pytest.raises(MissingTargetError, match="it holds nothing beside its structure"):
        read_energy(Atoms("Cu"), "image")


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ({"energy_per_atom": 1.0, "energy_sigma": 1.0, "energy_weight": 1.0}, {}),
        ({"virial_stress_kbar_xx_yy_zz_xy_yz_xz": STRESS, "stress_GPa": STRESS}, {}),
        ({"dft_virials": MATRIX}, {"virial": "dft_virials"}),
        (
            {"virial": MATRIX.ravel(), "my_stress": STRESS},
            {"virial": "virial", "stress": "my_stress"},
        ),
        ({"E": -1.0}, {"energy": "E"}),
        ({"TOTEN": -1.0, "n_forces": 3}, {"energy": "TOTEN"}),
        ({3: -1.0, "energies": np.ones(2)}, {}),
    ],
)
def test_proposals(info, found):
    image = dimer()
    image.calc = None
    image.info.update(info)
    assert proposals(image) == found


def test_nothing_is_proposed_that_is_read_anyway():
    image = dimer(free_energy=-1.0, stress=STRESS)
    image.info["virial"] = MATRIX
    assert proposals(image) == {"virial": "virial"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"energie": "E"}, "dataset, keys: unknown key 'energie'; did you mean 'energy'"),
        ({"energy": 3}, "dataset, keys: expected energy to be a name, got 3"),
        ({"energy": ""}, "dataset, keys: expected energy to be a name, got ''"),
        ("REF_energy", "dataset: expected keys to be a mapping, got 'REF_energy'"),
    ],
)
def test_bad_keys(keys, message):
    with pytest.raises(ValueError, match=message):
        Keys.of(keys)


def test_constraints_are_left_out():
    image = dimer()
    image.set_constraint(FixAtoms([0, 1]))
    np.testing.assert_array_equal(TargetReader().read(image).forces, FORCES)


def test_results_of_a_changed_structure_are_not_used():
    """ASE's rule, also on the way that does not ask ASE."""
    changes = {
        "positions": lambda image: image.positions.__iadd__(0.1),
        "cell": lambda image: image.set_cell([7, 7, 7]),
        "pbc": lambda image: image.set_pbc(False),
        "symbols": lambda image: image.symbols.__setitem__(0, "Au"),
        "moments": lambda image: image.set_initial_magnetic_moments([1.0, 0.0]),
    }
    for change in changes.values():
        image = dimer()
        change(image)
        with pytest.raises(ValueError, match="the atoms were changed after it was computed"):
            read_energy(image, "image")


def test_own_calculators_are_asked_once_a_property():
    """Users attach calculators that compute, which may take hours."""

    class Counted(EMT):
        calls = 0

        def calculate(self, *arguments: Any, **options: Any) -> None:
            type(self).calls += 1
            super().calculate(*arguments, **options)

    image = dimer()
    image.calc = Counted()
    targets = TargetReader(stress=True).read(image)
    assert Counted.calls == 1
    assert targets.energy == image.get_potential_energy()
    np.testing.assert_array_equal(targets.stress, image.get_stress())


def test_calculators_with_rules_of_their_own_are_asked():
    class Shifted(SinglePointCalculator):
        def get_property(self, name: str, *arguments: Any, **options: Any) -> Any:
            return 5.0 if name == "energy" else super().get_property(name, *arguments, **options)

    image = dimer()
    image.calc = Shifted(image, energy=-1.0)
    assert read_energy(image, "image") == 5.0
