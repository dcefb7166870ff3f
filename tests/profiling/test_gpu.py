"""``python -m profiling gpu``: the floor's arithmetic, and all of it on the CPU where there is no GPU."""

from __future__ import annotations

import ase.io
import pytest
import torch

from amptorch.kernels.environment import concatenate
from profiling import __main__ as command
from profiling import gpu_kernels
from profiling.byte_floor import bandwidth, bytes_moved
from profiling.device import Profile
from profiling.kernels import descriptors, operations
from profiling.report import Report

from ..made_potentials import cuco_frames

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


def test_all_parts(tmp_path):
    """The CPU stands in for a GPU: what is added to the report is the same, but for memory."""
    ase.io.write(tmp_path / "frames.traj", cuco_frames(2))
    options = ["--frames", "4", "--batch", "2", "--repeats", "2", "--device", "cpu"]
    files = ["--out", str(tmp_path / "report"), "--trace", str(tmp_path / "trace.json.gz")]
    command.main(["gpu", "--data", str(tmp_path / "frames.traj"), *options, *files])
    report = Report.read(tmp_path / "report")
    assert report.agrees
    assert report.data["frames"].remark == "2 of the file, the others displaced copies of these."
    kernels, calls, fingerprints, *epochs = report.sections
    agreement = [each.passed for each in report.checks if "on the CPU, relative" in each.what]
    assert len(agreement) == 6
    assert len(kernels.tables[0].rows) == len(report.checks) - len(agreement) == 20
    assert [row[0] for row in calls.tables[0].rows] == [
        f"{n_atoms} atoms, {way}" for n_atoms in (3, 300) for way in ("list", "neighbours anew")
    ]
    assert len(fingerprints.tables[0].rows) == 3
    for epoch in epochs:
        seen, stages = ({row[0] for row in table.rows} for table in epoch.tables)
        assert "`aten::cat`" in seen
        assert "`amptorch::collate`" in stages
    seconds = {each.key: each.median for each in report.measurements}
    for form in ("on_the_fly", "cached"):
        of_epochs = seconds[f"epoch/{form}/float64/epoch"]
        scaled = seconds[f"epoch/{form}/float64/epoch scaled to 16000 frames"]
        assert scaled == pytest.approx(of_epochs * 16000 / 4)
    of_a_stage = [each for each in report.measurements if each.key.endswith("/neighbours")]
    assert [len(each.samples) for each in of_a_stage] == [2, 2, 2]
    assert (tmp_path / "trace.json.gz").stat().st_size > 0


def test_a_set_that_fails_leaves_the_others(monkeypatch):
    measured = gpu_kernels._measure

    def fail_first(report, work, name, *rest):
        if name == "symmetry functions (36)":
            raise torch.OutOfMemoryError("out of memory")
        return measured(report, work, name, *rest)

    monkeypatch.setattr(gpu_kernels, "_measure", fail_first)
    report = Report("gpu", "A GPU's kernels", "python -m profiling gpu")
    gpu_kernels.measure(report, gpu_kernels.Work(cuco_frames(2), CPU, torch.float64, 2, 1))
    assert [check.what for check in report.checks if not check.passed] == [
        "symmetry functions (36), float64: out of memory"
    ]
    assert len(report.sections[0].tables[0].rows) == 16


def test_idle_share():
    found = Profile({"a": 1.0, "b": 2.0}, {}, wall=12.0)
    assert (found.busy, found.idle) == (3.0, 0.75)
    assert Profile({"a": 2.0}, {}, wall=1.0).idle == 0.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(tmp_path):
    ase.io.write(tmp_path / "frames.traj", cuco_frames(4))
    options = ["--frames", "4", "--batch", "2", "--repeats", "1", "--out", str(tmp_path / "report")]
    command.main(["gpu", "--data", str(tmp_path / "frames.traj"), *options])
    assert (tmp_path / "report" / "report.html").is_file()
