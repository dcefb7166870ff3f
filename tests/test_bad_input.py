"""Bad settings give one error that names what, where, expected and found, and write nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.descriptor.Gaussian import GaussianDescriptorSet
from amptorch.preprocessing import AtomsToData

from .made_potentials import GAUSSIAN, GMP, GMP_ORDER_NORM, config, cuco_frames, listing, trained

pytestmark = pytest.mark.usefixtures("run_dir")

G2 = GAUSSIAN["default"]["G2"]
GRID = GMP_ORDER_NORM["MCSHs"]
SETTINGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no parameters": ("dataset", {"fp_params": None}, "fp_params: expected descriptor parameters"),
    "empty parameters": ("dataset", {"fp_params": {}}, "fp_params: expected descriptor parameters"),
    "no function": (
        "dataset",
        {"fp_params": {"default": {"cutoff": 5.0}}},
        "fp_params: expected at least one symmetry function, found none",
    ),
    "no entry of an element": (
        "dataset",
        {"fp_params": {"Cu": GAUSSIAN["default"]}},
        "fp_params: no symmetry functions for 'C' and no 'default'; did you mean 'Cu'",
    ),
    "misspelt function": (
        "dataset",
        {"fp_params": {"default": {"G3": G2}}},
        "fp_params of Cu: unknown key 'G3'; did you mean 'G",
    ),
    "misspelt list": (
        "dataset",
        {"fp_params": {"default": {"G2": {"eta": [1.0], "rs_s": [0.0]}}}},
        "fp_params of Cu, G2: unknown key 'eta'; did you mean 'etas'",
    ),
    "missing list": (
        "dataset",
        {"fp_params": {"default": {"G2": {"etas": [1.0]}}}},
        "fp_params of Cu, G2: 'rs_s' is missing",
    ),
    "negative eta": (
        "dataset",
        {"fp_params": {"default": {"G2": {"etas": [-1.0], "rs_s": [0.0]}}}},
        "G2: expected finite parameters and eta >= 0, got eta",
    ),
    "gamma of no sign": (
        "dataset",
        {"fp_params": {"default": {"G4": {"etas": [1.0], "zetas": [1.0], "gammas": [0.5]}}}},
        r"G4: expected zeta >= 1 and gamma \(lambda\) \+1 or -1",
    ),
    "cutoff 0": (
        "dataset",
        {"fp_params": {"default": {**GAUSSIAN["default"], "cutoff": 0}}},
        "cutoff: expected a length > 0 in Å, got 0",
    ),
    "cutoff NaN": (
        "dataset",
        {"fp_params": {"default": {**GAUSSIAN["default"], "cutoff": np.nan}}},
        "cutoff: expected a length > 0 in Å, got nan",
    ),
    "negative cutoff of multipoles": (
        "dataset",
        {"fp_scheme": "gmpordernorm", "fp_params": {**GMP_ORDER_NORM, "cutoff": -1.0}},
        "cutoff: expected a length > 0 in Å, got -1.0",
    ),
    "misspelt key of multipoles": (
        "dataset",
        {"fp_scheme": "gmpordernorm", "fp_params": {"MCSH": GRID}},
        "fp_params: unknown key 'MCSH'; did you mean 'MCSHs'",
    ),
    "order too high": (
        "dataset",
        {"fp_scheme": "gmpordernorm", "fp_params": {"MCSHs": {"orders": [10], "sigmas": [1.0]}}},
        "orders: expected integers from 0 to 9, got 10",
    ),
    "sigma 0": (
        "dataset",
        {"fp_scheme": "gmpordernorm", "fp_params": {"MCSHs": {"orders": [1], "sigmas": [0.0]}}},
        "sigmas: expected widths > 0 in Å, got 0.0",
    ),
    "no probe": (
        "dataset",
        {"fp_scheme": "gmpordernorm", "fp_params": {"cutoff": 5.0}},
        "fp_params: expected at least one order and sigma, found none",
    ),
    "group too high": (
        "dataset",
        {
            "fp_scheme": "gmp",
            "fp_params": {"MCSHs": {"1": {"groups": [2], "sigmas": [1.0]}}},
        },
        "groups: expected 1 to 1 for order 1, got 2",
    ),
    "unknown rs_setup": (
        "dataset",
        {"fp_scheme": "gmp", "fp_params": {**GMP, "rs_setup": {"setup": "scaled"}}},
        "rs_setup: expected setup 'constant' or 'scale', got 'scaled'",
    ),
    "missing pseudodensity": (
        "dataset",
        {"fp_scheme": "gmp", "fp_params": {**GMP, "atom_gaussians": {"Cu": "nowhere.g"}}},
        "atom_gaussians: .*nowhere",
    ),
    "unknown scheme": (
        "dataset",
        {"fp_scheme": "gausian"},
        "fp_scheme: unknown scheme 'gausian'; did you mean 'gaussian'",
    ),
    "unknown cutoff function": (
        "dataset",
        {"cutoff_params": {"cutoff_func": "Cosin"}},
        "cutoff_params: unknown cutoff_func 'Cosin'; did you mean 'cosine'",
    ),
    "gamma of the cutoff function": (
        "dataset",
        {"cutoff_params": {"cutoff_func": "Polynomial", "gamma": 0}},
        "cutoff_params: expected gamma > 0, got 0",
    ),
    "both sources": (
        "dataset",
        {"lmdb_path": ["a.lmdb"]},
        "dataset: expected exactly one of 'raw_data' and 'lmdb_path', got raw_data and lmdb_path",
    ),
    "no source": (
        "dataset",
        {"raw_data": None},
        "dataset: expected exactly one of 'raw_data' and 'lmdb_path', got neither",
    ),
    "missing LMDB file": (
        "dataset",
        {"raw_data": None, "lmdb_path": ["nowhere.lmdb"]},
        r"lmdb_path: file not found: nowhere\.lmdb",
    ),
    "val_split 1": ("dataset", {"val_split": 1}, r"expected val_split in \[0, 1\), got 1"),
    "val_split negative": ("dataset", {"val_split": -0.1}, r"val_split in \[0, 1\), got -0\.1"),
    "val_split of nothing": (
        "dataset",
        {"val_split": 0.1},
        "val_split 0.1 of 4 images leaves no validation part",
    ),
    "unknown val_split_mode": ("dataset", {"val_split_mode": "random"}, "expected val_split_mode"),
    "unknown cache": ("dataset", {"cache": "all"}, "expected cache to be one of"),
    "unknown baseline": (
        "dataset",
        {"baseline": "quadratic"},
        "baseline: unknown name 'quadratic'; known: 'calculator', 'elements', 'linear', 'nep_zbl', 'potential', 'zbl'",
    ),
    "unknown element": ("dataset", {"elements": ["Cu", "Xx"]}, r"elements: .* got \['Cu', 'Xx'\]"),
    "element twice": ("dataset", {"elements": ["Cu", "Cu"]}, "elements: expected distinct"),
    "element missing": (
        "dataset",
        {"elements": ["Cu", "C"]},
        "image 0: holds O, but the descriptor's elements are Cu, C",
    ),
    "unknown scaling": (
        "dataset",
        {"scaling": {"type": "normalise"}},
        "scaling: expected type 'normalize', 'standardize' or 'none', got 'normalise'",
    ),
    "empty range": (
        "dataset",
        {"scaling": {"type": "normalize", "range": (1, 1)}},
        r"scaling: expected range \(lo, hi\) with lo < hi, got \(1, 1\)",
    ),
    "misspelt dataset key": (
        "dataset",
        {"val_splt": 0.1},
        "dataset: unknown key 'val_splt'; did you mean 'val_split'",
    ),
    "misspelt optim key": (
        "optim",
        {"epoch": 3},
        "optim: unknown key 'epoch'; did you mean 'epochs'",
    ),
    "misspelt model key": (
        "model",
        {"num_layer": 3},
        "model: unknown key 'num_layer'; did you mean 'num_layers'",
    ),
    "misspelt cmd key": ("cmd", {"seeds": 3}, "cmd: unknown key 'seeds'; did you mean 'seed'"),
    "unknown model": ("model", {"name": "bpn"}, "model: unknown name 'bpn'; did you mean 'bpnn'"),
    "no epoch": ("optim", {"epochs": 0}, "optim: expected epochs to be an integer >= 1, got 0"),
    "half a batch": ("optim", {"batch_size": 0.5}, "expected batch_size to be an integer >= 1"),
    "learning rate 0": ("optim", {"lr": 0.0}, "optim: expected lr > 0, got 0.0"),
    "unknown loss": (
        "optim",
        {"loss": "rmse"},
        "loss: expected 'mse', 'mae' or 'huber', got 'rmse'",
    ),
    "activation by name": (
        "model",
        {"activation": "silu"},
        "model: expected activation to be a class like torch.nn.Tanh, got 'silu'",
    ),
    "loss by name": ("optim", {"loss_fn": "mse"}, "optim: expected loss_fn to be a class like .*"),
    "unknown metric": (
        "optim",
        {"metric": "rmse"},
        "optim: expected metric to be one of .* got 'rmse'",
    ),
    "unknown cp_metric": (
        "optim",
        {"cp_metric": "force"},
        "optim: expected cp_metric to be one of",
    ),
    "misspelt scheduler": (
        "optim",
        {"scheduler": {"policy": "StepLR", "param": {}}},
        "optim, scheduler: unknown key 'param'; did you mean 'params'",
    ),
    "forces decide without force training": (
        "optim",
        {"cp_metric": "forces", "force_coefficient": 0},
        "optim: expected cp_metric 'energy' where the model's get_forces is False, got 'forces'",
    ),
    "dtype": ("cmd", {"dtype": torch.HalfTensor}, "cmd: expected dtype torch.DoubleTensor or"),
}


def assert_refused(
    make: Callable[[], dict[str, Any]], error: type[Exception], message: str
) -> None:
    before = listing(Path())
    with pytest.raises(error, match=message) as caught:
        AtomsTrainer(make()).train()
    assert str(caught.value).count("\n") < 4
    after = {name: data for name, data in listing(Path()).items() if "descriptors/" not in name}
    assert after == before
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize("name", SETTINGS)
def test_bad_settings(name):
    section, values, message = SETTINGS[name]
    values = {"elements": ["Cu", "C", "O"], **values} if section == "dataset" else values
    error = (ValueError, FileNotFoundError)
    sections = {section: values}
    if "without force training" in name:
        sections["model"] = {"get_forces": False}
    assert_refused(lambda: config(cuco_frames(4), ".", **sections), error, message)


def test_misspelt_section():
    wrong = {**config(cuco_frames(4), "."), "optimizer": {}}
    assert_refused(
        lambda: wrong, ValueError, "config: unknown key 'optimizer'; did you mean 'optim'"
    )


def test_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wrong = config(cuco_frames(4), ".", optim={"gpus": 1})
    assert_refused(lambda: wrong, ValueError, "optim: gpus is 1, but torch finds no GPU")


def test_logger_without_its_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    wrong = config(cuco_frames(4), ".", cmd={"logger": True, "debug": True})
    assert_refused(lambda: wrong, ImportError, "cmd: logger True needs the package wandb")


def test_partial_cache_needs_the_last_frames_for_validation():
    from .dataset.test_golden_lmdb import construct_lmdb

    construct_lmdb(Path("frames.lmdb"), cuco_frames(4), Path("normalizers.pt"))
    dataset = {"raw_data": None, "lmdb_path": ["frames.lmdb"], "cache": "partial", "val_split": 0.5}
    wrong = config(None, ".", dataset=dataset)
    assert_refused(lambda: wrong, ValueError, "cache 'partial' needs val_split_mode 'inorder'")


def test_more_memory_than_there_is(monkeypatch):
    monkeypatch.setattr("amptorch.data.memory.check_memory", lambda: (1e-7, 1e-6))
    wrong = config(cuco_frames(4), ".", cmd={"verbose": True, "debug": True})
    assert_refused(lambda: wrong, MemoryError, r"raw_data: 4 images need about .* GB of memory")


def test_train_without_configuration():
    with pytest.raises((RuntimeError, ValueError), match="config"):
        AtomsTrainer().train()


def test_predict_before_training():
    with pytest.raises(RuntimeError, match=r"predict: call train\(\) or load_pretrained\(\) first"):
        AtomsTrainer(config(cuco_frames(4), ".")).predict(cuco_frames(1))


def test_log_has_no_derivatives():
    scheme = {"fp_scheme": "gmpordernorm", "fp_params": {**GMP_ORDER_NORM, "log": True}}
    wrong = config(cuco_frames(4), ".", dataset=scheme)
    assert_refused(lambda: wrong, NotImplementedError, "fp_params: 'log' has no derivatives")
    energies_only = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}}
    trainer = trained(cuco_frames(4), ".", dataset=scheme, **energies_only)
    assert np.isfinite(trainer.predict(cuco_frames(4))["energy"]).all()


def test_pseudodensity_that_is_no_table():
    Path("text.g").write_text("beta B\n1 two\n")
    Path("columns.g").write_text("1.0 2.0 3.0\n")
    for name, message in (("text.g", "is not a table of 'B beta'"), ("columns.g", "two finite")):
        fp_params = {**GMP, "atom_gaussians": dict.fromkeys(("Cu", "C", "O"), name)}
        wrong = config(cuco_frames(4), ".", dataset={"fp_scheme": "gmp", "fp_params": fp_params})
        assert_refused(lambda wrong=wrong: wrong, ValueError, f"{name}.*{message}")


def test_derivatives_of_another_kind():
    with pytest.raises(ValueError, match="derivatives: expected 'cached' or 'on_the_fly', got 'x'"):
        AtomsToData(None, derivatives="x")  # type: ignore[arg-type]


def test_descriptor_set_of_other_elements():
    fp_params = GaussianDescriptorSet(["Cu", "C"])
    fp_params.add_g2("Cu", "C")
    wrong = config(cuco_frames(4), ".", dataset={"fp_params": fp_params})
    assert_refused(lambda: wrong, ValueError, "the GaussianDescriptorSet holds Cu, C, not O")
