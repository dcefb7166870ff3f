"""Potentials in one file: what of them is written, and how it is put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..data.keys import Keys
from ..descriptor.base_descriptor import DESCRIPTOR_VERSION, BaseDescriptor
from ..files import tensor_file
from ..plain import packed, unpacked
from ..preprocessing import baselines
from ..preprocessing.scaling import KINDS, Scalers, with_state
from .model import Model
from .registry import families, family_of

KIND, FORMAT = "a saved potential", 1


@dataclass
class Parts:
    """What a :class:`amptorch.potentials.potential.Potential` is made of."""

    model: Model
    descriptor: BaseDescriptor
    scalers: Scalers
    keys: Keys


def fits(path: Path) -> bool:
    """Whether a path looks like a file of :func:`write`."""
    return tensor_file.looks_like_one(path)


def write(parts: Parts, path: str | Path) -> None:
    """Write a potential, exact to the last bit.

    Raises:
        ValueError: it has a class of the user's own.
    """
    tensor_file.write(path, KIND, FORMAT, *taken_apart(parts))


def read(path: str | Path) -> Parts:
    """The potential of :func:`write`, on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is cut or edited, of a later version, or of something else.
    """
    values, arrays = tensor_file.read(path, KIND, FORMAT)
    try:
        return put_together(values, arrays)
    except (ValueError, LookupError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{path}: {KIND} that cannot be put together: {error}") from error


def taken_apart(parts: Parts) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Plain values and tensors that stand for a potential.

    Raises:
        ValueError: it has a class of the user's own.
    """
    family = family_of(parts.model)
    arrays = {f"model.{name}": value for name, value in parts.model.state_dict().items()}
    values = {
        "family": family.name,
        "model": family.to_json(parts.model),
        "descriptor": _descriptor_to_json(parts.descriptor),
        "scalers": {
            name: _scaler_to_json(name, scaler, arrays) for name, scaler in parts.scalers.items()
        },
        "keys": asdict(parts.keys),
    }
    return values, arrays


def put_together(values: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> Parts:
    """The potential of :func:`taken_apart`."""
    return Parts(
        _model(values["family"], values["model"], arrays),
        _descriptor(values["descriptor"]),
        {name: _scaler(name, state, arrays) for name, state in values["scalers"].items()},
        Keys(**values["keys"]),
    )


def _model(family: str, values: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> Model:
    model = families()[family].from_json(values)
    prefix = "model."
    state = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    model.load_state_dict(state, assign=True)
    return model.eval()


def _descriptor_to_json(descriptor: BaseDescriptor) -> dict[str, Any]:
    return {
        "setup": descriptor.to_json(),
        "version": DESCRIPTOR_VERSION,
        "hash": descriptor.descriptor_setup_hash,
    }


def _descriptor(values: Mapping[str, Any]) -> BaseDescriptor:
    descriptor = BaseDescriptor.from_json(values["setup"])
    changed = descriptor.changed_since(values["version"])
    if changed is not None:
        raise ValueError(f"{changed}; train again")
    if descriptor.descriptor_setup_hash != values["hash"]:
        raise ValueError(
            f"descriptor: expected hash {values['hash']}, got {descriptor.descriptor_setup_hash}: "
            "its parameters mean something else here, or a file of pseudodensities has changed"
        )
    return descriptor


def _scaler_to_json(name: str, scaler: Any, arrays: dict[str, Tensor]) -> Any:
    if name == "fixed":
        return _plain(baselines.to_state(scaler), f"scalers.{name}", arrays)
    if type(scaler) is not KINDS.get(name):
        kind = type(scaler)
        raise ValueError(
            f"scalers: {name} is a {kind.__module__}.{kind.__qualname__}, and a file that runs no "
            "code cannot hold it"
        )
    return _plain(vars(scaler), f"scalers.{name}", arrays)


def _scaler(name: str, state: Any, arrays: Mapping[str, Tensor]) -> Any:
    if name == "fixed":
        return baselines.from_state(_whole(state, arrays))
    return with_state(name, _whole(state, arrays))


def _plain(value: object, path: str, arrays: dict[str, Tensor]) -> Any:
    """A value as JSON knows it, with its tensors put among ``arrays`` under their paths."""

    def put(path: str, array: Tensor) -> dict[str, str]:
        arrays[path] = array
        return {"array": path}

    return packed(value, path, put)


def _whole(value: Any, arrays: Mapping[str, Tensor]) -> Any:
    """The value of :func:`_plain`."""
    return unpacked(value, lambda entry: arrays[entry["array"]])
