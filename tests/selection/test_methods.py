"""Methods find the functions that energies are made of, and drop those of noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from amptorch.selection import columns
from amptorch.selection.journal import Journal
from amptorch.selection.networks import Errors, losses, made, of_functions, predict, trained
from amptorch.selection.samples import scaled
from amptorch.selection.study import DRAWS, METHODS, RANKINGS, compared, not_better, study

from .made import TRUE, material, problem

FINDING = (
    *("sensitivity", "drop-one", "drop-one-retrained", "backward"),
    *("lassonet", "force-correlation", "forest", "forest-permutation"),
)


@pytest.fixture(scope="module")
def given():
    return material(epochs=20)


@pytest.mark.parametrize("method", RANKINGS)
def test_an_order_has_every_function_once_and_noise_last(given, method):
    order = RANKINGS[method](given)
    assert sorted(order) == list(range(given.n_functions))
    if method in FINDING:
        assert set(order[: len(TRUE)]) == set(TRUE)


def test_draws_are_those_of_their_seeds():
    for draw in DRAWS.values():
        sets = [draw(100, 20, seed) for seed in (0, 0, 1)]
        assert sets[0] == sets[1] != sets[2]
        assert all(len(set(each)) == 20 for each in sets)
    assert set(np.diff(DRAWS["spaced"](100, 20, 3))) == {5}


@pytest.mark.parametrize(("own", "name"), [(columns.cur, "CUR"), (columns.farthest, "FPS")])
def test_columns_are_those_of_scikit_matter(given, own, name):
    selection = pytest.importorskip("skmatter.feature_selection")
    features = given.training.features.double().numpy()
    options = {"initialize": own(given)[0]} if name == "FPS" else {}
    kind = getattr(selection, name)(n_to_select=given.most, progress_bar=False, **options)
    assert own(given)[: given.most] == list(kind.fit(features).selected_idx_)


def test_forces_are_slopes_of_energies():
    """Moving an atom along its force lowers the energy by as much."""
    samples = problem(3, 6, 2)
    weights = made(8, 2, 4, [0, 1], skip=True, dtype=torch.float64)
    weights["theta"] += 0.2
    _, forces = predict(weights, samples)
    step = torch.randn(len(samples.forces), 3, dtype=torch.float64)
    moved = torch.einsum("rfx,rx->rf", samples.slopes, step[samples.moved])
    ends = []
    for h in (1e-5, -1e-5):
        features = samples.features.index_add(0, samples.rows, h * moved)
        ends.append(predict(weights, replace(samples, features=features))[0].sum(1))
    slope = (ends[0] - ends[1]) / 2e-5
    torch.testing.assert_close(slope, -(forces * step).sum((1, 2)), rtol=1e-7, atol=1e-7)


def test_many_functions_that_are_alike_train_as_well_as_few():
    """Copies of functions know no more than these do, and cost the training nothing."""
    samples = scaled(problem().to(torch.float32), torch.arange(24), 1)
    found = []
    for copies in (1, 40):
        many = samples.of_functions(torch.arange(8).repeat(copies))
        weights = trained(made(8 * copies, 1, 8, [0, 1]), many, 20)
        found.append(float(losses(weights, many).mean()))
    assert found[1] < 1.5 * found[0]


def test_parts_of_samples_fit_together():
    samples = problem(6, 5, 2)
    frames, kept = torch.tensor([4, 1]), torch.tensor([6, 1, 2])
    part = samples.of_frames(frames).of_functions(kept)
    weights = made(8, 2, 4, [0], dtype=torch.float64)
    energies, forces = predict(of_functions(weights, kept), part)
    mask = torch.zeros(1, 8, dtype=torch.float64)
    mask[0, kept] = 1.0
    all_energies, all_forces = predict({**weights, "mask": mask}, samples)
    torch.testing.assert_close(energies, all_energies[:, [1, 4]])
    inside = torch.isin(samples.force_frames, frames)
    torch.testing.assert_close(forces, all_forces[:, inside])


def test_a_study_says_which_sets_are_worse_and_goes_on_from_its_journal(
    given, tmp_path, monkeypatch
):
    test = scaled(problem(8, 12, seed=7).to(torch.float32), torch.arange(8), 1)
    about = {"data": 1}
    first = study(
        given, test, ("drop-one", "range", "random"), (3,), Journal(tmp_path / "j", about)
    )
    assert first.best(3).kept == list(TRUE)
    assert not first.best(3, "drop-one").worse
    text = (tmp_path / "j").read_text()
    (tmp_path / "j").write_text(text[:-40])  # killed while it wrote
    again = study(
        given, test, ("drop-one", "range", "random"), (3,), Journal(tmp_path / "j", about)
    )
    assert again.found == first.found
    monkeypatch.setattr(type(given), "on", None)
    assert study(given, test, ("range",), (3,), Journal(tmp_path / "j", about)).found == first.of(
        "range"
    )
    with pytest.raises(ValueError, match="of another study"):
        Journal(tmp_path / "j", {"data": 2})
    with pytest.raises(ValueError, match="did you mean 'lassonet'"):
        study(given, test, ("lasonet",), (3,))


def test_p_is_that_of_welch():
    """B. L. Welch, Biometrika 34, 28 (1947): t and degrees of freedom by hand, p by quadrature."""
    one, other = [3.0, 3.4, 3.1, 3.6], [2.9, 3.0, 3.2, 2.7, 3.1]
    a, b = (np.var(each, ddof=1) / len(each) for each in (one, other))
    t = (np.mean(one) - np.mean(other)) / np.sqrt(a + b)
    nu = (a + b) ** 2 / (a**2 / 3 + b**2 / 4)
    x = np.linspace(-400, 400, 2_000_001)
    density = (1 + x**2 / nu) ** (-(nu + 1) / 2)
    assert not_better(one, other) == pytest.approx(density[x > t].sum() / density.sum(), rel=1e-4)
    assert not_better(other, one) == pytest.approx(1 - not_better(one, other))
    assert not_better([1.0], [2.0, 3.0]) == 1.0
    pool = Errors(other, [0.0] * 5, other)
    assert compared(Errors(one, [0.0] * 4, one), pool) == not_better(one, other)
    pool = Errors(other, other, other)
    assert compared(Errors(one, [2.5] * 4, one), pool) == 2 * not_better(one, other)
    assert compared(Errors([2.5] * 4, [2.5] * 4, one), pool) == 1.0


def test_all_methods_have_names():
    assert len(METHODS) == len(DRAWS) + len(RANKINGS) == 16
