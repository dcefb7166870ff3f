"""``python -m profiling diff``: a planted slowdown is named and nothing else is, noise is not."""

from __future__ import annotations

import copy
import re
import time

import ase.io
import numpy as np
import pytest

from amptorch.fit.losses import CustomLoss
from profiling import timing
from profiling.__main__ import main
from profiling.diff import Change, compare, interval
from profiling.report import Measurement, Report

from ..made_potentials import cuco_frames

STAGES = {"read": 2.0, "fingerprints": 40.0, "scaling": 9.0, "collation": 0.3, "step": 20.0}


class Clock:
    """Time that passes only where something says that it took some, with noise of a few percent
    and now and then a long pause."""

    def __init__(self, seed: int) -> None:
        self.now, self.random = 0.0, np.random.default_rng(seed)

    def perf_counter(self) -> float:
        return self.now

    def spend(self, milliseconds: float) -> None:
        pause = 3.0 if self.random.random() < 0.05 else 1.0
        self.now += 1e-3 * milliseconds * pause * self.random.lognormal(0.0, 0.05)


def measured(
    seed: int, monkeypatch: pytest.MonkeyPatch, sleep: dict[str, float] | None = None
) -> Report:
    """Stages timed as commands time them; ``sleep`` is planted, in ms."""
    clock = Clock(seed)
    monkeypatch.setattr(timing.time, "perf_counter", clock.perf_counter)
    report = Report("compare", "A comparison", "python -m profiling compare")
    for stage, cost in STAGES.items():
        planted = cost + (sleep or {}).get(stage, 0.0)
        samples = timing.milliseconds(lambda planted=planted: clock.spend(planted), 20)
        report.measure(f"optimized/{stage}", samples, "ms/frame")
    report.measure("optimized/memory", clock.random.normal(300.0, 1.0, 5), "MB")
    monkeypatch.undo()
    return report


@pytest.mark.parametrize("stage", STAGES)
def test_a_planted_slowdown(stage, monkeypatch):
    before = measured(1, monkeypatch)
    after = measured(2, monkeypatch, {stage: 0.3 * STAGES[stage]})
    (change,) = compare(before, after).worse
    assert change.before.key == f"optimized/{stage}"
    assert change.verdict == "slower"
    assert change.ratio == pytest.approx(1.3, rel=0.1)
    (back,) = [each for each in compare(after, before).changes if each.verdict]
    assert (back.before.key, back.verdict, back.is_worse) == (change.before.key, "faster", False)


def test_noise_alone(monkeypatch):
    reports = [measured(seed, monkeypatch) for seed in range(20)]
    for before in reports:
        for after in reports:
            assert [change for change in compare(before, after).changes if change.verdict] == []


def test_a_sleep_in_a_stage_of_training(tmp_path, monkeypatch, capsys):
    """The command as it is. Real time is noisy, so only what takes ten times as long counts."""
    ase.io.write(tmp_path / "frames.traj", cuco_frames(80))
    options = ["--data", str(tmp_path / "frames.traj"), "--epochs", "3", "--threads", "1"]
    main(["training", *options, "--out", str(tmp_path / "A")])
    forward = CustomLoss.forward

    def asleep(*arguments):
        time.sleep(0.1)
        return forward(*arguments)

    monkeypatch.setattr(CustomLoss, "forward", asleep)
    main(["training", *options, "--out", str(tmp_path / "B")])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["diff", str(tmp_path / "A"), str(tmp_path / "B"), "--threshold", "9"])
    assert end.value.code == 1
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Beyond")]
    named = re.findall(r"(\S+) (?:slower|larger)", said)
    assert named == ["step/loss"]


def test_equal_reports(monkeypatch, tmp_path, capsys):
    report = measured(3, monkeypatch)
    found = compare(report, copy.deepcopy(report))
    assert found.worse == []
    assert all(change.ratio == 1.0 and change.verdict == "" for change in found.changes)
    assert found.only == {"A": [], "B": []}
    assert found.warnings == []
    main(["diff", str(report.write(tmp_path / "A")), str(tmp_path / "A" / "report.json")])
    assert "Nothing got slower or larger beyond the noise." in capsys.readouterr().out


def change(before, after, unit="ms", threshold=0.1, larger_is_better=False) -> Change:
    pair = (Measurement("a/b", unit, samples, larger_is_better) for samples in (before, after))
    return Change(*pair, threshold)


NARROW = [99.0, 100.0, 101.0, 100.0, 99.5]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (np.multiply(1.2, NARROW), "slower"),
        (np.multiply(1.09, NARROW), ""),
        (np.multiply(0.8, NARROW), "faster"),
        # The same median, once known and once not.
        ([118.0, 119.0, 120.0, 121.0, 122.0], "slower"),
        ([60.0, 90.0, 120.0, 150.0, 180.0], ""),
        ([120.0] * 4, "noise unknown"),
        ([101.0], ""),
    ],
)
def test_verdicts(after, verdict):
    assert change(NARROW, list(after)).verdict == verdict


@pytest.mark.parametrize(
    ("unit", "larger_is_better", "words"),
    [
        ("s", False, ("slower", "faster")),
        ("µs/atom", False, ("slower", "faster")),
        ("MB", False, ("larger", "smaller")),
        ("samples", False, ("larger", "smaller")),
        ("frames/s", True, ("lower", "higher")),
    ],
)
def test_words(unit, larger_is_better, words):
    small, large = NARROW, [2 * sample for sample in NARROW]
    worse, better = (large, small) if larger_is_better else (small, large)
    for pair, word, is_worse in (
        ((worse, better), words[0], True),
        ((better, worse), words[1], False),
    ):
        found = change(*pair, unit=unit, larger_is_better=larger_is_better)
        assert (found.verdict, found.is_worse) == (word, is_worse)


def test_from_nothing_to_something():
    assert change([0.0] * 5, [1.0] * 5, "MB").verdict == "larger"
    assert change([0.0] * 5, [0.0] * 5, "MB").verdict == ""


@pytest.mark.parametrize(
    ("number", "place"),
    [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (30, 10), (100, 40)],
)
def test_the_interval_of_a_median(number, place):
    """Against the common table of the places of its ends."""
    samples = np.random.default_rng(0).permutation(number) + 1.0
    assert interval(list(samples)) == (place, number + 1 - place)


def test_what_makes_a_ratio_mean_little(report):
    other = copy.deepcopy(report)
    assert compare(report, other).warnings == []
    other.machine = {**report.machine, "threads": 77, "packages": {"torch": "0"}}
    other.data["frames"].sha256 = "0" * 64
    other.settings["epochs"] = 4
    other.measurements[1].unit = "s"
    other.measurements[2].key = "optimized/other rate"
    other.check("losses", 2.0, 1.0)
    found = compare(report, other)
    said = "\n".join(found.warnings)
    for text in (
        "in B checks failed: losses",
        f"machine: threads differs, {report.machine['threads']} and 77",
        "machine: packages torch differs, ",
        "machine: packages numpy differs, ",
        "settings: epochs differs, 3 and 4",
        "data: frames differs, 3 frames of frames <&>.traj",
        "optimized/read: units differ, ms and s; not compared",
    ):
        assert text in said
    assert "processor" not in said
    assert [each.before.key for each in found.changes] == ["original/read"]
    assert found.only == {"A": ["optimized/rate"], "B": ["optimized/other rate"]}


def test_the_report_of_a_difference(report, tmp_path, capsys):
    other = copy.deepcopy(report)
    other.measurements[0].samples = [10 * sample for sample in other.measurements[0].samples]
    folders = [str(each.write(tmp_path / name)) for name, each in (("A", report), ("B", other))]
    with pytest.raises(SystemExit) as end:
        main(["diff", *folders, "--out", str(tmp_path / "diff")])
    assert end.value.code == 1
    said = "Beyond the noise: original/read slower (10.00 times)."
    assert said in capsys.readouterr().out
    written = Report.read(tmp_path / "diff")
    assert written.sections[0].text == [said]
    assert written.data.keys() == {"frames, A", "frames, B"}
    assert written.sections[0].tables[0].rows[0] == [
        "original/read",
        "2.45",
        "24.5",
        "ms",
        "10.000",
        "slower",
    ]


def test_no_report(tmp_path):
    with pytest.raises(FileNotFoundError):
        main(["diff", str(tmp_path), str(tmp_path)])
