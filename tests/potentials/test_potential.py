"""Potentials: what they predict, and files that hold them."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors

import amptorch
from amptorch import AmpTorch, AtomsTrainer, Potential
from amptorch.potentials.networks.activations import Gaussian
from amptorch.potentials.networks.model import BPNN
from amptorch.potentials.registry import families
from amptorch.report import Part, write_report
from amptorch.uncertainty import Committee

from ..made_potentials import GMP_ORDER_NORM, SCHEMES, alloy_frames, trained

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

FRAMES = alloy_frames(5)
OTHERS = alloy_frames(3, seed=7)

MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "networks of elements": {},
    "one network": {"model": {"name": "SingleNN", "activation": torch.nn.SiLU}},
    "no hidden layers": {"model": {"num_layers": 0}},
    "batch normalization": {"model": {"batchnorm": True, "dropout": True}},
    "weights in the activation": {"model": {"activation": torch.nn.PReLU}},
    "activation of n2p2": {"model": {"activation": Gaussian}},
    "fixed element mask": {"model": {"element_mask": "fixed", "activation": torch.nn.Softplus}},
    "float32": {"cmd": {"dtype": torch.FloatTensor}},
    "energies only": {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}},
    "baseline": {"dataset": {"baseline": "linear", "target_scaling": "forces"}},
    "one scale for all": {"dataset": {"scaling": {"type": "standardize", "elementwise": False}}},
    "stress": {"optim": {"stress_coefficient": 0.1}},
    "names": {"dataset": {"keys": {"energy": "energy"}}},
}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory) -> AtomsTrainer:
    return trained(FRAMES, tmp_path_factory.mktemp("run"), optim={"epochs": 2})


@pytest.fixture
def file(trainer, tmp_path) -> Path:
    path = tmp_path / "alloy.amptorch"
    trainer.potential.save(path)
    return path


def assert_same(one: Potential, other: Potential) -> None:
    """To the last bit."""
    a, b = one.predict(OTHERS), other.predict(OTHERS)
    assert np.array_equal(a.energy, b.energy)
    for name in ("forces", "stress", "energies"):
        assert len(getattr(a, name)) == len(getattr(b, name))
        assert all(map(np.array_equal, getattr(a, name), getattr(b, name))), name
    assert (one.elements, one.forces, one.dtype, one.keys) == (
        other.elements,
        other.forces,
        other.dtype,
        other.keys,
    )
    assert repr(one.model) == repr(other.model)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
        assert value.dtype == other.model.state_dict()[name].dtype
    assert one.descriptor == other.descriptor


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_file_gives_back_every_scheme(tmp_path, scheme):
    name, parameters, cutoff = SCHEMES[scheme]
    dataset = {"fp_scheme": name, "fp_params": parameters, "cutoff_params": cutoff}
    potential = trained(FRAMES, tmp_path, dataset=dataset, optim={"epochs": 1}).potential
    potential.save(tmp_path / "saved")
    assert_same(Potential.load(tmp_path / "saved"), potential)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.filterwarnings("ignore:training.*learned:amptorch.errors.FitWarning")
def test_a_file_gives_back_every_model(tmp_path, kind):
    sections = copy.deepcopy(MODELS[kind])
    sections["optim"] = {"epochs": 1, **sections.get("optim", {})}
    frames = [with_stress(image) for image in FRAMES] if kind == "stress" else FRAMES
    potential = trained(frames, tmp_path, **sections).potential
    potential.save(tmp_path / "saved")
    loaded = amptorch.load(tmp_path / "saved")
    assert_same(loaded, potential)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "saved").read_bytes()


def with_stress(image: Any) -> Any:
    image = image.copy()
    image.calc = FRAMES[0].calc.__class__(image, energy=1.0, forces=image.positions, stress=[0] * 6)
    return image


def test_a_prediction_has_what_was_asked_for(trainer):
    potential, dictionary = trainer.potential, trainer.predict(OTHERS)
    found = potential.predict(OTHERS)
    assert found.energy.tolist() == dictionary["energy"]
    for mine, its in (("forces", "forces"), ("stress", "stress"), ("energies", "atomic_energies")):
        assert all(map(np.array_equal, getattr(found, mine), dictionary[its]))
    few = potential.predict(OTHERS, properties=["energy"])
    assert np.array_equal(few.energy, found.energy)
    assert few.forces == few.stress == []
    with pytest.raises(ValueError, match="properties: unknown 'force'; did you mean 'forces'"):
        potential.predict(OTHERS, properties=["force"])


def test_more_images_than_are_evaluated_together(trainer):
    found = trainer.potential.predict(OTHERS * 7)
    one = trainer.potential.predict(OTHERS)
    np.testing.assert_allclose(found.energy, np.tile(one.energy, 7), rtol=1e-12)
    assert len(found.forces) == len(found.stress) == len(found.energies) == 21
    assert trainer.potential.predict(OTHERS[:1]).energy.shape == (1,)


def test_a_model_without_forces_gives_none(tmp_path):
    sections = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}}
    potential = trained(FRAMES, tmp_path, **sections).potential
    assert potential.predict(OTHERS).forces == []
    with pytest.raises(ValueError, match=r"properties: got 'stress', but .* get_forces False"):
        potential.predict(OTHERS, properties=["energy", "stress"])


@pytest.mark.parametrize("seen", ["deepcopy", "pickle", "used"])
def test_copies_predict_the_same(trainer, seen):
    potential = trainer.potential
    if seen == "used":
        potential.predict(OTHERS)
    copied = (
        copy.deepcopy(potential) if seen == "deepcopy" else pickle.loads(pickle.dumps(potential))
    )
    assert copied.model is not potential.model
    assert_same(copied, potential)


def energies_of(potential: Potential) -> list[float]:
    return potential.predict(OTHERS).energy.tolist()


def test_all_that_takes_a_trainer_takes_a_potential(trainer, file, tmp_path):
    expected = trainer.predict(OTHERS)
    for source in (trainer.potential, file, str(file), trainer.cp_dir):
        image = OTHERS[0].copy()
        image.calc = AmpTorch(source)
        assert image.get_potential_energy() == expected["energy"][0]
        assert np.array_equal(image.get_forces(), expected["forces"][0])
    committee = Committee([trainer, file])
    assert committee.predict(OTHERS)["energy_std"].tolist() == [0.0] * len(OTHERS)
    assert energies_of(pickle.loads(pickle.dumps(committee)).trainers[1]) == expected["energy"]
    reports = [
        write_report(each, {"test": Part(OTHERS)}, tmp_path / "report", plots=False)
        for each in (trainer, trainer.potential)
    ]
    assert reports[0]["errors"] == reports[1]["errors"]
    assert reports[0]["model"] == reports[1]["model"]
    assert [each["training"]["epochs"] for each in reports] == [2, 0]


def test_a_checkpoint_folder_opens_as_its_trainer_does(trainer):
    state = torch.get_rng_state()
    potential = amptorch.load(trainer.cp_dir)
    assert torch.equal(torch.get_rng_state(), state)
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    assert_same(potential, loaded.potential)


def test_another_process_predicts_the_same_and_imports_no_training(trainer, file):
    """From a file and from a pickle; one process, as starting it takes longer than all else."""
    script = f"""
import json, pickle, sys, amptorch
loaded = amptorch.load({str(file)!r})
assert loaded.evaluate([], False).energy.shape == (0,)
assert not [m for m in sys.modules if m.startswith(("amptorch.fit", "amptorch.trainer"))]
pickled, images = pickle.load(sys.stdin.buffer)
print(json.dumps([each.predict(images).energy.tolist() for each in (loaded, pickled)]))
"""
    given = pickle.dumps((trainer.potential, OTHERS))
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == [energies_of(trainer.potential)] * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_file_opens_on_a_gpu(file):
    on_gpu, on_cpu = Potential.load(file, device="cuda"), Potential.load(file)
    assert on_gpu.device.type == "cuda"
    one, two = on_gpu.predict(OTHERS), on_cpu.predict(OTHERS)
    np.testing.assert_allclose(one.energy, two.energy, atol=1e-9)
    np.testing.assert_allclose(one.forces[0], two.forces[0], atol=1e-9)


# What a file cannot hold.


class Squared(torch.nn.Module):
    def forward(self, inputs):
        return inputs.square()


class MyNetwork(BPNN):
    pass


def test_classes_of_the_users_own_are_refused_by_name(tmp_path, trainer):
    potential = copy.deepcopy(trainer.potential)
    descriptor = potential.descriptor
    potential.model = BPNN(["Cu", "Pd"], descriptor.n_features, activation=Squared)
    with pytest.raises(
        ValueError, match=r"activation tests\.potentials\.test_potential\.Squared is not one"
    ):
        potential.save(tmp_path / "saved")
    potential.model = MyNetwork(["Cu", "Pd"], descriptor.n_features)
    with pytest.raises(
        ValueError, match=r"tests\.potentials\.test_potential\.MyNetwork is a class of no fam"
    ):
        potential.save(tmp_path / "saved")
    assert not list(tmp_path.iterdir())


# Damage.


def changed(file: Path, change: Any) -> None:
    """Write a file anew with other content and the right form."""
    header = json.loads(file.read_bytes()[8 : 8 + int.from_bytes(file.read_bytes()[:8], "little")])
    metadata, arrays = header["__metadata__"], read_tensors(file.read_bytes())
    content = json.loads(metadata["amptorch"])
    change(content, arrays)
    metadata["amptorch"] = json.dumps(content)
    file.write_bytes(write_tensors(arrays, metadata))


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.2, 0.5, 0.9, 0.9999])
def test_a_cut_file_is_refused(file, kept):
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=r"alloy\.amptorch: (cut|not)"):
        Potential.load(file)


def test_a_flipped_bit_anywhere_is_noticed(file):
    data = file.read_bytes()
    for place in np.linspace(0, len(data) - 1, 60).astype(int):
        file.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(ValueError, match=r"alloy\.amptorch"):
            Potential.load(file)


def test_a_later_version_is_named(file):
    changed(file, lambda content, arrays: content.update(format=2))
    with pytest.raises(ValueError, match=r"alloy\.amptorch: .* format 2, and formats up to 1 can"):
        amptorch.load(file)


def test_edited_values_are_noticed(file):
    changed(file, lambda content, arrays: content["values"]["model"].update(activation="ReLU"))
    with pytest.raises(ValueError, match=r"alloy\.amptorch: .* the check sum differs"):
        amptorch.load(file)


def test_a_file_of_tensors_of_someone_else_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(write_tensors({"w": torch.ones(2)}))
    with pytest.raises(ValueError, match=r"weights\.safetensors: not a file of amptorch"):
        amptorch.load(path)


def test_what_is_no_potential_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        amptorch.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Potential.load(tmp_path / "nowhere")
    (tmp_path / "text").write_text("energy: 1")
    for path in (tmp_path / "text", tmp_path):
        with pytest.raises(ValueError, match="known: a saved potential, a checkpoint folder"):
            amptorch.load(path)


def test_an_activation_that_is_none_is_not_made(file):
    """Values of a file choose among known activations, and nothing else is called."""
    networks = families()["networks"]
    values = networks.to_json(BPNN(["Cu"], 3))
    for name in ("torch", "os", "Optional", "warnings", "NoSuch"):
        with pytest.raises(ValueError, match=r"activation .*: expected one of"):
            networks.from_json({**values, "activation": name})


def test_pseudodensities_of_other_numbers_are_noticed(tmp_path):
    """A descriptor may name files; those that are read must be those of the training."""
    density = tmp_path / "density.txt"
    density.write_text("1.5 0.8\n0.5 0.3\n")
    densities = dict.fromkeys(["Cu", "Pd"], str(density))
    dataset = {"fp_scheme": "gmpordernorm"}
    dataset["fp_params"] = {**GMP_ORDER_NORM, "atom_gaussians": densities}
    potential = trained(FRAMES, tmp_path, dataset=dataset, optim={"epochs": 1}).potential
    potential.save(tmp_path / "saved")
    assert_same(Potential.load(tmp_path / "saved"), potential)
    density.write_text("1.5 0.8\n0.5 0.4\n")
    with pytest.raises(ValueError, match=r"saved: .*descriptor: expected hash"):
        Potential.load(tmp_path / "saved")
