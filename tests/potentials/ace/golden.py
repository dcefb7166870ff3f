"""Golden potentials of ``shared/golden/ace``, and frames of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from ...systems import SHARED

FOLDER = SHARED / "golden" / "ace"
CASES = (
    "alni_zbl--alni_4",
    "alni_zbl--alni_near",
    "cu_sbessel_linear--cu_1_small",
    "cu_sbessel_linear--cu_4",
    "hopt_mixed--water_dimer",
    "hopt_mixed_e0--water_dimer",
    "li_cheblinear_inner--li_2",
    "li_cheblinear_inner--li_near",
    "mo_chebpow_core--mo_2",
    "mo_chebpow_core--mo_dimer_close",
    "si_chebexpcos_fs--si_8",
    "si_chebexpcos_fs--si_cluster",
    "si_chebexpcos_fs--si_isolated_and_dimer",
)


@cache
def index() -> dict[str, Any]:
    """What there is; skips the test where it is not."""
    path = FOLDER / "index.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return json.loads(path.read_text())


def arrays(case: str) -> Mapping[str, Any]:
    """Of a case."""
    index()
    with np.load(FOLDER / f"{case}.npz") as file:
        return dict(file)


def frame(values: Mapping[str, Any]) -> Atoms:
    """Its frame."""
    return Atoms(values["numbers"], values["positions"], cell=values["cell"], pbc=values["pbc"])


def files(case: str) -> list[str]:
    """Names of the files of its potential."""
    return next(each for each in index()["cases"] if each["case"] == case)["potential_files"]
