"""How many threads there are, how they wait, and when garbage is looked for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from amptorch.processes import collection, group
from amptorch.processes import threads as processes


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="ascii")
    return folder


NEW = "0::/batch/job\n"
OLD = "7:memory:/job\n4:cpu,cpuacct:/batch/job\n1:cpuset:/\n"
CONTAINER = "2:cpu:/docker/0123\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        (NEW, {}, None),
        (NEW, {"batch/job/cpu.max": "max 100000"}, None),
        (NEW, {"batch/job/cpu.max": "150000 100000"}, 1.5),
        (NEW, {"batch/job/cpu.max": "max 100000", "batch/cpu.max": "400000 100000"}, 4.0),
        (NEW, {"batch/job/cpu.max": "300000 100000", "cpu.max": "100000 50000"}, 2.0),
        (NEW, {"other/cpu.max": "100000 100000", "batch/job/cpu.max": "nonsense"}, None),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2.5),
        (
            OLD,
            {
                "cpu,cpuacct/batch/job/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/batch/job/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        (
            OLD,
            {
                "cpu,cpuacct/batch/cpu.cfs_quota_us": "800000\n",
                "cpu,cpuacct/batch/cpu.cfs_period_us": "100000\n",
                "memory/job/cpu.cfs_quota_us": "1\n",
            },
            8.0,
        ),
        (CONTAINER, {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
    ],
)
def test_quotas_of_control_groups(groups, files, expected, tmp_path):
    root = written(tmp_path / "cgroup", files)
    (tmp_path / "groups").write_text(groups, encoding="ascii")
    assert processes.quota(tmp_path / "groups", root) == expected


@pytest.mark.parametrize(("gpus", "number", "index"), [(0, 1, None), (1, 0, 0), (1, 1, 1)])
def test_a_process_of_several_uses_its_gpu(gpus, number, index, monkeypatch):
    used = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    monkeypatch.setattr(group, "is_shared", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", str(number))
    assert group.device(gpus) == torch.device("cpu" if index is None else f"cuda:{index}")
    assert used == ([] if index is None else [index])
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="expected --nproc_per_node 2 at most"):
        group.device(1)


def test_no_control_groups_are_no_quota(tmp_path):
    assert processes.quota(tmp_path / "absent", tmp_path) is None


@pytest.mark.parametrize(
    ("bound", "quota", "expected"),
    [(8, None, 8), (8, 2.0, 2), (8, 2.9, 2), (8, 0.5, 1), (2, 16.0, 2)],
)
def test_cores_are_what_both_limits_leave(bound, quota, expected, monkeypatch):
    monkeypatch.setattr(processes, "bound_cores", lambda: bound)
    monkeypatch.setattr(processes, "quota", lambda: quota)
    assert processes.cores() == expected


@pytest.fixture
def threads(monkeypatch):
    """Five threads, as on five cores, of which a quota leaves two; nothing is set."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processes, "bound_cores", lambda: 5)
    monkeypatch.setattr(processes, "quota", lambda: 2.0)
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    yield
    torch.set_num_threads(before)


def test_threads_keep_to_the_quota(threads):
    processes.limit_threads()
    assert torch.get_num_threads() == 2
    found = processes.threads_summary()["threads"]
    assert found.startswith("2 (bound to 5 of ")
    assert "a quota of 2 cores' time" in found


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_threads_that_the_environment_names_are_kept(threads, name, monkeypatch):
    monkeypatch.setenv(name, "5")
    processes.limit_threads()
    assert torch.get_num_threads() == 5


def test_threads_that_a_script_set_are_kept(threads):
    torch.set_num_threads(4)
    processes.limit_threads()
    assert torch.get_num_threads() == 4


def test_how_threads_wait_is_set_where_nothing_is(monkeypatch):
    for said in (True, False):
        monkeypatch.setenv("GOMP_SPINCOUNT", "7")
        monkeypatch.setattr(processes, "_SAID", said)
        processes.wait_briefly()
        assert os.environ["GOMP_SPINCOUNT"] == ("7" if said else "1000")


def run(script: str, **said: str) -> subprocess.CompletedProcess[str]:
    """A script in a new process whose OpenMP says what it was told."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    environment.update(OMP_DISPLAY_ENV="VERBOSE", **said)
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    )


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
SUMMARY = (
    "from amptorch.processes.threads import threads_summary; print(threads_summary()['waiting'])"
)


def test_openmp_is_told_before_it_is_loaded():
    done = run(f"import amptorch; {SUMMARY}")
    assert "look 1000 times, then sleep" in done.stdout
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch's OpenMP is not GNU's here")
    assert "GOMP_SPINCOUNT = '1000'" in done.stderr


LATE = f"""
import threading
import torch
import amptorch
from amptorch.processes import threads

threads.bound_cores = lambda: 2
torch.set_num_threads(2)
{SUMMARY}
for _ in range(2):
    threads.wait_briefly_late()
    print([thread.name for thread in threading.enumerate() if thread.daemon])
{SUMMARY}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="OpenMP of GNU is Linux's")
def test_openmp_that_was_loaded_before_gets_more_threads_than_cores():
    done = run(LATE)
    before, *threads, after = done.stdout.splitlines()
    assert "until training begins, since torch was imported before amptorch" in before
    assert threads == ["['amptorch']"] * 2
    assert "look 100 times, then sleep" in after
    # Libraries that come later may have an OpenMP of their own.
    assert "GOMP_SPINCOUNT = '1000'" not in done.stderr.partition("ENVIRONMENT END")[0]


def test_openmp_waits_as_the_environment_says():
    before, *threads, after = run(LATE, OMP_WAIT_POLICY="ACTIVE").stdout.splitlines()
    assert before == after
    assert before == "OMP_WAIT_POLICY=ACTIVE"
    assert threads == ["[]"] * 2


@pytest.mark.parametrize("there", [True, False])
def test_the_search_for_garbage_is_as_it_was_after_a_pause(there):
    before = gc.isenabled()
    try:
        (gc.enable if there else gc.disable)()
        with collection.paused():
            during = gc.isenabled()
        assert (during, gc.isenabled()) == (False, there)
    finally:
        (gc.enable if before else gc.disable)()
