"""``finetune`` with elements that a potential does not know."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch

import amptorch
from amptorch import AtomsTrainer
from amptorch.cli import main
from amptorch.cli.added_elements import write_extended
from amptorch.files.checkpoint import torch_load

from ..made_potentials import GAUSSIAN, GMP_ORDER_NORM, alloy_frames, cuco_frames, trained

pytestmark = [
    pytest.mark.filterwarnings("ignore:extrapolation"),
    pytest.mark.filterwarnings("ignore:energies will not add up"),
]

FIXED = {"element_mask": "fixed"}
LINEAR = {"baseline": "linear", "scaling": {"type": "standardize"}}
WEIGHTED = {"auto": {"size": "small", "cutoff": 5.0, "weighted": True}}
CASES = {
    "auto": {"model": FIXED, "dataset": {**LINEAR, "fp_params": {"auto": {"size": "small"}}}},
    "weighted": {"model": FIXED, "dataset": {**LINEAR, "fp_params": WEIGHTED}},
    # One scale for all elements; functions that Pd does not have are scaled to constants.
    "the original's": {
        "model": FIXED,
        "dataset": {
            "fp_params": {**GAUSSIAN, "Pd": {"G2": GAUSSIAN["default"]["G2"], "cutoff": 5.5}},
            "scaling": {"type": "normalize", "range": (-1, 1), "elementwise": False},
        },
    },
    "multipoles, one network": {
        "model": {"name": "singlenn"},
        "dataset": {**LINEAR, "fp_scheme": "gmpordernorm", "fp_params": GMP_ORDER_NORM},
    },
    "multipoles, shares that were trained": {
        "dataset": {**LINEAR, "fp_scheme": "gmpordernorm", "fp_params": GMP_ORDER_NORM},
    },
}


NEP = {
    "model": {"name": "nep", "n_max": [2, 2], "neurons": [5]},
    "optim": {"optimizer": "adam", "epochs": 6, "lr": 0.02, "force_coefficient": 0.1},
    "dataset": {
        "baseline": "linear",
        "fp_scheme": "nep",
        "fp_params": {"cutoff": [[5.0, 4.0], [4.6, 3.8]], "basis_size": [3, 3], "l_max": 3},
    },
}
CASES["nep"] = NEP
CASES["nep, one network"] = {**NEP, "model": {**NEP["model"], "version": 3}}


def trained_on(frames, run_dir, case):
    if "optim" not in case:
        return trained(frames, run_dir, **case).cp_dir
    dataset = {**case["dataset"], "raw_data": frames}
    cmd = {"run_dir": str(run_dir), "verbose": False, "seed": 0}
    trainer = AtomsTrainer({**case, "dataset": dataset, "cmd": cmd})
    trainer.train()
    return trainer.cp_dir


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_old_frames_keep_energies_and_forces(run_dir, case):
    """To rounding, in float64."""
    old, new = alloy_frames(5), cuco_frames(4)
    run = trained_on(old, run_dir, case)
    (run_dir / "more").mkdir()
    elements = ["C", "Cu", "O", "Pd"]
    write_extended(Path(run), [*new, *old], elements, "fast", run_dir / "more")
    before, after = amptorch.load(run), amptorch.load(run_dir / "more")
    one, two = before.predict(old), after.predict(old)
    np.testing.assert_allclose(two.energies, one.energies, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(two.forces, one.forces, rtol=1e-11, atol=1e-12)
    assert after.elements == elements
    if after.descriptor.scheme == "gaussian":
        assert after.descriptor.n_features >= before.descriptor.n_features
    found = after.predict(new)
    assert np.isfinite(found.energy).all()
    assert np.abs(found.forces).max() > 0
    if "baseline" in before.scalers:
        energies = [each.scalers["baseline"].energies for each in (before, after)]
        assert energies[0].items() < energies[1].items()
        rest = [frame.get_potential_energy() for frame in new]
        sums = after.scalers["baseline"].evaluate(new).energy
        assert abs(np.mean(rest - sums)) < 0.5 * abs(np.mean(rest))


def test_functions_and_scales_of_old_ones_stay(run_dir):
    case = CASES["auto"]
    before = trained(alloy_frames(5), run_dir, **case).potential
    run = max((run_dir / "checkpoints").iterdir())
    (run_dir / "more").mkdir()
    write_extended(run, cuco_frames(4), ["C", "Cu", "O", "Pd"], "fast", run_dir / "more")
    after = amptorch.load(run_dir / "more")
    tables = [each.descriptor.descriptor_setup for each in (before, after)]
    for element, number in (("Cu", 29), ("Pd", 46)):
        rows = [row.tolist() for row in tables[1][element]]
        where = [rows.index(row.tolist()) for row in tables[0][element]]
        others = [row for k, row in enumerate(rows) if k not in where]
        assert all({row[1], row[2]} & {6.0, 8.0} for row in others)
        scales = [e.scalers["feature"].affine(torch.tensor([number])) for e in (before, after)]
        for one, two in zip(*scales, strict=True):
            torch.testing.assert_close(two[0, where], one[0, : len(where)], rtol=0, atol=0)
    assert len(tables[1]["Cu"]) > len(tables[0]["Cu"])
    assert {row[1] for row in tables[1]["C"]} == {8.0, 29.0}


def test_the_command(run_dir, capsys):
    few = ("--no-plots", "--quiet", "--set", "optim.epochs=3")
    ase.io.write("a.extxyz", alloy_frames(12))
    ase.io.write("new.extxyz", cuco_frames(6))
    one = ("--set", "cmd.run_dir=made", "--set", "model.members=1")
    assert main(["train", "a.extxyz", *few, *one]) == 0
    (run,) = (run_dir / "made" / "checkpoints").iterdir()
    again = ["finetune", str(run), "new.extxyz", "--old", "a.extxyz", *few]
    assert main([*again, "--freeze", "1"]) == 0
    assert "new elements: C, O, beside Cu, Pd" in capsys.readouterr().out
    (made,) = (run_dir / "checkpoints").iterdir()
    start = {name: torch_load(each / "params.pt") for name, each in (("0", run), ("1", made))}
    # Networks are in the order of the elements: C, Cu, O, Pd.
    first = [
        start[which][f"elementwise_models.{network}.model_net.0.weight"]
        for which, network in (("0", 0), ("1", 1))
    ]
    assert first[0].abs().sum() == pytest.approx(float(first[1].abs().sum()), rel=1e-6)
    found = amptorch.load(made).predict(cuco_frames(2))
    assert np.isfinite(found.forces).all()
    # It is a run like others.
    assert main(["evaluate", str(made), "new.extxyz", "--no-plots", "--out", "e"]) == 0
    assert main(["finetune", str(made), "new.extxyz", *few]) == 0


def test_neps_are_trained_further_by_their_rules(run_dir, capsys):
    few = ("--no-plots", "--quiet", "--set", "optim.epochs=20")
    ase.io.write("a.extxyz", alloy_frames(6))
    ase.io.write("new.extxyz", cuco_frames(4))
    nep = ("--potential", "nep", "--set", "cmd.run_dir=made", "--set", "model.neurons=[5]")
    assert main(["train", "a.extxyz", *few, *nep]) == 0
    (run,) = (run_dir / "made" / "checkpoints").iterdir()
    assert main(["finetune", str(run), "new.extxyz", *few]) == 0
    (made,) = (run_dir / "checkpoints").iterdir()
    optim = torch_load(made / "config.pt")["optim"]
    assert optim["lr"] == pytest.approx(0.003)
    assert amptorch.load(made).elements == ["C", "Cu", "O", "Pd"]
    capsys.readouterr()
    assert main(["finetune", str(run), "new.extxyz", *few, "--freeze", "1"]) != 0
    assert "expected networks, got a Nep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ({}, "expected a model 'bpnn' with element_mask 'fixed', got BPNN with element_mask"),
        ({"model": {"name": "singlenn"}}, "with element_mask 'fixed', got SingleNN"),
    ],
)
def test_what_shares_networks_cannot(run_dir, capsys, case, text):
    run = trained(alloy_frames(4), run_dir, **case).cp_dir
    ase.io.write("new.extxyz", cuco_frames(3))
    assert main(["finetune", str(run), "new.extxyz", "--quiet", "--no-plots"]) == 1
    assert text in capsys.readouterr().err
