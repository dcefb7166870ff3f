"""A run made ready for elements that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.data import atomic_numbers

from ..data.statistics import Statistics
from ..data.targets import TargetReader
from ..descriptor import Setup, construct_descriptor
from ..descriptor.base_descriptor import BaseDescriptor
from ..descriptor.Gaussian import Gaussian
from ..descriptor.Gaussian.extension import places, with_elements
from ..descriptor.multipoles import MultipoleDescriptor
from ..descriptor.nep import NepDensity
from ..files import checkpoint
from ..potentials.model import Model
from ..potentials.nep import extension as of_nep
from ..potentials.nep.model import Nep
from ..potentials.networks.extension import take_weights
from ..potentials.networks.members import members_of
from ..potentials.potential import Potential
from ..potentials.precision import dtype_of
from ..potentials.registry import Inputs, family_named, model_name
from ..potentials.run_folder import RunFolder
from ..preprocessing import AtomsToData
from ..preprocessing.extension import baseline_with_elements, features_with_elements
from ..preprocessing.scaling import Scalers, to_file
from ..preprocessing.utils import FeatureScaler
from ..recipe import PRESETS, rules


def write_extended(
    run_of: Path, images: Sequence[Atoms], elements: Sequence[str], preset: str, folder: Path
) -> None:
    """Write the files of a run's potential that knows more elements and gives the same energies
    wherever these are not.

    Args:
        run_of: the run.
        images: with the new elements.
        elements: all of them.
        preset: see :data:`amptorch.recipe.PRESETS`; it decides how many functions are new.
        folder: to write to.

    Raises:
        ValueError: a model or a descriptor that elements cannot be added to.
    """
    run = RunFolder.open(run_of)
    old = run.potential(torch.device("cpu"))
    setup = _setup(run, elements, preset, images)
    descriptor = construct_descriptor(setup)
    where = {each: _places(old.descriptor, descriptor, each) for each in old.elements}
    model = _model(run, old, descriptor, where)
    scaling = run.config["dataset"].get("scaling") or {}
    scalers = _scalers(old, descriptor, where, images, {**scaling, "elementwise": True})
    dataset = {**run.config["dataset"], "fp_params": setup[1], "elements": list(elements)}
    dataset.update(descriptor=setup, fp_length=descriptor.n_features, prune=None)
    checkpoint.write_settings(folder, {**run.config, "dataset": dataset}, to_file(scalers))
    checkpoint.save(model.state_dict(), folder / "params.pt")


def _setup(run: RunFolder, elements: Sequence[str], preset: str, images: Sequence[Atoms]) -> Setup:
    scheme, parameters, cutoff_params, _ = run.config["dataset"]["descriptor"]
    old = run.descriptor
    if isinstance(old, Gaussian):
        size = dict(rules.functions(len(elements), PRESETS[preset]))
        parameters = with_elements(old, elements, size, images)
    elif isinstance(old, NepDensity):
        parameters = of_nep.with_elements(old, elements)
    elif not isinstance(old, MultipoleDescriptor):
        raise ValueError(
            f"data: elements are added to symmetry functions, multipoles and nep, {run.path} has "
            f"{scheme!r}: expected frames of {', '.join(old.elements)}"
        )
    return scheme, parameters, cutoff_params, list(elements)


def _places(old: BaseDescriptor, new: BaseDescriptor, element: str) -> list[int]:
    """Where the features of an element are among the new ones."""
    if isinstance(old, Gaussian) and isinstance(new, Gaussian):
        return places(old.descriptor_setup[element], new.descriptor_setup[element])
    if isinstance(old, NepDensity) and isinstance(new, NepDensity):
        return of_nep.places(old, new)
    return list(range(old.n_features))


def _model(
    run: RunFolder, old: Potential, descriptor: BaseDescriptor, where: dict[str, list[int]]
) -> Model:
    section: dict[str, Any] = dict(run.config.get("model", {}))
    family = family_named(model_name(section))
    inputs = Inputs(list(descriptor.elements), descriptor.n_features, descriptor)
    dtype = dtype_of(run.config.get("cmd", {}).get("dtype", "float64"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before, model = (
            family.make(family.Settings(**section), each, dtype) for each in (run.inputs, inputs)
        )
    run.load_parameters(before, torch.device("cpu"))
    if isinstance(model, Nep) and isinstance(before, Nep):
        of_nep.take_parameters(model, before)
        return model
    # A feature that an element does not have is 0.
    numbers = torch.tensor([atomic_numbers[each] for each in old.elements])
    shifts = old.scalers["feature"].affine(numbers)[1]
    idle = dict(zip(old.elements, shifts, strict=True))
    for new, trained in zip(members_of(model), members_of(before), strict=True):
        take_weights(new, trained, where, idle)
    return model


def _scalers(
    old: Potential,
    descriptor: BaseDescriptor,
    where: dict[str, list[int]],
    images: Sequence[Atoms],
    scaling: dict[str, Any],
) -> Scalers:
    scalers = dict(old.scalers)
    reader = TargetReader(forces=False, keys=old.keys, baseline=scalers.get("fixed"))
    statistics = Statistics.of(
        AtomsToData(descriptor, fprimes=False, reader=reader).convert_all(images, True)
    )
    if descriptor.scaled:
        numbers = {atomic_numbers[element]: each for element, each in where.items()}
        fitted = FeatureScaler(statistics, old.forces, scaling)
        scalers["feature"] = features_with_elements(scalers["feature"], fitted, numbers)
    else:
        every = descriptor.element_indices.tolist()
        scalers["feature"] = FeatureScaler.identity(every, descriptor.n_features)
    if "baseline" in scalers:
        scalers["baseline"] = baseline_with_elements(scalers["baseline"], statistics)
    return scalers
