"""``python -m amptorch machine``, and the choice of the instruction set."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import torch

from amptorch.cli import main
from amptorch.kernels.capability import capability
from amptorch.processes.threads import threads_summary

# Nothing is chosen before a kernel runs, and a bad choice is none.
CHOICE = """
import os
from amptorch.kernels.capability import capability
for name in ("avx1", "baseline", "avx2"):
    os.environ["AMPTORCH_CPU_CAPABILITY"] = name
    try:
        print(*capability())
    except ValueError as error:
        print(error)
"""


def test_what_is_printed(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert main(["machine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:12].strip(): line[13:] for line in lines}
    assert rows["kernels"].startswith(capability()[0])
    assert rows["threads"].startswith(f"{torch.get_num_threads()} (OMP_NUM_THREADS=3; ")
    assert rows["waiting"] == threads_summary()["waiting"]
    assert rows["torch"] == metadata.version("torch")


def test_the_instruction_set_is_chosen_once():
    done = subprocess.run([sys.executable, "-c", CHOICE], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "AMPTORCH_CPU_CAPABILITY: expected 'baseline', 'avx2' or 'avx512', got 'avx1'",
        "baseline AMPTORCH_CPU_CAPABILITY",
        "baseline AMPTORCH_CPU_CAPABILITY",
    ], done.stderr
