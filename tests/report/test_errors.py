"""Errors of an evaluation against plain numpy."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from ase import Atoms

from amptorch.potentials import prediction
from amptorch.preprocessing import ExtrapolationWarning
from amptorch.report.errors import Evaluation, Frame, Parity, size_bins
from amptorch.report.predicting import evaluate

from . import synthetic

pytestmark = pytest.mark.filterwarnings("ignore:extrapolation")


@pytest.fixture(scope="module")
def evaluation(trainer, frames) -> Evaluation:
    return evaluate(trainer, frames)


def plain(reference: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    error = np.asarray(predicted) - np.asarray(reference)
    return {
        "rmse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "max": np.max(np.abs(error)),
        "r2": 1 - np.mean(error**2) / np.var(reference),
        "values": error.size,
    }


def test_by_hand():
    errors = Parity(np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.5, 2.0, 2.0, 6.0])).errors()
    assert errors == pytest.approx(
        {"rmse": np.sqrt(1.25 / 4), "mae": 0.375, "max": 1.0, "r2": 1 - 1.25 / 14, "values": 4}
    )


def test_no_spread_has_no_r2():
    assert Parity(np.ones(3), np.zeros(3)).errors()["r2"] is None


def test_all_quantities(trainer, frames, evaluation):
    out = trainer.predict(frames)
    sizes = np.array([len(image) for image in frames])
    energies = np.array([image.get_potential_energy() for image in frames])
    with_forces = frames[:7]
    expected = {
        "energy": plain(energies / sizes, np.array(out["energy"]) / sizes),
        "forces": plain(
            np.concatenate([image.get_forces() for image in with_forces]),
            np.concatenate(out["forces"][:7]),
        ),
        "stress": plain(
            np.concatenate([image.get_stress() for image in with_forces]),
            np.concatenate(out["stress"][:7]),
        ),
    }
    for name, errors in evaluation.errors().items():
        assert errors == pytest.approx(expected[name], rel=1e-9), name
    assert evaluation.quantities == list(expected)


def test_forces_by_element(trainer, frames, evaluation):
    out = trainer.predict(frames)["forces"]
    found = evaluation.forces_by_element()
    assert set(found) == {"Cu", "Pd"}
    for element, errors in found.items():
        own = [image.symbols == element for image in frames[:7]]
        reference = [i.get_forces()[rows] for i, rows in zip(frames[:7], own, strict=True)]
        predicted = [f[rows] for f, rows in zip(out[:7], own, strict=True)]
        assert errors == pytest.approx(
            plain(np.concatenate(reference), np.concatenate(predicted)), rel=1e-9
        )


def test_by_group(trainer, frames, evaluation):
    groups = evaluation.by_group()
    assert set(groups) == {"cold", "warm"}
    energies = np.array(trainer.predict(frames)["energy"]) / 4
    for group, errors in groups.items():
        own = [index for index, image in enumerate(frames) if image.info["group"] == group]
        reference = np.array([frames[index].get_potential_energy() / 4 for index in own])
        assert errors["energy"] == pytest.approx(plain(reference, energies[own]), rel=1e-9)


def test_no_groups(trainer, frames):
    bare = [image.copy() for image in frames[:2]]
    for image, original in zip(bare, frames[:2], strict=True):
        del image.info["group"]
        image.calc = original.calc
    assert evaluate(trainer, bare).by_group() == {}


def test_config_type_is_a_group_too():
    """``group`` comes first."""
    image = Atoms("Cu", info={"config_type": "slab"})
    energy = Parity(np.zeros(1), np.zeros(1))
    assert Frame(0, image, energy, None, None).group == "slab"
    image.info["group"] = "bulk"
    assert Frame(0, image, energy, None, None).group == "bulk"


@pytest.mark.parametrize("quantity", ["energy", "forces", "stress"])
def test_by_group_and_size_of_many_frames(quantity):
    evaluation = synthetic.evaluation(300, sizes=tuple(range(2, 42, 2)))
    groups, sizes = evaluation.by_group(), evaluation.by_size(size_bins([evaluation]))
    assert list(groups) == sorted(synthetic.GROUPS)
    assert len(sizes) == 8
    for name, errors in groups.items():
        chosen = [frame for frame in evaluation.frames if frame.image.info["config_type"] == name]
        parts = [getattr(frame, quantity) for frame in chosen]
        expected = plain(
            *(
                np.concatenate([getattr(p, n).ravel() for p in parts])
                for n in ("reference", "predicted")
            )
        )
        assert errors[quantity] == pytest.approx(expected, rel=1e-9), name
    counts = [errors["energy"]["values"] for errors in sizes.values()]
    assert sum(counts) == 300
    ends = [tuple(map(int, name.split("–"))) for name in sizes]
    assert ends[0][0] == 2
    assert ends[-1][-1] == 40
    assert all(high[0] > low[-1] for low, high in itertools.pairwise(ends))


def test_sets_share_the_bins_of_sizes():
    one, other = synthetic.evaluation(5, sizes=(4,)), synthetic.evaluation(5, sizes=(4, 8))
    assert one.by_size(size_bins([one])) == {}
    assert set(one.by_size(size_bins([one, other]))) == {"4"}
    assert set(other.by_size(size_bins([one, other]))) == {"4", "8"}


def test_values_know_their_frames():
    evaluation = synthetic.evaluation(7)
    values = evaluation.parity("forces")
    frames, within = values.owners(np.arange(values.difference.size))
    for value, place, index in zip(values.predicted.ravel(), frames, within, strict=True):
        assert value == evaluation.frames[place].forces.predicted.ravel()[index]


def test_what_is_no_number_is_worst():
    frames = [frame(0, 0.1, 1.0), frame(1, np.nan, 2.0), frame(2, -0.2, np.inf)]
    evaluation = Evaluation(frames)
    assert evaluation.order("energy") == [1, 2, 0]
    assert evaluation.order("forces") == [2, 1, 0]


def frame(index: int, energy: float, force: float | None) -> Frame:
    """One atom with an error of its energy and one of its force."""
    forces = None
    if force is not None:
        forces = Parity(np.zeros((1, 3)), np.array([[0.0, force, 0.0]]))
    return Frame(index, Atoms("Cu"), Parity(np.zeros(1), np.array([energy])), forces, None)


def test_the_worst_come_first():
    errors = [(0.1, 3.0), (-0.4, None), (0.2, -5.0), (0.3, 1.0)]
    worst = Evaluation([frame(10 + i, *each) for i, each in enumerate(errors)]).worst(3)
    assert [each["frame"] for each in worst["energy"]] == [11, 13, 12]
    assert [each["frame"] for each in worst["forces"]] == [12, 10, 13]
    assert worst["energy"][0]["energy"] == -0.4
    assert worst["forces"][0]["forces_max"] == 5.0
    assert worst["forces"][0]["forces_rmse"] == pytest.approx(5.0 / np.sqrt(3.0))


def test_an_image_without_energy(trainer, frames):
    bare = frames[0].copy()
    with pytest.raises(ValueError, match="image 1: expected energy, found none"):
        evaluate(trainer, [frames[0], bare])


def test_only_extrapolation_is_taken_into_the_report(trainer, frames, monkeypatch):
    """Other warnings of a prediction still reach the user."""

    def predict(images, forces, **_):
        warnings.warn("something else", RuntimeWarning, stacklevel=1)
        warnings.warn("extrapolation: 3 values", ExtrapolationWarning, stacklevel=1)
        return prediction.Evaluation(energy=np.zeros(1))

    monkeypatch.setattr(trainer.potential, "evaluate", predict)
    with pytest.warns(RuntimeWarning, match="something else") as caught:
        found = evaluate(trainer, frames[:1])
    assert found.extrapolation == "extrapolation: 3 values"
    assert len(caught) == 1
