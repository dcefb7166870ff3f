"""The descriptor "snap", from the configuration that a user writes to the numbers of LAMMPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch import AmpTorch, AtomsTrainer
from amptorch.descriptor import Snap, construct_descriptor
from amptorch.kernels import pair_jacobian
from amptorch.potentials.potential import Potential
from amptorch.store import build_store, open_store

from ..snap import Golden, golden_cases
from ..tolerances import GOLDEN_FINGERPRINT


def assert_golden(actual: Any, wanted: Any) -> None:
    """Relative to the largest number of an array, at least 1."""
    largest = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(
        np.asarray(actual), wanted, rtol=0, atol=GOLDEN_FINGERPRINT * largest
    )


@pytest.mark.parametrize("golden", golden_cases())
def test_components_and_derivatives(golden: Golden) -> None:
    descriptor = construct_descriptor(("snap", golden.fp_params, None, golden.elements))
    environment = descriptor.environment(golden.atoms)
    features, blocks = descriptor.jacobian(environment)
    assert_golden(features, golden.arrays["bispectrum"])
    assert torch.equal(features, descriptor.fingerprints(environment))

    n_atoms, n_features = features.shape
    ones = torch.ones_like(features)
    matrix = pair_jacobian.to_sparse(environment, blocks, descriptor.touch, ones).to_dense()
    slopes = matrix.view(n_atoms, n_features, n_atoms, 3)  # dB_i/dr_n
    for element in range(len(golden.elements)):
        own = slopes[environment.species == element].sum(0)
        wanted = golden.arrays["dbispectrum"][:, element]
        assert_golden(-own.permute(1, 2, 0), wanted)


@pytest.mark.parametrize("golden", golden_cases())
def test_energies_and_forces(golden: Golden) -> None:
    descriptor = Snap(golden.fp_params, golden.elements)
    environment = descriptor.environment(golden.atoms)
    features = descriptor.fingerprints(environment)
    energies, slopes = golden.energies_and_slopes(features.numpy())
    assert_golden(energies.sum(), golden.arrays["energy"])
    if "forces" not in golden.arrays:
        return  # those of LAMMPS are not the slope of its energy here
    pulled = descriptor.vjp(environment, torch.from_numpy(slopes))
    assert_golden(pair_jacobian.forces(environment, pulled), golden.arrays["forces"])
    assert_golden(-pair_jacobian.virials(environment, pulled).sum(0), golden.arrays["virial"])


@pytest.mark.parametrize("golden", golden_cases()[-1:])
def test_components_of_a_data_set(golden: Golden, tmp_path: Path) -> None:
    image = golden.atoms
    image.calc = SinglePointCalculator(image, energy=1.0)
    parameters = golden.fp_params
    given = config([image], tmp_path, parameters, forces=False, elements=golden.elements)
    trainer = AtomsTrainer(given)
    trainer.load_dataset()
    data = trainer.train_dataset[0]
    factors, shifts = trainer.feature_scaler.affine(data.atomic_numbers)
    assert_golden((data.fingerprint - shifts) / factors, golden.arrays["bispectrum"])


PARAMETERS = {"rcutfac": 4.0, "twojmax": 4, "radelem": {"Cu": 0.5, "Pd": 0.55}, "wj": [1.0, 0.9]}
CHEMICAL = {**PARAMETERS, "twojmax": 2, "chemflag": 1}


def frames(n: int) -> list[Atoms]:
    random, images = np.random.default_rng(1), []
    for _ in range(n):
        atoms = bulk("Cu", cubic=True, a=3.7)
        atoms.symbols[0] = "Pd"
        atoms.positions += random.normal(0, 0.1, atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    return images


def config(
    images: list[Atoms], folder: Path, parameters: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    return {
        "model": {"num_layers": 1, "num_nodes": 4, "get_forces": changes.pop("forces", True)},
        "optim": {"lr": 0.01, "epochs": 3, "batch_size": 4, "force_coefficient": 0.1},
        "dataset": {
            "raw_data": images,
            "fp_scheme": "snap",
            "fp_params": parameters,
            "save_fps": False,
            **changes,
        },
        "cmd": {"seed": 1, "run_dir": str(folder), "verbose": False, "dtype": "torch.DoubleTensor"},
    }


@pytest.mark.filterwarnings("ignore:extrapolation")
@pytest.mark.parametrize("parameters", [PARAMETERS, CHEMICAL], ids=["plain", "chemical"])
@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_a_network_trains_and_its_forces_are_slopes(
    parameters: dict[str, Any], derivatives: str, tmp_path: Path
) -> None:
    images = frames(6)
    trainer = AtomsTrainer(config(images, tmp_path, parameters, derivatives=derivatives))
    trainer.train()
    atoms = images[0].copy()
    atoms.calc = AmpTorch(trainer)
    forces = atoms.get_forces()
    direction = np.random.default_rng(4).normal(size=forces.shape)
    energies = []
    for step in (1e-4, -1e-4):
        moved = atoms.copy()
        moved.positions += step * direction
        moved.calc = atoms.calc
        energies.append(moved.get_potential_energy())
    slope = (energies[0] - energies[1]) / 2e-4
    assert slope == pytest.approx(-(forces * direction).sum(), rel=1e-5, abs=1e-7)

    trainer.potential.save(tmp_path / "potential.pt")
    loaded = Potential.load(tmp_path / "potential.pt")
    assert loaded.descriptor == trainer.potential.descriptor
    np.testing.assert_array_equal(loaded.predict(images).energy, trainer.predict(images)["energy"])


def test_store(tmp_path: Path) -> None:
    images = frames(2)
    descriptor = Snap(CHEMICAL, ["Cu", "Pd"])
    build_store(images, tmp_path / "a.lmdb", descriptor, processes=1, verbose=False).close()
    store = open_store(tmp_path / "a.lmdb")
    found = store[1].fingerprint
    store.close()
    wanted = descriptor.fingerprints(descriptor.environment(images[1]))
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=1e-6)


def test_what_fixes_fingerprints_is_in_the_hash() -> None:
    base = Snap(PARAMETERS, ["Cu", "Pd"])
    as_lists = {**PARAMETERS, "radelem": [0.5, 0.55], "bzeroflag": True, "rmin0": 0}
    assert Snap(as_lists, ["Cu", "Pd"]) == base
    changes: list[dict[str, Any]] = [
        {"twojmax": 5},
        {"rcutfac": 4.1},
        {"rmin0": 0.1},
        {"rfac0": 0.9},
        {"wj": 1.0},
        {"radelem": 0.5},
        {"switchflag": 0},
        {"bzeroflag": 0},
        {"bnormflag": 1},
        {"chemflag": 1},
        {"switchinnerflag": 1, "sinner": 1.0, "dinner": 0.5},
    ]
    hashes = {Snap({**PARAMETERS, **each}, ["Cu", "Pd"]).descriptor_setup_hash for each in changes}
    assert len(hashes | {base.descriptor_setup_hash}) == len(changes) + 1
    assert (
        Snap({**PARAMETERS, "wselfallflag": 1}, ["Cu", "Pd"]) == base
    )  # of use with chemflag only


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twojmx": 4}, "fp_params: unknown key 'twojmx'; did you mean 'twojmax'"),
        ({"twojmax": None}, "expected twojmax to be an integer from 0 to 14, got None"),
        ({"twojmax": 15}, "expected twojmax to be an integer from 0 to 14, got 15"),
        ({"rcutfac": 0.0}, "expected rcutfac to be a number > 0, got 0.0"),
        ({"rcutfac": None}, "expected rcutfac to be a number > 0, got None"),
        ({"rmin0": 4.5}, "expected rmin0 to be under the smallest cutoff, 4 Å, got 4.5"),
        ({"rmin0": -0.1}, "expected rmin0 to be a number >= 0, got -0.1"),
        ({"rfac0": "1"}, "expected rfac0 to be a number > 0, got '1'"),
        ({"bzeroflag": 2}, "expected bzeroflag to be 0 or 1, got 2"),
        ({"radelem": {"Cu": 0.5}}, "expected radelem of Pd to be a number > 0, got None"),
        ({"radelem": {"Fe": 0.5}}, "fp_params: radelem: unknown key 'Fe'; known: 'Cu', 'Pd'"),
        ({"wj": [1.0]}, r"expected wj to have a number for each of Cu, Pd, got \[1.0\]"),
        ({"sinner": 1.0}, "sinner is of no use without switchinnerflag: 1"),
        ({"switchinnerflag": 1}, "expected sinner of Cu to be a number >= 0, got None"),
        ({"quadraticflag": 1}, "fp_params: unknown key 'quadraticflag'"),
    ],
)
def test_errors_name_the_parameter(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Snap({**PARAMETERS, **changes}, ["Cu", "Pd"])
