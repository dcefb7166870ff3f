"""Neighbours of many images as one batch against those image by image, on every device."""

from __future__ import annotations

import pytest
import torch

from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.environments import environment_on
from amptorch.kernels.environment import concatenate

from ..systems import SYSTEMS

ELEMENTS = ["H", "C", "N", "O", "Al", "Fe", "Ni", "Cu", "Pd"]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])


def descriptor():
    g2 = {"etas": [1.0], "rs_s": [0.0]}
    setup = (
        "gaussian",
        {"default": {"G2": g2, "cutoff": 5.0}},
        {"cutoff_func": "Cosine"},
        ELEMENTS,
    )
    return construct_descriptor(setup)


@devices
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("threads", [1, 20])
def test_a_batch_is_the_images_one_by_one(device, dtype, threads):
    """With less threads than images and with more."""
    images, of = [build() for build in SYSTEMS.values()], descriptor()
    wanted = concatenate(of.environments(images)).to(dtype)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = environment_on(of, images, device, dtype)
    finally:
        torch.set_num_threads(before)
    assert found.vectors.device.type == device
    for name in ("vectors", "first", "neighbors", "species"):
        assert torch.equal(getattr(found, name).cpu(), getattr(wanted, name)), name


@devices
def test_atoms_on_one_spot_are_an_error_that_names_the_image(device):
    images = [SYSTEMS[name]() for name in ("dimer", "linear_co2", "fe_primitive")]
    images[1].positions[2] = images[1].positions[0]
    with pytest.raises(ValueError, match="image 1: atoms 0 and 2 are on one spot"):
        environment_on(descriptor(), images, device)
    with pytest.raises(ValueError, match="frame b: atoms 0 and 2 are on one spot"):
        environment_on(descriptor(), images, device, names=["frame a", "frame b", "frame c"])
