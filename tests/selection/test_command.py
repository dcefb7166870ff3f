"""``amptorch select``: samples, report, the chosen set in a training, and going on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from amptorch.cli import main
from amptorch.data.targets import TargetReader
from amptorch.descriptor import construct_descriptor
from amptorch.selection import command
from amptorch.selection.gathering import gathered
from amptorch.selection.pool import POOLS, Pool
from amptorch.selection.samples import scaled

SMALL = {
    "fp_scheme": "gaussian",
    "fp_params": {
        "default": {
            "cutoff": 4.0,
            "functions": [
                {"type": "G2", "eta": [0.0, 0.5, 2.0], "rs": 0},
                {"type": "G2", "eta": 4.0, "rs": {"linspace": [1.5, 3.5, 5]}},
                {"type": "G5", "eta": [0, 0.1], "zeta": 1, "lambda": [1, -1]},
            ],
        }
    },
}
FEW = [
    "--seeds",
    "2",
    "--epochs",
    "2",
    "--hidden",
    "4",
    "--force-atoms",
    "2",
    "--keep",
    "4",
    "--quiet",
]


def frames(symbols: str = "Cu", n: int = 12) -> list[Atoms]:
    made = []
    for seed in range(n):
        image = bulk("Cu", cubic=True)
        image.symbols[: len(symbols) // 2] = symbols[2:] or "Cu"
        image.rattle(0.1, seed=seed)
        image.calc = EMT()
        results = {key: image.calc.get_property(key, image) for key in ("energy", "forces")}
        image.calc = SinglePointCalculator(image, **results)
        made.append(image)
    return made


def test_pools_have_as_many_functions_as_they_say():
    images = [bulk("Al", cubic=True)]
    pool = Pool.of("thesis", images)
    assert len(pool) == 329
    table = pool.descriptor.descriptor_setup["Al"]
    shells = table[(table[:, 0] == 2) & (table[:, 5] > 0)]
    assert len(shells) == 68
    np.testing.assert_allclose(shells[:, 4:6], [[1.85, r] for r in np.linspace(0.05, 6.8, 68)])
    about = table[(table[:, 0] == 2) & (table[:, 5] == 0)]
    np.testing.assert_allclose(about[:, 4], np.linspace(0, 2, 201), atol=1e-15)
    assert (table[:, 0] == 5).sum() == 60
    assert (table[:, 3] == 6.8).all()
    assert set(POOLS) == {"auto", "thesis"}
    assert pool.part([]) is pool.section([329]) is None  # noise alone
    assert pool.part([0, 200, 328]).n_features == 3


@pytest.mark.parametrize("scheme", ["gaussian", "snap"])
def test_slopes_are_those_of_the_summed_fingerprints(scheme):
    """Against finite differences of all atoms' fingerprints, in a cell so small that neighbours are
    images of one another; two elements, whose functions are partly the same."""
    images = frames("CuAu", 2)
    given = SMALL
    if scheme == "snap":
        given = {"fp_scheme": "snap", "fp_params": {"rcutfac": 4.0, "twojmax": 2}}
    pool = Pool.of(given, images)
    samples = gathered(images, pool, TargetReader(), 2, 0)
    assert samples.sizes.tolist() == [4.0, 4.0]
    forces = torch.cat([torch.from_numpy(image.get_forces()) for image in images]).float()
    assert torch.isin(samples.forces, forces).all()
    for place in range(4):  # two atoms of each image
        image = images[place // 2]
        k = int(
            (torch.from_numpy(image.get_forces()).float() == samples.forces[place]).all(1).nonzero()
        )
        slopes = torch.zeros(4, len(pool), 3).index_add(
            0,
            samples.rows[samples.moved == place] - 4 * (place // 2),
            samples.slopes[samples.moved == place],
        )
        ends = []
        for h in (1e-4, -1e-4):
            moved = image.copy()
            moved.positions[k, 1] += h
            environment = pool.descriptor.environment(moved)
            found = torch.zeros(4, len(pool), dtype=torch.float64)
            values = pool.descriptor.fingerprints(environment)
            for atom, species in enumerate(environment.species.tolist()):
                there = pool.places[species] >= 0
                found[atom, pool.places[species][there]] = values[atom, there]
            ends.append(found)
        by_hand = ((ends[0] - ends[1]) / 2e-4).float()
        torch.testing.assert_close(slopes[..., 1], by_hand, rtol=1e-5, atol=1e-5)


def test_energies_of_elements_and_widths_are_those_of_training_frames():
    images = frames("CuAu", 6)
    raw = gathered(images, Pool.of(SMALL, images), TargetReader(), 2, 0)
    ready = scaled(raw, torch.arange(4), 2)
    known = ready.features[ready.frames < 4]
    varies = known.abs().amax(0) > 0
    torch.testing.assert_close(known.mean(0), torch.zeros(len(varies)), atol=1e-5, rtol=0)
    torch.testing.assert_close(known.std(0, correction=0)[varies], torch.ones(int(varies.sum())))
    assert ready.scale == pytest.approx(float(raw.forces[:8].square().mean().sqrt()))
    of_energy = (ready.energies[:4] * ready.scale / 4).double()
    assert ready.weight == pytest.approx(float(ready.scale**2 / of_energy.square().mean()))


def test_a_study_writes_a_set_that_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("data.extxyz", frames())
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(SMALL))
    methods = "random,backward,cur,forest"
    arguments = ["select", "data.extxyz", "--pool", "pool.yaml", "--methods", methods, *FEW]
    assert main([*arguments, "--noise", "1"]) == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "selected" / "report.json").read_text())
    assert list(report["methods"]) == methods.split(",")
    chosen = report["chosen"]
    assert f"chosen by {chosen['method']}" in said
    assert chosen["size"] <= 4 == report["settings"]["keep"]
    page = (tmp_path / "selected" / "report.html").read_text()
    for name in (*methods.split(","), "kept", "radial", "angular"):
        assert f">{name}<" in page or f'id="{name}"' in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")

    section = yaml.safe_load((tmp_path / "selected" / "chosen.yaml").read_text())["dataset"]
    setup = (section["fp_scheme"], section["fp_params"], section["cutoff_params"], ["Cu"])
    own = [place for place in chosen["kept"] if place < 12]
    assert [report["functions"][place] for place in own] == construct_descriptor(setup).names_of(
        "Cu"
    )
    few = ["--set", "optim.epochs=1", "--no-plots", "--quiet"]
    assert main(["train", "selected/chosen.yaml", "data.extxyz", *few]) == 0

    # Neither fingerprints nor networks are made again.
    monkeypatch.setattr(command, "gathered", None)
    monkeypatch.setattr(command.Material, "on", None)
    assert main([*arguments, "--noise", "1"]) == 0
    again = json.loads((tmp_path / "selected" / "report.json").read_text())
    assert again["methods"].keys() == report["methods"].keys()
    assert again["chosen"]["kept"] == chosen["kept"]
    assert main([*arguments, "--seed", "1"]) == 1
    assert "is of another study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--methods", "lasonet"], "did you mean 'lassonet'"),
        (["--keep", "12"], "keep: expected less than the 12 of the pool, got 12"),
        (["--sizes", "5,6"], "sizes: expected one of at most keep, 4, got [5, 6]"),
        (["--seeds", "1"], "expected seeds to be an integer >= 2, got 1"),
        (["--pool", "thesys"], "--pool: file not found: thesys"),
        (["--frames", "5"], "data: expected at least 10 frames, got 5"),
    ],
)
def test_errors_say_what_was_expected(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("data.extxyz", frames())
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(SMALL))
    assert main(["select", "data.extxyz", "--pool", "pool.yaml", *FEW, *arguments]) in (1, 2)
    assert said in capsys.readouterr().err
