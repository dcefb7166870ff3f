"""Neuroevolution potentials: the model, its forces, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation
from torch import Tensor

import amptorch
from amptorch.data.frame import AtomsBatch, AtomsData, collate
from amptorch.data.primes import primes_of
from amptorch.kernels.force_pass import Passed, Scaling
from amptorch.kernels.reference.spherical_expansion import harmonics
from amptorch.potentials.evaluator import Asked, Evaluator
from amptorch.potentials.model import Model
from amptorch.potentials.nep import invariants
from amptorch.potentials.nep.shape import INVARIANTS
from amptorch.potentials.potential import Potential
from amptorch.preprocessing.utils import AtomicCorrectionScaler, TargetScaler

from ...nep import potential_of

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "all_invariants": {"l_max": 4, "invariants": INVARIANTS, "n_max": (2, 1)},
    "no_more": {"l_max": 2, "invariants": ()},
    "version3": {"version": 3},
    "version5": {"version": 5, "neurons": (7, 4)},
    "highest": {"l_max": 8, "invariants": ("222", "1111"), "basis_size": (2, 9)},
}


def images() -> list[Atoms]:
    small = bulk("CuPd", "cesiumchloride", a=3.0)
    slab = bulk("Cu", cubic=True) * (2, 1, 1)
    slab.numbers[1] = 46
    slab.pbc = (True, True, False)
    cluster = Atoms("Cu2PdCu", [(0, 0, 0), (2.2, 0, 0), (0, 2.4, 0.3), (9, 9, 9)])
    for k, image in enumerate((small, slab, cluster)):
        image.rattle(0.1, seed=k)
    return [small, slab, cluster]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_pass_is_what_the_stages_give(shape: str, dtype: torch.dtype) -> None:
    potential = potential_of(("Pd", "Cu"), dtype, **SHAPES[shape])
    wanted = Evaluator(potential_of(("Pd", "Cu"), torch.float64, **SHAPES[shape])).evaluate(
        images(), Asked(True, descriptors=True)
    )
    if dtype == torch.float32:
        potential.model.load_state_dict(
            potential_of(("Pd", "Cu"), torch.float64, **SHAPES[shape]).model.state_dict()
        )
    assert potential.evaluator.force_call() is not None
    found = potential.predict(images())
    tolerance = 1e-11 if dtype == torch.float64 else 2e-4
    for one, other in ((found.energies, wanted.energies), (found.forces, wanted.forces)):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_of_training_is_what_autograd_gives(shape: str, dtype: torch.dtype) -> None:
    potential = potential_of(("Pd", "Cu"), dtype, **SHAPES[shape])
    model, batch = potential.model, batch_of(potential, dtype)

    def results(of: Any) -> list[Tensor]:
        model.zero_grad()
        energies, slopes = of(batch, True)
        forces, virials = batch.primes.forces_and_virials(slopes, batch.batch, batch.num_graphs)
        loss = (energies**2).sum() + (forces**3).sum() + virials[:, 0, 1].sum()
        loss.backward()
        gradients = torch.cat([each.grad.flatten() for each in model.in_order()])
        return [energies.detach(), slopes.detach(), gradients]

    found = results(model.atomic_energies_and_gradient)
    wanted = results(lambda *inputs: Model.atomic_energies_and_gradient(model, *inputs))
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    for one, other in zip(found, wanted, strict=True):
        largest = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * largest)


def batch_of(potential: Potential, dtype: torch.dtype) -> AtomsBatch:
    data = []
    for image in images():
        environment = potential.descriptor.environment(image).to(dtype)
        fingerprint = potential.descriptor.fingerprints(environment)
        data.append(
            AtomsData(
                fingerprint=fingerprint,
                atomic_numbers=torch.from_numpy(image.numbers),
                num_nodes=len(image),
                energy=torch.zeros((), dtype=dtype),
                primes=primes_of(potential.descriptor, environment, fingerprint),
            )
        )
    return collate(data)


def test_gradients_do_not_depend_on_threads() -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64)
    model, batch = potential.model, batch_of(potential, torch.float64)
    gradients = []
    for each in (1, 3):
        torch.set_num_threads(each)
        try:
            energies, slopes = model.atomic_energies_and_gradient(batch, True)
            found = torch.autograd.grad(energies.sum() + (slopes**2).sum(), list(model.in_order()))
        finally:
            torch.set_num_threads(1)
        gradients.append(torch.cat([part.flatten() for part in found]))
    assert torch.equal(*gradients)


@pytest.mark.parametrize("shape", ["all_invariants", "highest", "version5"])
def test_forces_are_slopes_of_the_energy(shape: str) -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64, **SHAPES[shape])
    image = images()[1]
    direction = np.random.default_rng(1).normal(size=(len(image), 3))
    ahead, behind = image.copy(), image.copy()
    ahead.positions += 1e-5 * direction
    behind.positions -= 1e-5 * direction
    energies = potential.predict([ahead, behind], ["energy"]).energy
    slope = -(potential.predict([image]).forces[0] * direction).sum()
    assert (energies[0] - energies[1]) / 2e-5 == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("shape", ["all_invariants", "highest"])
def test_energies_do_not_change_when_all_is_turned(shape: str) -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64, **SHAPES[shape])
    image = images()[2]
    turned = image.copy()
    turned.positions @= Rotation.random(random_state=4).as_matrix()
    energies = potential.predict([image, turned], ["energy"]).energy
    assert energies[0] == pytest.approx(energies[1], rel=1e-12)


def test_threads_do_not_change_a_bit() -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64)
    environment = potential.descriptor.environment(images()[1])
    call = potential.model.force_pass(
        potential.descriptor,
        _unscaled(potential),
        torch.from_numpy(potential.descriptor.element_indices),
    )
    assert call is not None

    def run() -> Passed:
        return call.run(environment, True)

    one = run()
    torch.set_num_threads(3)
    try:
        several = run()
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one.energies, several.energies)
    assert torch.equal(one.gradients, several.gradients)


def _unscaled(potential: Potential) -> Any:
    ones = torch.ones(2, potential.descriptor.n_features, dtype=torch.float64)
    return Scaling(ones, 0 * ones, ones, ones)


def test_the_vector_is_in_the_order_of_the_file() -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64)
    model, shape = potential.model, potential.model.shape
    values = torch.arange(model.num_params, dtype=torch.float64)
    model.set_vector(values)
    assert torch.equal(model.vector(), values)
    n, width = shape.n_descriptors, shape.neurons[0]
    assert model.networks[1].weights[0][0, 0] == (n + 2) * width
    assert model.constant == 2 * (n + 2) * width
    assert model.radial[0, 1, 0, 1] == model.constant + 1 + 4 + 1
    with pytest.raises(ValueError, match=r"^values: expected \["):
        model.set_vector(values[1:])


@pytest.mark.parametrize("version", [4, 5])
def test_export_holds_scales_and_energies_of_elements(version: int, tmp_path: Path) -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64, version=version)
    potential.scalers["target"] = TargetScaler.of(0.0, 0.7)
    energies = {46: -3.1, 29: -2.2}
    potential.scalers["baseline"] = AtomicCorrectionScaler.from_settings(energies)
    potential.export(tmp_path / "nep.txt", "nep")
    found = amptorch.load(tmp_path / "nep.txt")
    for one, other in zip(
        found.predict(images()).forces, potential.predict(images()).forces, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        found.predict(images()).energy, potential.predict(images()).energy, rtol=0, atol=1e-5
    )


def test_export_refuses_what_the_file_cannot_hold(tmp_path: Path) -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64)
    potential.scalers["target"] = TargetScaler.of(-3.0, 0.7)
    with pytest.raises(ValueError, match=r"^nep.txt: holds no mean of the energies"):
        potential.export(tmp_path / "nep.txt", "nep")


REST = ["n_max 4 4", "basis_size 4 4", "l_max 4 2", "ANN 5 0"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nep4_charge1 1 Cu"], r"expected one of nep3, .* got 'nep4_charge1'"),
        (["nep4 2 Cu"], "expected 2 elements in line 1"),
        (["nep4 1 Cu", "n_max 4 4"], "expected 'cutoff' in line 2"),
        (
            ["nep4 1 Cu", "cutoff 5 4 3 2 1", *REST],
            "expected 2 or 2 cutoffs, got 3",
        ),
        (["nep4 1 Cu", "cutoff 5 4 9 9"], "the file ends within its header"),
    ],
)
def test_errors_of_files(lines: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "nep.txt").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        amptorch.load(tmp_path / "nep.txt")


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    potential_of(("Cu",), torch.float64).export(tmp_path / "nep.txt", "nep")
    text = (tmp_path / "nep.txt").read_text()
    (tmp_path / "nep.txt").write_text(text[:-40])
    with pytest.raises(ValueError, match=r"expected \d+ numbers after the header, got \d+"):
        amptorch.load(tmp_path / "nep.txt")


@pytest.mark.parametrize("name", [each for each in INVARIANTS if each != "1111"])
def test_invariants_of_complex_sums(name: str) -> None:
    """They do not change when all is turned, which only 3j symbols do."""
    units = torch.nn.functional.normalize(torch.randn(6, 3, dtype=torch.float64), dim=1)
    turn = torch.from_numpy(Rotation.random(random_state=2).as_matrix())
    sums = [harmonics(each, 4)[:, 1:].sum(0) for each in (units, units @ turn)]
    one, other = (invariants.values(each, 4, (name,)) for each in sums)
    assert one[-1].abs() > 1e-6
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
