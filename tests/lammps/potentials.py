"""Small potentials of every kind that the plugin has, and frames of every kind for them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from ase import Atoms

from amptorch import AtomsTrainer, Potential
from amptorch.descriptor.nep import NepDensity
from amptorch.potentials.nep.model import Nep
from amptorch.potentials.nep.shape import Shape
from amptorch.potentials.nep.zbl import NepZbl
from amptorch.potentials.networks.activations import OF_KERNEL
from amptorch.potentials.networks.model import BPNN
from amptorch.preprocessing.utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler

from .. import ace
from ..made_potentials import SCHEMES, alloy_frames, config

FRAMES = alloy_frames(6)
SNAP = {"rcutfac": 4.2, "twojmax": 4, "wj": {"Cu": 1.0, "Pd": 0.7}}
CHEMICAL = {**SNAP, "twojmax": 2, "chemflag": 1, "bnormflag": 1, "wselfallflag": 1}
INNER = {**SNAP, "switchinnerflag": 1, "sinner": 2.5, "dinner": 0.4, "bzeroflag": 0}

CASES: dict[str, dict[str, Any]] = {
    "symmetry functions": {"scheme": "gaussian_cosine"},
    "polynomial cutoff, fixed mask": {
        "scheme": "gaussian_polynomial",
        "model": {"element_mask": "fixed"},
    },
    "G5, one network, a mean of all": {
        "scheme": "gaussian_g5",
        "model": {"name": "SingleNN"},
        "dataset": {"baseline": None},
    },
    "standardized": {
        "scheme": "gaussian_g5",
        "dataset": {"scaling": {"type": "standardize", "elementwise": False}},
    },
    "linear in symmetry functions": {"scheme": "gaussian_g5", "model": {"name": "linear"}},
    "multipoles": {"scheme": "gmpordernorm"},
    "multipoles, roots": {"scheme": "gmpordernorm_unsquared"},
    "surface multipoles": {"scheme": "gmpordernorm_surface", "model": {"name": "SingleNN"}},
    "quadratic in multipoles": {"scheme": "gmpordernorm", "model": {"name": "quadratic"}},
    "SNAP": {"scheme": ("snap", SNAP), "model": {"name": "linear"}},
    "quadratic SNAP": {"scheme": ("snap", SNAP), "model": {"name": "quadratic"}},
    "SNAP of elements": {"scheme": ("snap", CHEMICAL), "model": {"name": "linear"}},
    "SNAP, inner switch, networks": {"scheme": ("snap", INNER)},
    "above ZBL": {
        "scheme": "gaussian_cosine",
        "dataset": {"baseline": [{"name": "zbl", "inner": 3.0, "outer": 4.0}, "linear"]},
    },
    "float32": {"scheme": "gaussian_cosine", "cmd": {"dtype": torch.FloatTensor}},
    **{
        f"activation {layer.__name__}": {
            "scheme": "gaussian_g5",
            "model": {"activation": layer, "hidden_layers": [4, 3]},
        }
        for layer in OF_KERNEL
        if layer is not torch.nn.Tanh
    },
}
# Activations of the layers of networks in place of those of "symmetry functions".
LAYERS = {
    "activations of layers": [torch.nn.Softplus, torch.nn.Tanh, torch.nn.Identity],
    "an activation of the output": [torch.nn.Tanh, torch.nn.Sigmoid],
}
LINEAR = ("linear", "quadratic")
NEP = {
    "NEP": Shape(("Cu", "Pd"), (2, 1), (4, 3), 3, ("222", "1111"), (5,)),
    "NEP3 of two layers": Shape(("Cu", "Pd"), (1, 2), (3, 4), 2, (), (4, 3), 3),
    "NEP5": Shape(("Cu", "Pd"), (1, 1), (3, 3), 2, ("222", "112"), (4,), 5),
}
# Repulsions above which "NEP" stands: that of all pairs, within shares of radii, and of each pair.
NEP_ZBL: dict[str, dict[str, Any]] = {
    "NEP above ZBL": {},
    "NEP above ZBL by type": {"outer": 3.3, "share": 1.1},
    "NEP above flexible ZBL": {
        "pairs": [
            [1.5 + k / 4, 3.0 + k / 4, 0.2, 3.0, 0.5, 1.0, 0.3 - k / 10, 0.4, k / 10, 0.2]
            for k in range(3)
        ]
    },
}
# Settings of the descriptor and of the model.
ACE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{f"ACE, {name}": (bonds, {}) for name, bonds in ace.BONDS.items()},
    "linear ACE": (ace.BONDS["inner"], {"name": "linear_ace"}),
    "ACE in float32": ({}, {"dtype": torch.float32}),
}
NAMES = (*CASES, *LAYERS, *NEP, *NEP_ZBL, *ACE)


SCALERS = {
    "target": TargetScaler.of(0.0, 0.7),
    "baseline": AtomicCorrectionScaler.from_settings({"Cu": -1.0, "Pd": 2.0}),
}


def nep(shape: Shape) -> Potential:
    """With random numbers."""
    torch.manual_seed(5)
    model = Nep(shape)
    model.randomize()
    model.q_scaler.uniform_(0.5, 2.0)
    fp_params = {"cutoff": [5.0, 4.0], "basis_size": list(shape.basis_size), "l_max": shape.l_max}
    descriptor = NepDensity(fp_params, shape.elements)
    identity = FeatureScaler.identity([29, 46], descriptor.n_features)
    return Potential(model.eval(), descriptor, {**SCALERS, "feature": identity})


@cache
def potential(name: str) -> Potential:
    """After one epoch, or a fit by least squares: weights are as good as random."""
    if name in NEP:
        return nep(NEP[name])
    if name in LAYERS:
        plain, activation = potential("symmetry functions"), LAYERS[name]
        same = {"elements": ["Cu", "Pd"], "input_dim": plain.descriptor.n_features}
        hidden = [5, 4][: len(activation) - 1]
        return replace(plain, model=BPNN(**same, hidden_layers=hidden, activation=activation))
    if name in NEP_ZBL:
        common = {"elements": ["Pd", "Cu"], "inner": 2.0, "outer": 3.0, "cutoffs": [4.0, 5.0]}
        plain, zbl = nep(NEP["NEP"]), NepZbl(**{**common, **NEP_ZBL[name]})
        return replace(plain, scalers={**plain.scalers, "fixed": zbl})
    if name in ACE:
        bonds, model = ACE[name]
        reach = {"cutoff": 4.6, "bonds": {"Cu-Pd": {"cutoff": 4.2}}}
        if "inner" in bonds:
            reach["inner"] = 2.8
        return ace.potential_of({**bonds, **reach}, elements=("Cu", "Pd"), scalers=SCALERS, **model)
    case = CASES[name]
    scheme, fp_params, *cutoff = (
        SCHEMES[case["scheme"]] if isinstance(case["scheme"], str) else case["scheme"]
    )
    dataset = {"fp_scheme": scheme, "fp_params": fp_params, "baseline": "linear"}
    if cutoff:
        dataset["cutoff_params"] = cutoff[0]
    sections = {"dataset": {**dataset, **case.get("dataset", {})}, "cmd": case.get("cmd", {})}
    model = case.get("model", {})
    with TemporaryDirectory() as folder:
        settings = config(FRAMES, folder, **sections, optim={"epochs": 1})
        settings["model"] |= model
        if model.get("name") in LINEAR:
            settings |= {"model": {**model, "get_forces": True}, "optim": {"alpha": 1e-6}}
        trainer = AtomsTrainer(settings)
        trainer.train()
        return trainer.potential


def sheared() -> Atoms:
    """Triclinic, left-handed, smaller than the cutoff."""
    frame = alloy_frames(1, seed=3)[0]
    shear = np.array([[0.1, 1.0, 0.2], [1.0, 0.15, -0.1], [0.0, 0.2, 1.05]])
    frame.set_cell(frame.cell.array @ shear, scale_atoms=True)
    return frame


def slab() -> Atoms:
    """Repeats in a skewed plane alone."""
    frame = alloy_frames(1, seed=4)[0].repeat((2, 2, 1))
    shear = np.array([[1, 0.2, 0], [0, 1, 0], [0, 0, 1]])
    frame.set_cell(frame.cell.array @ shear, scale_atoms=True)
    frame.rattle(0.05, seed=1)
    frame.pbc = True, True, False
    return frame


def cluster() -> Atoms:
    """Repeats nowhere."""
    frame = alloy_frames(1, seed=5)[0].repeat((2, 1, 2))
    frame.rattle(0.05, seed=2)
    frame.pbc = False
    return frame


def crystal() -> Atoms:
    """Longer than the cutoff along one axis."""
    frame = alloy_frames(1, seed=6)[0].repeat((4, 2, 1))
    frame.rattle(0.05, seed=3)
    return frame


STRUCTURES = {"sheared": sheared(), "slab": slab(), "cluster": cluster(), "crystal": crystal()}
