"""Files of ACE: by hand, and there and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

import amptorch
from amptorch.potentials.ace.files.contents import Contents
from amptorch.potentials.ace.functions import Function
from amptorch.potentials.ace.invariants import with_invariants

from ...ace import potential_of
from ...tolerances import ROUND_TRIP
from . import golden

# A dimer at half the cutoff: g = (1/4, 3/4), R_11 = 1/4 1/4 - 3/4.
TOY = """\
elements: [Cu]
E0: [-1.0]
deltaSplineBins: 0.001
embeddings:
  0: {ndensity: 1, FS_parameters: [1, 1], npoti: FinnisSinclairShiftedScaled, rho_core_cutoff: 100000, drho_core_cutoff: 250}
bonds:
  [0, 0]: {nradmax: 1, lmax: 1, nradbasemax: 2, radbasename: ChebLinear, radparameters: [1], radcoefficients: [[[1, 0.5], [0.25, -1]]], prehc: 0, lambdahc: 1, rcut: 4, dcut: 0.01}
functions:
  0:
    - {mu0: 0, rank: 1, ndensity: 1, num_ms_combs: 1, mus: [0], ns: [2], ls: [0], ms_combs: [0], ctildes: [0.3]}
    - {mu0: 0, rank: 2, ndensity: 1, num_ms_combs: 2, mus: [0, 0], ns: [1, 1], ls: [1, 1], ms_combs: [0, 0, 1, -1], ctildes: [-0.2, 0.4]}
"""


def written(tmp_path, text):
    path = tmp_path / "toy.yace"
    path.write_text(text)
    return path


def test_a_potential_by_hand(tmp_path):
    dimer = Atoms("Cu2", [(0, 0, 0), (1.2, 0, 1.6)])
    found = amptorch.load(written(tmp_path, TOY)).predict([dimer])
    by_hand = 2 * (-1 + 0.3 * 0.75 - 0.2 * 3 * 0.6875**2)
    assert found.energy[0] == pytest.approx(by_hand, abs=1e-14)
    along = 0.2109375 * dimer.positions[1] / 2
    np.testing.assert_allclose(found.forces[0][1], along, atol=1e-14)


@pytest.mark.parametrize("case", ["alni_zbl--alni_4", "hopt_mixed--water_dimer"])
@pytest.mark.parametrize(("name", "to"), [("x.yace", "yace"), ("x.yaml", "ace-yaml")])
def test_there_and_back(case, name, to, tmp_path):
    golden.index()
    (file,) = [each for each in golden.files(case) if each.endswith(".yaml")]
    potential = amptorch.load(golden.FOLDER / file)
    potential.export(tmp_path / name, to)
    again = amptorch.load(tmp_path / name)
    frame = golden.frame(golden.arrays(case))
    one, other = (each.predict([frame]) for each in (potential, again))
    assert other.energy[0] == pytest.approx(one.energy[0], rel=ROUND_TRIP)
    np.testing.assert_allclose(other.forces[0], one.forces[0], rtol=0, atol=1e-12)
    again.export(tmp_path / f"again-{name}", to)
    assert (tmp_path / f"again-{name}").read_text() == (tmp_path / name).read_text()


def test_a_saved_potential_is_the_same(tmp_path):
    golden.index()
    potential = amptorch.load(golden.FOLDER / "mo_chebpow_core.yace")
    potential.save(tmp_path / "potential.amptorch")
    again = amptorch.load(tmp_path / "potential.amptorch")
    frame = golden.frame(golden.arrays("mo_chebpow_core--mo_2"))
    one, other = (each.predict([frame]) for each in (potential, again))
    assert other.energy[0] == one.energy[0]
    np.testing.assert_array_equal(other.forces[0], one.forces[0])


def in_products(contents):
    """The same potential as a file for evaluation has it, some products as their conjugates."""
    functions, values = [], []
    for own, numbers in zip(contents.functions, contents.coefficients, strict=True):
        sums = {}
        for each, c in zip(own, numbers, strict=True):
            for place, (ms, weight) in enumerate(each.products().items()):
                turned = ms if place % 2 else tuple(-m for m in ms)
                key = Function(*each.group, None, turned)
                sums[key] = sums.get(key, 0.0) + weight * c
        functions.append([*sums])
        values.append(np.array([*sums.values()]))
    return replace(contents, functions=functions, coefficients=values)


@pytest.mark.parametrize(("elements", "functions"), [(("Si",), 300), (("Cl", "Na"), 120)])
def test_invariants_are_found_again_in_products(elements, functions):
    potential = potential_of({"n_radial": 15}, elements=elements, functions=functions)
    contents = Contents.of(potential)
    again = with_invariants(in_products(contents))
    assert with_invariants(contents) is contents
    for one, other, before, after in zip(
        contents.functions, again.functions, contents.coefficients, again.coefficients, strict=True
    ):
        found = dict(zip(other, after, strict=True))
        assert {*found} == {*one}
        expected = np.abs(before).max()
        for each, values in zip(one, before, strict=True):
            np.testing.assert_allclose(found[each], values, rtol=0, atol=1e-10 * expected)
    product = replace(
        contents, functions=[[Function((0,), (1,), (1,), None, (1,))]] * len(elements)
    )
    product = replace(product, coefficients=[np.ones((1, 2))] * len(elements))
    with pytest.raises(ValueError, match="no invariants"):
        with_invariants(product)


def test_what_a_yaml_cannot_hold_is_said(tmp_path):
    golden.index()
    for file, match in (("hopt_mixed_e0.yace", "no energies"), ("alni_zbl.yace", "invariants")):
        with pytest.raises(ValueError, match=match):
            amptorch.load(golden.FOLDER / file).export(tmp_path / "x.yaml", "ace-yaml")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("ChebLinear", "Polynomial", "radbasename"),
        ("rcut: 4,", "", "rcut"),
        ("nradmax: 1", "nradmax: 2", "radcoefficients"),
        ("FS_parameters: [1, 1]", "FS_parameters: [1]", "FS_parameters"),
        ("[0, 0]: {nrad", "[1, 1]: {nrad", "all pairs"),
        ("functions:", "functions: [", "not YAML"),
    ],
)
def test_errors_say_where(old, new, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        amptorch.load(written(tmp_path, TOY.replace(old, new)))
