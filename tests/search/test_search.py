"""Points, journal and method of a search, on functions whose minimum is known."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from amptorch.search.journal import Journal, Trial
from amptorch.search.minimize import Search
from amptorch.search.report import write_path
from amptorch.search.space import Parameter, configured, spread, values_of

PARAMETERS = [
    Parameter(("dataset", "fp_params", "rcutfac"), 4.0, 0.1, 2.0, 8.0, logarithmic=True),
    Parameter(("dataset", "fp_params", "wj", "Cu"), 1.0, 0.3, 0.1, 2.0),
]
NAMES = ["fp_params.rcutfac", "fp_params.wj.Cu"]


def bowl(values):
    """Smallest, 1, at 5 and 0.7."""
    assert list(values) == NAMES
    r, w = values.values()
    score = math.exp(3 * math.log(r / 5.0) ** 2 + (w - 0.7) ** 2)
    return score, {"errors": {"energy": score}}


def test_points_all_over_fill_the_box_evenly_and_begin_with_the_start():
    points = np.array(list(itertools.islice(spread(PARAMETERS, 2.0), 65)))
    np.testing.assert_array_equal(points[0], 0.0)
    # The weight's upper bound is 3.3 steps away, its lower one 3, and the cutoff's both 6.9.
    assert (np.abs(points) <= 2.0).all()
    for half in itertools.product((-1, 1), repeat=2):
        inside = (np.sign(points[1:]) == half).all(1)
        assert 13 <= inside.sum() <= 19


def test_points_respect_bounds():
    narrow = [Parameter(("dataset", "x"), 0.99, 0.04, 0.5, 1.0)]
    for steps in itertools.islice(spread(narrow, 2.0), 20):
        assert 0.91 - 1e-9 <= narrow[0].value(float(steps[0])) <= 1.0


def test_values_are_put_in_their_places_and_the_rest_stays():
    images = [object()]
    config = {"dataset": {"raw_data": images, "fp_params": {"rcutfac": 4, "wj": {"Cu": 1}}}}
    made = configured(config, PARAMETERS, dict(zip(NAMES, (5.0, 0.5), strict=True)))
    assert made["dataset"]["fp_params"] == {"rcutfac": 5.0, "wj": {"Cu": 0.5}}
    assert made["dataset"]["raw_data"] is images
    assert config["dataset"]["fp_params"] == {"rcutfac": 4, "wj": {"Cu": 1}}


def test_the_minimum_is_found():
    search = Search(PARAMETERS, bowl, trials=60, everywhere=8)
    best = search.run()
    assert best.score == pytest.approx(1.0, abs=1e-3)
    assert list(best.values.values()) == pytest.approx([5.0, 0.7], abs=0.05)
    # It ends by itself, and looks at nothing twice.
    assert len({tuple(trial.values.values()) for trial in search.done}) == len(search.done) <= 60


def test_values_that_cannot_be_are_noted_and_passed_by():
    def torn(values):
        if values[NAMES[0]] < 4.1:
            raise ValueError("too small")
        return (math.nan, {}) if values[NAMES[1]] > 1.2 else bowl(values)

    search = Search(PARAMETERS, torn, trials=50, everywhere=10)
    assert search.run().score == pytest.approx(1.0, abs=0.02)
    errors = {trial.error for trial in search.done if not math.isfinite(trial.score)}
    assert errors == {"too small", "the score is not finite"}


def test_nothing_but_failures_is_an_error():
    def never(values):
        raise ValueError("no such cutoff")

    with pytest.raises(ValueError, match=r"no trial of .* succeeded, the last: no such cutoff"):
        Search(PARAMETERS, never, trials=6, everywhere=2).run()


def test_no_parameters_are_one_trial():
    search = Search([], lambda values: (2.0, {}), trials=9)
    assert search.run() == Trial(0, {}, 2.0, {}, search.done[0].seconds)
    assert len(search.done) == 1


def test_no_trial_is_begun_that_would_end_late():
    def slow(values):
        time.sleep(0.02)
        return bowl(values)

    search = Search(PARAMETERS, slow, until=time.monotonic() + 0.1)
    search.run()
    assert 1 <= len(search.done) <= 5
    late = Search(PARAMETERS, bowl, until=time.monotonic() - 1.0)
    late.run()
    assert len(late.done) == 1


def without_seconds(trials):
    return [(each.number, each.values, each.score, each.details) for each in trials]


@pytest.mark.parametrize("stop", [3, 17])
def test_a_search_that_was_interrupted_goes_on_as_if_it_was_not(tmp_path, stop):
    """By Ctrl-C among the points all over, and in Powell's method; the last line is torn."""
    whole = Search(PARAMETERS, bowl, trials=25, everywhere=8)
    whole.run()
    asked = []

    def interrupted(values):
        asked.append(values)
        if len(asked) == stop + 1:
            raise KeyboardInterrupt
        return bowl(values)

    path = tmp_path / "journal.jsonl"
    first = Search(PARAMETERS, interrupted, 25, 8, Journal(path, {"data": 1}))
    best = first.run()
    assert first.interrupted
    assert best.score == min(trial.score for trial in whole.done[:stop])
    path.write_text(path.read_text() + '{"number": 3, "val')
    second = Search(PARAMETERS, interrupted, 25, 8, Journal(path, {"data": 1}))
    second.run()
    assert without_seconds(second.done) == without_seconds(whole.done)
    assert len(asked) == len(whole.done) + 1
    third = Search(PARAMETERS, interrupted, 25, 8, Journal(path, {"data": 1}))
    assert third.run() == second.best
    assert len(asked) == len(whole.done) + 1


def test_an_interruption_before_anything_is_known_is_one():
    def at_once(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(PARAMETERS, at_once).run()


def test_a_journal_of_another_search_is_refused(tmp_path):
    path = tmp_path / "folder" / "journal.jsonl"
    Journal(path, {"data": 1}).add(Trial(0, {}, math.inf, error="failed"))
    assert Journal(path, {"data": 1}).known[0].score == math.inf
    with pytest.raises(ValueError, match="is of another search"):
        Journal(path, {"data": 2})
    path.write_text("something else\nand more\n")
    with pytest.raises(ValueError, match="is no journal"):
        Journal(path, {"data": 1})


def test_trials_of_another_way_are_dropped(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.add(Trial(number, {"a": 1.0}, 1.0))
    assert journal.find(1, {"a": 2.0}) is None
    journal.add(Trial(1, {"a": 2.0}, 2.0))
    assert [each.values["a"] for each in Journal(path).known] == [1.0, 2.0]


def test_the_path_is_written(tmp_path):
    search = Search(PARAMETERS, bowl, trials=12, everywhere=4)
    search.run()
    failed = Trial(12, dict(search.best.values), math.inf, error="too small")
    text = write_path([*search.done, failed], PARAMETERS, tmp_path).read_text()
    best = f"best (fit {search.best.number})"
    for told in ("13 fits in", "1 failed", "too small", best, "energy (meV/atom)"):
        assert told in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == (2 + 3) + (2 + 13)
    svg = (tmp_path / "search.svg").read_text()
    assert svg.count("<path") > 3
    assert "geometric mean" in svg


def test_values_are_rounded_as_files_have_them():
    values = values_of(PARAMETERS, np.array([1 / 3, 1 / 7]))
    assert values[NAMES[0]] == float(f"{4.0 * math.exp(1 / 30):.6g}")
