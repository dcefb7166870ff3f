"""The keywords of nep.in: how many values each has, of what kind, and in which range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ase.data import atomic_numbers

from ...errors import nearest

if TYPE_CHECKING:
    from .nep_in import NepIn

UNSUPPORTED = {
    "charge_mode": "charges",
    "lambda_q": "charges",
    "lambda_z": "Born effective charges",
    "vdw": "dispersion",
    "charge_vdw": "charges and dispersion",
    "atomic_v": "virials of atoms",
    "use_typewise_cutoff": "cutoffs from radii for descriptors; give `cutoff` for each type",
}


class NepInError(ValueError):
    """Something in nep.in that cannot be; says where, what was expected and what came."""


@dataclass
class FineTune:
    """A potential and a distribution to start from; whether the c of radial functions move."""

    potential: str
    restart: str
    radial: bool = True


def read_line(found: NepIn, words: list[str], where: str) -> None:
    """Take up a line.

    Args:
        found: what was read so far.
        words: keyword and values.
        where: file and line, for errors.

    Raises:
        NepInError: see there.
    """
    name, values = words[0].lower(), words[1:]
    if name in UNSUPPORTED:
        raise NepInError(f"{where}: `{name}` is not supported: {UNSUPPORTED[name]}")
    name = {"mode": "model_type"}.get(name, name)
    if name not in _KEYWORDS:
        raise NepInError(f"{where}: unknown keyword `{words[0]}`; {nearest(name, _KEYWORDS)}")
    _KEYWORDS[name](found, name, values, where)


def _expect(good: bool, where: str, expected: str, values: Sequence[str]) -> None:
    if not good:
        raise NepInError(f"{where}: expected {expected}, got `{' '.join(values)}`")


def _number(text: str, kind: type, where: str, name: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise NepInError(f"{where}: expected {what} for {name}, got `{text}`") from None


@dataclass(frozen=True)
class _Numbers:
    """Values of one kind, each in its range."""

    kind: type
    ranges: tuple[tuple[float, float], ...]
    least: int | None = None  # how many there have to be, default all

    def __call__(self, found: NepIn, name: str, values: list[str], where: str) -> None:
        setattr(found, name, self.one_or_many(self.read(name, values, where)))

    def one_or_many(self, numbers: tuple[Any, ...]) -> Any:
        return numbers[0] if len(self.ranges) == 1 else numbers

    def read(self, name: str, values: list[str], where: str) -> tuple[Any, ...]:
        least = len(self.ranges) if self.least is None else self.least
        how_many = f"{least}" if least == len(self.ranges) else f"{least} to {len(self.ranges)}"
        many = "value" if how_many == "1" else "values"
        _expect(
            least <= len(values) <= len(self.ranges),
            where,
            f"{name} with {how_many} {many}",
            values,
        )
        numbers = tuple(_number(each, self.kind, where, name) for each in values)
        for number, (low, high) in zip(numbers, self.ranges, strict=False):
            text = f"{name} from {low:g} to {high:g}" if high < MANY else f"{name} >= {low:g}"
            _expect(low <= number <= high, where, text, values)
        return numbers


MANY = 1e12


def _switch(found: NepIn, name: str, values: list[str], where: str) -> None:
    _expect(values in (["0"], ["1"]), where, f"{name} 0 or 1", values)
    setattr(found, name, values == ["1"])


def _types(found: NepIn, name: str, values: list[str], where: str) -> None:
    count = _number(values[0], int, where, name) if values else 0
    good = count > 0 and len(values) == count + 1
    _expect(good, where, "type with a number and so many elements", values)
    for element in values[1:]:
        if element not in atomic_numbers or element == "X":
            raise NepInError(f"{where}: expected elements, got `{element}`")
    _expect(len(set(values[1:])) == count, where, "each element once", values)
    found.type = tuple(values[1:])


def _need_types(found: NepIn, name: str, where: str) -> int:
    if not found.type:
        raise NepInError(f"{where}: expected `type` in a line before `{name}`")
    return len(found.type)


def _cutoff(found: NepIn, name: str, values: list[str], where: str) -> None:
    count = _need_types(found, name, where)
    text = f"a radial and an angular cutoff, or {count} such pairs"
    _expect(len(values) in (2, 2 * count), where, text, values)
    numbers = [_number(each, float, where, name) for each in values]
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    for far, near in pairs:
        _expect(3.0 <= near <= far <= 100.0, where, "3 <= angular <= radial cutoff <= 100", values)
    found.cutoff = pairs * (count if len(pairs) == 1 else 1)


def _l_max(found: NepIn, name: str, values: list[str], where: str) -> None:
    numbers = _Numbers(int, ((2, 8), *((0, 9),) * 6), least=1).read(name, values, where)
    # What is not named is as it is by default.
    flags = [number > 0 for number in numbers[1:]]
    found.l_max, found.flags = numbers[0], (*flags, *found.flags[len(flags) :])


def _type_weight(found: NepIn, name: str, values: list[str], where: str) -> None:
    count = _need_types(found, name, where)
    found.type_weight = _Numbers(float, ((0, MANY),) * count).read(name, values, where)


def _batch(found: NepIn, name: str, values: list[str], where: str) -> None:
    numbers = _Numbers(int, ((1, MANY), (0, 1)), least=1).read(name, values, where)
    found.batch, found.full = numbers[0], numbers[1:] == (1,)


def _neuron(found: NepIn, name: str, values: list[str], where: str) -> None:
    numbers = _Numbers(int, ((1, 120), (0, 120)), least=1).read(name, values, where)
    found.neuron = tuple(number for number in numbers if number)


def _typewise(found: NepIn, name: str, values: list[str], where: str) -> None:
    numbers = _Numbers(float, ((0.5, MANY),), least=0).read(name, values, where)
    found.zbl_factor = numbers[0] if numbers else 0.7


def _version(found: NepIn, name: str, values: list[str], where: str) -> None:
    _expect(values in (["3"], ["4"]), where, "version 3 or 4", values)
    found.version = int(values[0])


def _model_type(found: NepIn, name: str, values: list[str], where: str) -> None:
    _expect(
        values == ["0"], where, f"{name} 0, potential energies (nothing else is supported)", values
    )


def _fine_tune(found: NepIn, name: str, values: list[str], where: str) -> None:
    good = len(values) in (2, 3) and values[2:] in ([], ["0"], ["1"])
    _expect(good, where, f"{name} with nep.txt, nep.restart and 0 or 1", values)
    found.fine_tune = FineTune(values[0], values[1], values[2:] != ["0"])


def _save(found: NepIn, name: str, values: list[str], where: str) -> None:
    given = _Numbers(int, ((1, MANY), (0, 1), (0, 1)), least=1).read(name, values, where)
    found.save_potential = (*given, *found.save_potential[len(given) :])  # type: ignore[assignment]


_POSITIVE = _Numbers(float, ((0, MANY),))
_KEYWORDS: dict[str, Callable[[NepIn, str, list[str], str], None]] = {
    "type": _types,
    "version": _version,
    "model_type": _model_type,
    "prediction": _switch,
    "cutoff": _cutoff,
    "n_max": _Numbers(int, ((0, 12), (0, 8))),
    "basis_size": _Numbers(int, ((0, 16), (0, 12))),
    "l_max": _l_max,
    "neuron": _neuron,
    "type_weight": _type_weight,
    "batch": _batch,
    "population": _Numbers(int, ((10, 200),)),
    "generation": _Numbers(int, ((0, 10_000_000),)),
    "zbl": _Numbers(float, ((1.0, 4.0),)),
    "use_typewise_cutoff_zbl": _typewise,
    "initial_para": _Numbers(float, ((0.1, 1.0),)),
    "sigma0": _Numbers(float, ((0.01, 0.1),)),
    "fine_tune": _fine_tune,
    "import_q_scaler": _switch,
    "save_potential": _save,
    "output_interval": _Numbers(int, ((1, MANY),)),
    "output_descriptor": _Numbers(int, ((0, 2),)),
    **dict.fromkeys(("lambda_1", "lambda_2", "lambda_e", "lambda_f", "lambda_v"), _POSITIVE),
    **dict.fromkeys(("lambda_shear", "force_delta"), _POSITIVE),
}
