"""The family of ACE potentials: its line of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...descriptor.ace import Ace as Descriptor
from ...errors import is_number
from ..potential import Potential
from ..precision import dtype_of, name_of
from ..registry import GRADIENTS, LEAST_SQUARES, LINEAR_SEARCH, Family, Format, Inputs
from .embeddings import Embedding
from .extrapolation import read_beside, write_beside
from .files.contents import is_file
from .files.yace import read_yace, write_yace
from .files.yaml_form import read_yaml, write_yaml
from .functions import Expansion
from .ladder import Label, functions_of, highest_n
from .linear import LinearAce
from .model import Ace
from .settings import AceSettings

MODELS: dict[str, type[Ace] | type[LinearAce]] = {"ace": Ace, "linear_ace": LinearAce}


def make(
    settings: AceSettings, inputs: Inputs, dtype: torch.dtype, get_stress: bool = False
) -> Ace | LinearAce:
    """A model whose coefficients are 0.

    Args:
        settings: the section "model" of a configuration.
        inputs: elements, and the descriptor "ace".
        dtype: of all numbers.
        get_stress: whether its ``forward`` gives stresses.

    Raises:
        ValueError: of another descriptor, one with too few radial functions, or a linear model
            whose functions a core repulsion replaces.
    """
    descriptor = inputs.descriptor
    if not isinstance(descriptor, Descriptor):
        raise ValueError(
            f"model: ace is made of the fingerprints of fp_scheme 'ace', got "
            f"{descriptor.descriptor_type!r}"
        )
    if settings.name == "linear_ace" and descriptor.inner_cutoff == "zbl":
        raise ValueError(
            "model: linear_ace is not linear in its functions where an inner_cutoff 'zbl' replaces "
            "them, expected 'distance' or 'density' in fp_params"
        )
    expansion = _expansion(settings, inputs, descriptor)
    more = {} if settings.name == "ace" else {"covariance": settings.covariance}
    model = MODELS[settings.name](
        expansion,
        descriptor.n_radial,
        descriptor.l_max,
        get_forces=settings.get_forces,
        get_stress=get_stress,
        dtype=dtype,
        **more,
    )
    if settings.active_sets:
        model.expect_active_sets()
    return model


def _expansion(settings: AceSettings, inputs: Inputs, descriptor: Descriptor) -> Expansion:
    labels: dict[str, list[Label]] = {element: [] for element in inputs.elements}
    shares = _neighbors(settings, inputs.elements)
    chosen = functions_of(inputs.elements, settings.functions, shares, settings.powers)
    for block, functions in chosen.items():
        labels[block.center] += functions
    highest = highest_n(chosen)
    expansion = Expansion.of_labels(
        inputs.elements,
        labels,
        [Embedding([1.0] * len(settings.densities), settings.densities)] * len(inputs.elements),
        descriptor.inner_cutoff,
    )
    if highest > descriptor.n_radial or expansion.l_max > descriptor.l_max:
        raise ValueError(
            f"model: {settings.functions} functions need n_radial >= {highest} and l_max >= "
            f"{expansion.l_max}, got {descriptor.n_radial} and {descriptor.l_max}"
        )
    return expansion


def _neighbors(
    settings: AceSettings, elements: Sequence[str]
) -> Mapping[str, Mapping[str, float]] | None:
    given = settings.neighbors
    if given is None:
        return None
    rows = [{*given}, *({*row} for row in given.values())]
    numbers = [number for row in given.values() for number in row.values()]
    if any(row != {*elements} for row in rows) or not all(is_number(n) and n >= 0 for n in numbers):
        raise ValueError(
            f"model: neighbors: expected numbers >= 0 for each of {list(elements)} around each, "
            f"got {given!r}"
        )
    return given


def to_json(model: Ace | LinearAce) -> dict[str, Any]:
    """Arguments that make the model."""
    of_kind: dict[str, Any] = {"name": "ace"}
    if isinstance(model, LinearAce):
        of_kind = {"name": "linear_ace", "covariance": model.inverse is not None}
    return {
        **of_kind,
        "expansion": model.expansion.to_json(),
        "n_radial": model.n_radial,
        "l_max": model.l_max,
        "get_forces": model.get_forces,
        "get_stress": model.get_stress,
        "dtype": name_of(model.coefficients.dtype),
        "active_sets": model.expects_active_sets,
    }


def from_json(values: Mapping[str, Any]) -> Ace | LinearAce:
    """The model of :func:`to_json`."""
    arguments = dict(values)
    kind, graded = MODELS[arguments.pop("name")], arguments.pop("active_sets", False)
    expansion, dtype = Expansion.from_json(values["expansion"]), dtype_of(values["dtype"])
    model = kind(**{**arguments, "expansion": expansion, "dtype": dtype})
    if graded:
        model.expect_active_sets()
    return model


def _with_active_sets(write: Callable[[Potential, Path], None]) -> Callable[..., None]:
    def both(potential: Potential, path: Path) -> None:
        write(potential, path)
        write_beside(potential, path)

    return both


FAMILY = Family(
    name="ace",
    models=MODELS,
    Settings=AceSettings,
    make=make,
    to_json=to_json,
    from_json=from_json,
    fits={
        "gradients": GRADIENTS,
        "least_squares": LEAST_SQUARES,
        "quasi_newton": "amptorch.fit.quasi_newton.fit:QuasiNewton",
    },
    recipes={"ace": "amptorch.recipe.ace:ace", "linear_ace": "amptorch.recipe.ace:linear_ace"},
    searches={"linear_ace": LINEAR_SEARCH},
    formats=(
        Format(
            "a .yace of ACE",
            lambda path: is_file(path, (".yace",), "functions"),
            read_yace,
            key="yace",
            write=_with_active_sets(write_yace),
        ),
        Format(
            "a .yaml of ACE",
            lambda path: is_file(path, (".yaml", ".yml"), "speciesblock"),
            lambda path, device: read_beside(read_yaml(path, device), path),
            key="ace-yaml",
            write=_with_active_sets(write_yaml),
        ),
    ),
)
