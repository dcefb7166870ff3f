"""Helpers: splits, tensors, memory, batches on several GPUs, networks, losses, the allow-list."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from amptorch.config import Config
from amptorch.data.frame import collate
from amptorch.data.memory import check_memory, estimate_memory
from amptorch.dataset.in_memory import AtomsDataset, DataCollater, construct_descriptor
from amptorch.errors import check_keys, nearest
from amptorch.files.checkpoint import save_normalizers
from amptorch.files.safe_pickle import Unknown, loads, torch_load
from amptorch.fit.data_parallel import BatchList, DataParallel, ParallelCollater
from amptorch.fit.losses import CustomLoss, PerAtomLoss
from amptorch.fit.metrics import target_extractor, to_tensor
from amptorch.fit.splits import InOrderSplit
from amptorch.potentials.networks.model import BPNN, MLP, ElementMask, SingleNN
from amptorch.preprocessing import AtomsToData

from .made_potentials import COSINE, GAUSSIAN, SCHEMES, alloy_frames

SETUP = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])


@pytest.fixture(scope="module")
def dataset() -> AtomsDataset:
    return AtomsDataset(alloy_frames(5), SETUP, save_fps=False)


def test_split_in_order():
    train, valid = InOrderSplit(0.3)(list(range(10)))
    assert (list(train), list(valid)) == (list(range(7)), [7, 8, 9])
    train, valid = InOrderSplit(0.0)(list(range(4)))
    assert (len(train), len(valid)) == (4, 0)


def test_tensors_and_targets():
    nested = [torch.ones(2), (torch.zeros(1), torch.ones(1))]
    moved = to_tensor(nested, "cpu")
    assert isinstance(moved[1], tuple)
    extracted = target_extractor((torch.ones(2, requires_grad=True), [torch.zeros(1)]))
    assert isinstance(extracted[0], np.ndarray)
    assert extracted[1][0].tolist() == [0.0]


def test_normalizers_are_read_back_plainly(dataset, tmp_path):
    path = tmp_path / "normalizers.pt"
    save_normalizers(dataset.scalers, path)
    loaded = torch.load(path)
    torch.testing.assert_close(loaded["target"].target_std, dataset.target_scaler.target_std)
    assert list(tmp_path.iterdir()) == [path]


def test_memory_of_this_machine():
    free, total = check_memory()
    assert 0 < free <= total < 1e6


def stored_bytes(value: Any, seen: set[int]) -> int:
    """Bytes of the tensors that an object holds, each storage once."""
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        if storage.data_ptr() in seen:
            return 0
        seen.add(storage.data_ptr())
        return value.numel() * value.element_size()
    if isinstance(value, (list, tuple)):
        return sum(stored_bytes(each, seen) for each in value)
    return (
        sum(stored_bytes(each, seen) for each in vars(value).values())
        if hasattr(value, "__dict__")
        else 0
    )


@pytest.mark.parametrize("scheme", ["gaussian_cosine", "gmpordernorm"])
@pytest.mark.parametrize("forces", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_memory_is_estimated_within_a_fifth(scheme, forces, dtype):
    frames = alloy_frames(12)
    descriptor = construct_descriptor((*SCHEMES[scheme], ["Cu", "Pd"]))
    data = AtomsToData(descriptor, True, forces, fprimes=forces).convert_all(frames, True)
    data = [each.to(dtype) for each in data]
    measured = stored_bytes(data, set())
    estimated = estimate_memory(frames, descriptor, forces, dtype)
    assert estimated == pytest.approx(measured, rel=0.2)


def test_collater_for_several_gpus(dataset):
    collater = ParallelCollater(2, DataCollater())
    batches, (energies, forces) = collater(list(dataset))
    whole, (all_energies, all_forces) = ParallelCollater(1, DataCollater())(list(dataset))
    assert len(batches) == len(whole) == 5
    assert [batch.num_graphs for batch in iter(batches)] == [2, 3]
    assert batches.to("cuda") is batches
    assert torch.equal(energies, all_energies)
    assert torch.equal(forces, all_forces)
    joined = torch.cat([batch.fingerprint for batch in iter(batches)])
    assert torch.equal(joined, whole.fingerprint)
    one, _ = ParallelCollater(4, DataCollater())(list(dataset)[:2])
    assert [batch.num_graphs for batch in iter(one)] == [1, 1]


def test_data_parallel_joins_the_outputs_of_its_replicas(dataset, monkeypatch):
    """The GPUs are replaced by the CPU; what is spread and joined is the same."""
    network = BPNN(["Cu", "Pd"], dataset.input_dim, num_nodes=3, num_layers=1)
    parallel = DataParallel(network, output_device="cpu", num_gpus=2)
    parallel.devices = [torch.device("cpu")] * 2
    monkeypatch.setattr(nn.parallel, "replicate", lambda module, devices: [module] * len(devices))
    monkeypatch.setattr(
        nn.parallel,
        "parallel_apply",
        lambda replicas, inputs, devices: [
            replica(*each) for replica, each in zip(replicas, inputs, strict=True)
        ],
    )
    batches, _ = ParallelCollater(2, DataCollater())(list(dataset))
    assert isinstance(batches, BatchList)
    whole = collate(list(dataset))
    for found, expected in zip(parallel(batches), parallel(whole), strict=True):
        torch.testing.assert_close(found, expected)


def test_data_parallel_saves_the_network(dataset):
    network = SingleNN(["Cu", "Pd"], dataset.input_dim, num_nodes=3, num_layers=1)
    parallel = DataParallel(network, output_device="cpu", num_gpus=2)
    assert parallel.state_dict().keys() == network.state_dict().keys()
    other = DataParallel(
        SingleNN(["Cu", "Pd"], dataset.input_dim, num_nodes=3, num_layers=1), "cpu", 2
    )
    other.load_state_dict(network.state_dict())
    for one, two in zip(other.parameters(), network.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("kind", [BPNN, SingleNN])
def test_latent_outputs_are_those_of_a_hook(dataset, kind):
    network = kind(["Cu", "Pd"], dataset.input_dim, num_nodes=3, num_layers=2)
    batch = collate(list(dataset))
    mlp = network.model if kind is SingleNN else network.elementwise_models[1]
    seen = []
    handle = mlp.model_net[2].register_forward_hook(lambda *args: seen.append(args[2]))
    network(batch)
    handle.remove()
    own = batch.atomic_numbers == 46
    latent = network.latent(batch.fingerprint, batch.atomic_numbers, 2)
    torch.testing.assert_close(latent[own], seen[0][own])
    torch.testing.assert_close(network.latent(batch.fingerprint, batch.atomic_numbers, -3), latent)


def test_models_give_energies_only_when_asked_to(dataset):
    network = BPNN(["Cu", "Pd"], dataset.input_dim, get_forces=False, num_layers=1, num_nodes=2)
    energies, forces = network(collate(list(dataset)))
    assert energies.shape == (5,)
    assert forces.numel() == 0
    assert network.num_params == sum(p.numel() for p in network.parameters())


def test_each_element_has_its_network(dataset):
    """The energy is the sum over atoms of the outputs of their elements' networks."""
    network = BPNN(["Cu", "Pd"], dataset.input_dim, num_nodes=3, num_layers=1)
    batch = collate(list(dataset))
    outputs = {29: network.elementwise_models[0], 46: network.elementwise_models[1]}
    expected = torch.zeros(5, dtype=torch.float64)
    for atom in range(20):
        number = int(batch.atomic_numbers[atom])
        expected[atom // 4] += outputs[number](batch.fingerprint[atom])[0]
    torch.testing.assert_close(network(batch)[0], expected)


def test_element_mask():
    mask = ElementMask(["O", "H"])
    assert mask.mask.weight.shape == (100, 2)
    assert mask(torch.tensor([1, 8, 1])).tolist() == [[0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize("initialization", ["xavier", "zero", "torch"])
def test_initialization(initialization):
    torch.manual_seed(0)
    layers = MLP(6, [5, 4], initialization=initialization).model_net
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    for layer in linear:
        bound = (6.0 / sum(layer.weight.shape)) ** 0.5
        if initialization == "zero":
            assert not layer.weight.any()
        else:
            assert layer.weight.abs().max() <= bound + 1e-12 or initialization == "torch"
            assert layer.weight.any()
        assert layer.bias.any() == (initialization == "torch")
    assert all(layer.weight.dtype == torch.float64 for layer in linear)


@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("coefficient", [0.0, 0.3])
def test_custom_loss(loss, coefficient):
    random = np.random.default_rng(0)
    energies, forces = random.normal(size=(2, 4)), random.normal(size=(2, 9, 3))
    tensors = [
        [torch.from_numpy(e), torch.from_numpy(f)] for e, f in zip(energies, forces, strict=True)
    ]
    power = 2 if loss == "mse" else 1
    of_energies = (np.abs(energies[0] - energies[1]) ** power).mean()
    of_forces = (np.abs(forces[0] - forces[1]) ** power).mean()
    expected = 0.5 * (of_energies + coefficient * of_forces)
    criterion = CustomLoss(coefficient, loss)
    assert float(criterion(*tensors)) == pytest.approx(expected)
    assert float(criterion(*tensors)) == pytest.approx(expected), "it does not change itself"


def test_per_atom_loss(dataset):
    """Amp's: 1/2 sum {(dE/N)^2 + alpha/(3N) sum dF^2}, frame by frame."""
    batch = collate(list(dataset))
    random = torch.Generator().manual_seed(0)
    energies = torch.rand((2, 5), generator=random, dtype=torch.float64)
    forces = torch.rand((2, 20, 3), generator=random, dtype=torch.float64)
    expected = 0.0
    for frame in range(5):
        part = slice(4 * frame, 4 * frame + 4)
        expected += float((energies[0, frame] - energies[1, frame]) / 4) ** 2
        expected += 0.04 / 12 * float(((forces[0, part] - forces[1, part]) ** 2).sum())
    found = PerAtomLoss(0.04)([energies[0], forces[0]], [energies[1], forces[1]], batch)
    assert float(found) == pytest.approx(0.5 * expected)
    with pytest.raises(ValueError, match="PerAtomLoss is a sum of squares, expected 'mse'"):
        PerAtomLoss(loss="mae")


def test_configuration_defaults_are_the_originals():
    config = Config.from_dict({})
    assert (config.model.name, config.model.num_layers, config.model.num_nodes) == ("bpnn", 5, 20)
    assert (config.optim.lr, config.optim.batch_size, config.optim.epochs) == (0.1, 32, 100)
    assert config.optim.optimizer is torch.optim.Adam
    assert (config.dataset.fp_scheme, config.dataset.cache) == ("gmpordernorm", "no")
    assert config.dataset.scaling == {"type": "normalize", "range": (0, 1)}
    assert config.cmd.torch_dtype is torch.float64
    assert config.cmd.early_stopping_patience == 5
    both = {"early_stoppping_patience": 7, "early_stopping_patience": 3}
    assert Config.from_dict({"cmd": both}).cmd.early_stopping_patience == 3


def test_hints():
    assert nearest("lern_rate", ["learn_rate", "epochs"]) == "did you mean 'learn_rate'?"
    assert nearest("zzz", ["b", "a"]) == "known: 'a', 'b'"
    with pytest.raises(ValueError, match="here: unknown key 'x'; known: 'y'"):
        check_keys({"x": 1}, ["y"], "here")


class Runs:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_arrays_survive(protocol):
    value = {
        "set": {1, 2},
        "array": np.arange(6.0).reshape(2, 3),
        "scalar": np.float64(0.5),
        "text": np.array(["a", "b"]),
        "tensor": torch.arange(3.0),
        "class": nn.GELU,
        "dtype": torch.float32,
        "scheduler": torch.optim.lr_scheduler.StepLR,
        "complex": 1j,
    }
    loaded = loads(pickle.dumps(value, protocol=protocol))
    assert loaded["set"] == {1, 2}
    np.testing.assert_array_equal(loaded["array"], value["array"])
    assert loaded["scalar"] == 0.5
    assert loaded["text"].tolist() == ["a", "b"]
    assert torch.equal(loaded["tensor"], value["tensor"])
    for name in ("class", "dtype", "scheduler", "complex"):
        assert loaded[name] == value[name]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (os.system, ("touch {victim}",)),
        (eval, ("open('{victim}', 'w')",)),
        (exec, ("open('{victim}', 'w')",)),
        (open, ("{victim}", "w")),
        (getattr, (os, "system")),
        (Path, ("{victim}",)),
        (torch.load, ("{victim}",)),
        (np.load, ("{victim}",)),
        (np.fromfile, ("{victim}",)),
        (torch.hub.load, ("{victim}", "x")),
        (io.open_code, ("{victim}",)),
    ],
)
def test_nothing_is_called_from_a_file(call, arguments, tmp_path):
    victim = tmp_path / "victim"
    arguments = tuple(
        each.format(victim=victim) if isinstance(each, str) else each.__name__ for each in arguments
    )
    with pytest.raises(pickle.UnpicklingError, match="which is not on the list of trusted types"):
        loads(pickle.dumps(Runs(call, *arguments)))
    assert not victim.exists()


def test_bytes_are_decoded_as_latin1_only():
    import codecs

    assert loads(pickle.dumps(Runs(codecs.encode, "é", "latin1"))) == "é".encode("latin1")
    with pytest.raises(pickle.UnpicklingError, match="expected 'latin1'"):
        loads(pickle.dumps(Runs(codecs.encode, "x", "rot13")))


def test_unknown_classes_are_inert():
    loaded = loads(pickle.dumps(Runs))
    assert isinstance(loaded, Unknown)
    assert repr(loaded) == "<tests.test_small_parts.Runs, not trusted>"


def test_missing_torch_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file not found: .*nowhere\.pt"):
        torch_load(tmp_path / "nowhere.pt")
