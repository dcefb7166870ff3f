"""The space that is searched where none is given: around the recipe of each family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from ...potentials.ace.ladder import functions_of, highest_n
from .dimension import place_of, value_at
from .space import POTENTIAL, Sections

Entries = Mapping[str, Mapping[str, Any]]

_BY_GRADIENTS: Entries = {
    "optim.lr": {"factor": [0.5, 2.0]},
    # Wider, errors of energies and forces are traded for each other, which their mean hardly sees.
    "optim.force_coefficient": {"factor": [0.5, 2.0]},
}
_BY_LEAST_SQUARES: Entries = {
    "optim.alpha": {"low": 1e-10, "high": 1e-3, "log": True},
    "optim.weights.energy": {"factor": [0.1, 10.0]},
}
_BISPECTRUM: Entries = {
    "dataset.fp_params.rcutfac": {"factor": [0.75, 1.4]},
    "dataset.fp_params.rfac0": {"low": 0.8, "high": 0.995},
    "dataset.fp_params.wj": {"factor": [0.3, 1.5]},
    **_BY_LEAST_SQUARES,
}
_FUNCTIONS = (0.2, 2.0)
_EXPANSION: Entries = {
    "model.functions": {"factor": list(_FUNCTIONS)},
    "dataset.fp_params.bonds.*.cutoff": {"factor": [0.75, 1.3]},
}
# Of radial functions, in parts of those of the recipe.
_MOST_RADIAL = 1.3
ENTRIES: Mapping[str, Entries] = {
    "networks": {
        "model.hidden_layers": {"factor": [0.5, 1.5]},
        "dataset.fp_params.auto.cutoff": {"factor": [0.75, 1.2]},
        "dataset.fp_params.auto.size.radial": {"factor": [0.6, 1.5]},
        "dataset.fp_params.auto.size.narrow": {"factor": [0.6, 1.7]},
        "dataset.fp_params.MCSHs.sigmas": {"factor": [0.6, 1.4]},
        **_BY_GRADIENTS,
    },
    "snap": {"dataset.fp_params.twojmax": {"choices": [4, 6, 8]}, **_BISPECTRUM},
    "qsnap": {"dataset.fp_params.twojmax": {"choices": [2, 4, 6]}, **_BISPECTRUM},
    "nep": {
        "model.n_max": {"factor": [0.5, 1.4]},
        "model.neurons": {"factor": [0.3, 2.0]},
        "dataset.fp_params.cutoff": {"factor": [0.8, 1.2]},
        "dataset.fp_params.basis_size": {"factor": [0.6, 1.4]},
        **_BY_GRADIENTS,
    },
    "ace": {
        "optim.kappa": {"factor": [0.3, 3.0]},
        "optim.alpha": _BY_LEAST_SQUARES["optim.alpha"],
        **_EXPANSION,
    },
    "linear_ace": {
        "optim.degree_power": {"low": 0.0, "high": 4.0},
        **_EXPANSION,
        **_BY_LEAST_SQUARES,
    },
}


def default_space(
    bases: Mapping[str, Sections], families: Sequence[str] | None = None
) -> dict[str, Any]:
    """The space for data, as a file would have it.

    Args:
        bases: by family, what its recipe chooses for them; what a recipe lacks is not searched.
        families: those to search, default all.
    """
    names = [name for name in bases if families is None or name in families]
    found: dict[str, Any] = {POTENTIAL: {"choices": names}}
    for name in names:
        entries = ENTRIES.get(name, {})
        found[name] = {key: deepcopy(e) for key, e in entries.items() if _has(bases[name], key)}
    if "ace" in names:
        found["ace"]["dataset.fp_params.n_radial"] = _radial(bases["ace"])
    return found


def _radial(config: Sections) -> dict[str, int]:
    """Numbers of radial functions, where these are trained: at least what the largest number of
    functions that is searched needs."""
    model, params = config["model"], config["dataset"]["fp_params"]
    elements = sorted({element for pair in params["bonds"] for element in pair.split("-")})
    most = round(_FUNCTIONS[1] * model["functions"])
    chosen = functions_of(elements, most, model.get("neighbors"), model.get("powers"))
    return {"low": highest_n(chosen), "high": round(_MOST_RADIAL * params["n_radial"])}


def _has(config: Sections, key: str) -> bool:
    try:
        value_at(config, place_of(key))
    except (KeyError, IndexError, TypeError):
        return False
    return True
