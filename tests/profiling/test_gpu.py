"""``python -m profiling gpu``: the floor's arithmetic, and all of it on the CPU where there is no GPU."""

from __future__ import annotations

import ase.io
import pytest
import torch

from amptorch.kernels.environment import concatenate
from profiling import __main__ as command
from profiling import gpu
from profiling.byte_floor import bandwidth, bytes_moved
from profiling.kernels import descriptors, operations
from profiling.report import Report

from ..potentials import cuco_frames

CPU = torch.device("cpu")


def size(*tensors: torch.Tensor) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_bytes_are_those_of_the_tensors(dtype):
    """Of all inputs and outputs, as long as a neighbour of every pair touches as many features."""
    images = cuco_frames(3)
    for descriptor in descriptors(images).values():
        batch = concatenate(descriptor.environments(images)).to(dtype=dtype)
        inputs = size(batch.vectors, batch.first, batch.neighbors, batch.species)
        features, blocks = descriptor.jacobian(batch)
        found = bytes_moved(batch, descriptor.n_features, blocks.shape[1])
        assert found == {
            "forward": inputs + size(features),
            "forward + jacobian": inputs + size(features, blocks),
            "vjp": inputs + size(features, batch.vectors),
            "jvp": inputs + size(features, batch.vectors),
        }
        assert set(found) == set(operations(descriptor, batch))


def test_bandwidth_counts_reading_and_writing(monkeypatch):
    moments = iter(range(100))
    monkeypatch.setattr("profiling.byte_floor.time.perf_counter", lambda: 0.5 * next(moments))
    assert bandwidth(CPU, 1000) == 2 * 1000 / 0.5


def test_without_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="gpu: needs a GPU with CUDA"):
        command.main(["gpu", "--data", str(tmp_path / "frames.traj")])


def test_measurements():
    """The CPU stands in for a GPU: what is added to the report is the same."""
    report = Report("gpu", "A GPU's kernels", "python -m profiling gpu")
    gpu.measure(report, cuco_frames(2), CPU, torch.float64, 2)
    assert report.agrees
    keys = {each.key.split("/")[-1] for each in report.measurements}
    assert keys == {"bandwidth", "forward", "forward + jacobian", "vjp", "jvp", "device busy"}
    kernels, epoch = report.sections
    assert len(kernels.tables[0].rows) == len(report.checks) == 8
    seen = {row[0] for row in epoch.tables[0].rows}
    assert "`_NetworksBackward`" in seen
    assert not any("amptorch::" in name for name in seen)


@pytest.mark.skipif(bool(gpu.missing()), reason=gpu.missing())
def test_report(tmp_path):
    ase.io.write(tmp_path / "frames.traj", cuco_frames(4))
    options = ["--repeats", "1", "--out", str(tmp_path / "report")]
    command.main(["gpu", "--data", str(tmp_path / "frames.traj"), *options])
    assert (tmp_path / "report" / "report.html").is_file()
