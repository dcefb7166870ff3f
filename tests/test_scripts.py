"""Scripts in the style of those written for the original AMPTorch, unchanged.

Each function's body is such a script on fewer and smaller images.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.optimize import BFGS

from amptorch.ase_utils import AMPtorch, AmpTorch
from amptorch.dataset import AtomsDataset, DataCollater
from amptorch.descriptor.Gaussian import GaussianDescriptorSet
from amptorch.store import open_store
from amptorch.trainer import AtomsTrainer

from .made_potentials import history, weights


def get_images():
    distances = np.linspace(2, 5, 12)
    images = []
    for dist in distances:
        image = Atoms(
            "CuCO",
            [
                (-dist * np.sin(0.65), dist * np.cos(0.65), 0),
                (0, 0, 0),
                (dist * np.sin(0.65), dist * np.cos(0.65), 0),
            ],
        )
        image.set_cell([10, 10, 10])
        image.wrap(pbc=True)
        image.calc = EMT()
        images.append(image)
    return images


pytestmark = pytest.mark.usefixtures("run_dir")

images = get_images()
elements = ["Cu", "C", "O"]
Gs = {
    "default": {
        "G2": {
            "etas": np.logspace(np.log10(0.05), np.log10(5.0), num=4),
            "rs_s": [0],
        },
        "G4": {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [+1.0, -1.0]},
        "cutoff": 6,
    },
}
MCSHs = {
    "MCSHs": {"orders": [0, 1, 2], "sigmas": [0.4, 0.8]},
    "cutoff": 8,
    "atom_gaussians": {
        "C": "./pseudodensity_psp_v3/C_pseudodensity.g",
        "O": "./pseudodensity_psp_v3/O_pseudodensity.g",
        "Cu": "./pseudodensity_psp_v3/Cu_pseudodensity.g",
    },
}


def get_config():
    return {
        "model": {"get_forces": True, "num_layers": 3, "num_nodes": 5},
        "optim": {
            "device": "cpu",
            "force_coefficient": 0.04,
            "lr": 1e-2,
            "batch_size": 10,
            "epochs": 4,
            "loss": "mse",
            "metric": "mae",
        },
        "dataset": {
            "raw_data": images,
            "val_split": 0,
            "elements": elements,
            "fp_scheme": "gaussian",
            "fp_params": Gs,
            "save_fps": True,
        },
        "cmd": {
            "debug": False,
            "run_dir": "./",
            "seed": 1,
            "identifier": "test",
            "verbose": True,
            "logger": False,
        },
    }


def true_values():
    energies = [image.get_potential_energy() for image in images]
    forces = [image.get_forces() for image in images]
    return np.array(energies), np.concatenate(forces)


def test_s2e_script():
    config = get_config()
    config["model"]["get_forces"] = False
    config["optim"].update(force_coefficient=0, epochs=60, loss="mae")
    trainer = AtomsTrainer(config)
    trainer.train()

    predictions = trainer.predict(images)
    true_energies, _ = true_values()
    pred_energies = np.array(predictions["energy"])
    energy_mse = np.mean((true_energies - pred_energies) ** 2)
    assert energy_mse < np.var(true_energies) / 4
    assert predictions["forces"] == []
    image = images[0].copy()
    image.calc = AMPtorch(trainer)
    assert image.get_potential_energy() == pytest.approx(pred_energies[0])


def test_s2ef_script_bpnn_gaussian():
    config = get_config()
    config["optim"]["epochs"] = 60
    trainer = AtomsTrainer(config)
    trainer.train()

    predictions = trainer.predict(images)
    true_energies, true_forces = true_values()
    pred_energies = np.array(predictions["energy"])
    pred_forces = np.concatenate(predictions["forces"])
    energy_mse = np.mean((true_energies - pred_energies) ** 2)
    force_mse = np.mean((true_forces - pred_forces) ** 2)
    assert energy_mse < np.var(true_energies) / 4
    assert force_mse < np.mean(true_forces**2) * 1.5

    image = images[0].copy()
    image.calc = AMPtorch(trainer)
    assert image.get_potential_energy() == pytest.approx(pred_energies[0])
    np.testing.assert_allclose(image.get_forces(), predictions["forces"][0], atol=1e-12)
    assert (Path(trainer.cp_dir) / "params.pt").is_file()
    assert Path(trainer.cp_dir).parent.name == "checkpoints"
    assert Path(trainer.cp_dir).name.endswith("-test")


def test_s2ef_script_singlenn_gmp_with_batchnorm_and_gelu():
    config = get_config()
    config["model"] = {
        "name": "singlenn",
        "get_forces": True,
        "num_layers": 3,
        "num_nodes": 5,
        "batchnorm": True,
        "activation": torch.nn.GELU,
    }
    config["dataset"].update(
        fp_scheme="gmpordernorm",
        fp_params=MCSHs,
        cutoff_params={"cutoff_func": "Cosine"},
        scaling={"type": "normalize", "range": (0, 1), "elementwise": False},
    )
    trainer = AtomsTrainer(config)
    trainer.train()
    predictions = trainer.predict(images)
    assert np.isfinite(predictions["energy"]).all()
    assert np.shape(predictions["forces"]) == (12, 3, 3)
    layers = [type(layer).__name__ for layer in trainer.model.model.model_net]
    assert layers[:3] == ["Linear", "BatchNorm1d", "GELU"]


def test_hidden_layers_dropout_and_initialization_script():
    config = get_config()
    config["model"].update(
        hidden_layers=[6, 3], dropout=True, dropout_rate=0.2, initialization="zero"
    )
    trainer = AtomsTrainer(config)
    trainer.load()
    widths = [
        layer.out_features
        for layer in trainer.model.elementwise_models[0].model_net
        if isinstance(layer, torch.nn.Linear)
    ]
    assert widths == [6, 3, 1]
    networks = trainer.model.elementwise_models.parameters()
    assert all(not weight.any() for weight in networks)


@pytest.mark.parametrize("mode", ["cv", "inorder"])
def test_validation_script(mode):
    config = get_config()
    config["dataset"].update(val_split=0.25, val_split_mode=mode)
    trainer = AtomsTrainer(config)
    trainer.train()
    columns = set(trainer.net.history[-1])
    assert {"train_loss", "valid_loss"} <= columns
    assert {f"{k}_{p}_mae" for k in ("train", "val") for p in ("energy", "forces")} <= columns
    train, valid = trainer.net.get_split_datasets(trainer.train_dataset, None)
    assert (len(train), len(valid)) == (9, 3)
    if mode == "inorder":
        assert list(valid.indices) == [9, 10, 11]
    else:
        assert set(train.indices) | set(valid.indices) == set(range(12))


def test_custom_descriptor_set_script():
    gds = GaussianDescriptorSet(elements, 6.0, {"cutoff_func": "Cosine"})
    g2_etas = [0.25, 2.5]
    gds.batch_add_descriptors(2, g2_etas, [0.0] * 2, [])
    g4_etas, g4_zetas, g4_gammas = [0.005, 0.005], [1.0, 4.0], [1.0, -1.0]
    gds.batch_add_descriptors(4, g4_etas, g4_zetas, g4_gammas)
    config = get_config()
    config["dataset"]["fp_params"] = gds
    trainer = AtomsTrainer(config)
    trainer.train()
    assert trainer.input_dim == 2 * 3 + 2 * 6

    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(
        again.predict(images[:2])["energy"], trainer.predict(images[:2])["energy"]
    )


def test_combinatorial_descriptor_set_is_the_dict():
    gds = GaussianDescriptorSet(elements, cutoff_params={"cutoff_func": "Cosine"})
    gds.process_combinatorial_Gs(Gs)
    losses = []
    for fp_params in (gds, Gs):
        config = get_config()
        config["dataset"]["fp_params"] = fp_params
        trainer = AtomsTrainer(config)
        trainer.train()
        losses.append(history(trainer))
    assert losses[0] == losses[1]


def test_get_fingerprints_script():
    dataset = AtomsDataset(
        images=images,
        descriptor_setup=("gaussian", Gs, {"cutoff_func": "Cosine"}, elements),
        forcetraining=False,
        save_fps=True,
    )
    fingerprints = []
    for data in dataset:
        fingerprints.append(data.fingerprint.numpy())
    assert np.shape(fingerprints) == (12, 3, 36)
    assert np.min(fingerprints) >= -1e-12
    assert np.max(fingerprints) <= 1 + 1e-12
    (file,) = Path("processed/descriptors").rglob("*.lmdb")
    assert open_store(file).n_frames == 12
    batch = DataCollater(train=False, forcetraining=False)(list(dataset)[:4])
    assert batch.fingerprint.shape == (12, 36)
    assert batch.batch.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert batch.to("cpu").energy.shape == (4,)


def test_pretrained_script():
    trainer = AtomsTrainer(get_config())
    trainer.train()
    trained_cp_dir = trainer.cp_dir
    expected = trainer.predict(images)

    pretrained_trainer = AtomsTrainer(get_config())
    pretrained_trainer.load_pretrained(trained_cp_dir)
    alone = AtomsTrainer()
    alone.load_pretrained(checkpoint_path=trained_cp_dir, gpu2cpu=True)
    for loaded in (pretrained_trainer, alone):
        predictions = loaded.predict(images)
        np.testing.assert_array_equal(predictions["energy"], expected["energy"])
        np.testing.assert_array_equal(predictions["forces"], expected["forces"])
        assert loaded.pretrained
        assert loaded.elements == elements


def test_retrained_script():
    trainer = AtomsTrainer(get_config())
    trainer.train()
    before = weights(trainer)

    retrained = AtomsTrainer(get_config())
    retrained.load_pretrained(trainer.cp_dir)
    retrained.train()
    assert len(retrained.net.history) == 8
    assert any(not torch.equal(before[name], value) for name, value in weights(retrained).items())
    other_images = AtomsTrainer(get_config())
    other_images.load_pretrained(trainer.cp_dir)
    other_images.train(raw_data=images[:6])
    assert len(other_images.train_dataset) == 6


def test_train_on_other_images_script():
    trainer = AtomsTrainer(get_config())
    trainer.train(raw_data=images[2:8])
    assert len(trainer.train_dataset) == 6


@pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")
def test_relaxation_script():
    trainer = AtomsTrainer(get_config())
    trainer.train()
    image = images[3].copy()
    image.calc = trainer.get_calc()
    assert isinstance(image.calc, AmpTorch)
    first = image.get_potential_energy()
    assert BFGS(image, logfile=None).run(fmax=0.05, steps=60)
    assert image.get_potential_energy() < first
    assert np.abs(image.get_forces()).max() <= 0.05


def test_latent_and_descriptor_script():
    trainer = AtomsTrainer(get_config())
    trainer.train()
    predictions = trainer.predict(images, get_latent=-2, get_descriptor=True)
    assert np.shape(predictions["latent"]) == (12, 5)
    assert np.shape(predictions["descriptors"]) == (12, 36)
    means = [data.fingerprint.numpy().mean(0) for data in trainer.train_dataset]
    np.testing.assert_allclose(predictions["descriptors"], means, atol=1e-12)
    assert predictions["t_fingerPrint"] > 0
    assert predictions["t_forwardPass"] > 0
    assert "latent" not in trainer.predict(images[:1])
    hooks = [module._forward_hooks for module in trainer.model.modules()]
    assert not any(hooks)


def test_debug_writes_nothing():
    config = get_config()
    config["cmd"]["debug"] = True
    config["dataset"]["val_split"] = 0.25
    trainer = AtomsTrainer(config)
    trainer.train()
    trainer.predict(images[:2])
    trainer.train()
    assert list(Path().iterdir()) == []
    assert trainer.cp_dir is None


def test_config_and_images_of_the_caller_stay_as_they_are():
    config = get_config()
    before = copy.deepcopy(config)
    trainer = AtomsTrainer(config)
    trainer.train()
    trainer.predict(images[:2])
    retrained = AtomsTrainer(config)
    retrained.load_pretrained(trainer.cp_dir)
    retrained.train()
    for section in before:
        assert config[section].keys() == before[section].keys()
        kept = {k: v for k, v in config[section].items() if k not in ("raw_data", "fp_params")}
        assert kept == {k: v for k, v in before[section].items() if k in kept}
    assert config["dataset"]["raw_data"] is images
    for image, same in zip(images, get_images(), strict=True):
        np.testing.assert_array_equal(image.positions, same.positions)


def test_run_dir_is_where_everything_goes():
    config = get_config()
    config["cmd"]["run_dir"] = "deep/down"
    AtomsTrainer(config).train()
    assert {path.name for path in Path().iterdir()} == {"deep"}
    assert {path.name for path in Path("deep/down").iterdir()} == {"checkpoints", "processed"}


def test_saved_fingerprints_are_read_again():
    one = AtomsTrainer(get_config())
    one.train()
    (file,) = Path("processed").rglob("*.lmdb")
    kept = file.read_bytes()
    two = AtomsTrainer(get_config())
    two.train()
    assert file.read_bytes() == kept
    assert history(one) == history(two)


def test_the_seed_fixes_a_run():
    runs = {}
    for seed in (1, 1, 2):
        config = get_config()
        config["cmd"]["seed"] = seed
        config["optim"]["batch_size"] = 5
        trainer = AtomsTrainer(config)
        trainer.train()
        runs.setdefault(seed, []).append(history(trainer))
    assert runs[1][0] == runs[1][1] != runs[2][0]


def test_raw_data_from_a_file_script():
    from ase.io import write

    write("images.traj", images)
    config = get_config()
    config["dataset"]["raw_data"] = "images.traj"
    from_file = AtomsTrainer(config)
    from_file.train()
    from_list = AtomsTrainer(get_config())
    from_list.train()
    for one, other in zip(history(from_file), history(from_list), strict=True):
        assert one == pytest.approx(other, rel=1e-9)


def test_defaults_script():
    """Nothing but data: the default scheme needs parameters, elements are those found."""
    trainer = AtomsTrainer({"dataset": {"raw_data": images, "fp_params": MCSHs}})
    trainer.load()
    assert trainer.elements == ["C", "Cu", "O"]
    assert trainer.settings.optim.epochs == 100
    assert len(trainer.model.elementwise_models) == 3
    assert len(trainer.model.elementwise_models[0].model_net) == 11
