"""``python -m amptorch machine``, and the choice of the instruction set."""

from __future__ import annotations

import os
from importlib import metadata

import torch

from amptorch.cli import main
from amptorch.kernels.capability import capability
from amptorch.processes.threads import threads_summary

from ..processes import answer


def choice() -> list[str]:
    """Nothing is chosen before a kernel runs, and a bad choice is none."""
    said = []
    for name in ("avx1", "baseline", "avx2"):
        os.environ["AMPTORCH_CPU_CAPABILITY"] = name
        try:
            said.append(" ".join(capability()))
        except ValueError as error:
            said.append(str(error))
    return said


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


def test_the_instruction_set_is_chosen_once(start):
    assert answer(start, choice) == [
        "AMPTORCH_CPU_CAPABILITY: expected 'baseline', 'avx2' or 'avx512', got 'avx1'",
        "baseline AMPTORCH_CPU_CAPABILITY",
        "baseline AMPTORCH_CPU_CAPABILITY",
    ]
