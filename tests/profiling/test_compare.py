"""``python -m profiling compare``: what it finds, scales and marks, on a few small frames."""

from __future__ import annotations

import gzip
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import yaml

from amptorch.config import Config
from profiling import compare, compare_report
from profiling.__main__ import main
from profiling.compare_job import Job, Run
from profiling.compare_report import Comparison
from profiling.compare_sample import Sample, plain_file
from profiling.compare_step import run
from profiling.frames import Frames
from profiling.original import published
from profiling.report import Report
from profiling.stages import EPOCHS, STAGES

from ..made_potentials import GAUSSIAN, alloy_frames, config, cuco_frames

NAMES = [stage.name for stage in STAGES]
OF_ALL = ["load", "an epoch", f"load + {EPOCHS} epochs", "peak memory"]


@pytest.fixture(scope="module", autouse=True)
def _this_checkout():
    """What another interpreter imports as AMPTorch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(compare.__file__).parents[1]))
        yield


def amptorch_of(folder: Path) -> Path:
    """An interpreter that has the stand-in of AMPTorch."""
    command = folder / "python"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.profiling.stand_in "$@"\n')
    command.chmod(0o755)
    return command


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of four of six frames, with the stand-in as the AMPTorch of another interpreter."""
    folder = tmp_path_factory.mktemp("compare")
    ase.io.write(folder / "frames.traj", cuco_frames(6))
    settings = {
        "model": {"num_layers": 2, "num_nodes": 4, "activation": "tanh"},
        "optim": {"lr": 1e-2, "batch_size": 3, "force_coefficient": 0.04},
        "dataset": {"fp_scheme": "gaussian", "fp_params": GAUSSIAN, "val_split": 0.25},
        "cmd": {"seed": 3},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    options = {
        "data": folder / "frames.traj",
        "config": folder / "config.yaml",
        "out": folder / "out",
        "original-frames": 4,
        "original-epochs": 2,
        "epochs": 3,
        "repeats": 1,
        "original-python": str(amptorch_of(folder)),
    }
    words = [word for key, each in options.items() for word in (f"--{key}", str(each))]
    main(["compare", *words])
    return Report.read(folder / "out")


def table(report: Report, heading: str) -> list[list[str]]:
    (section,) = (each for each in report.sections if each.heading == heading)
    return section.tables[0].rows


def test_all_agree(report: Report) -> None:
    assert report.agrees
    whats = [check.what for check in report.checks]
    for side in ("optimized", "AMPTorch"):
        of_side = [what.split(" ")[0] for what in whats if f"original and {side}" in what]
        of_side = [what.rstrip(",") for what in of_side]
        assert of_side == ["fingerprints", "primes", "losses", "errors", "energies", "forces"]


def test_every_stage_of_both_sides_is_measured(report: Report) -> None:
    found = {each.key: each for each in report.measurements}
    for side in ("original", "optimized"):
        assert {key for key in found if key.startswith(side)} == {
            f"{side}/{name}" for name in (*NAMES, *OF_ALL)
        }
    assert {key.removeprefix("AMPTorch/") for key in found if key.startswith("AMPTorch")} == {
        *NAMES,
        *OF_ALL,
    } - {"neighbours", "peak memory"}
    assert [row[0].split(" (ms")[0] for row in table(report, "Stages")] == NAMES
    assert all(row[2:5] for row in table(report, "Stages") if row[0] != "neighbours")
    assert len(found["original/whole epoch"].samples) == 2
    assert len(found["optimized/an epoch"].samples) == 3


def test_what_is_scaled_says_so(report: Report) -> None:
    rows = {row[0]: row[1:] for row in table(report, "From the file to the trained potential")}
    frames = "scaled from 4 of 6 frames"
    for name in ("load (s)", "an epoch (s)", "peak memory (MB)"):
        assert rows[name][1] == frames
        assert rows[name][3] == "measured"
    both = rows[f"load + {EPOCHS} epochs (s)"]
    assert both[1] == f"{frames} and 2 epochs"
    assert both[3] == "scaled from 3 epochs"
    assert report.settings["frames of the sample"] == 4
    assert report.data["frames"].frames == 6


def test_one_can_type_it_again(report: Report) -> None:
    assert report.command == (
        "python -m profiling compare --data frames.traj --original-frames 4 --original-epochs 2 "
        "--threads 1 --repeats 1 --config config.yaml --epochs 3"
    )


def test_errors_of_both_are_shown(report: Report) -> None:
    original, optimized, amptorch, whole = table(report, "Errors")
    assert original[1:] == optimized[1:] == amptorch[1:] != whole[1:]
    assert float(original[1]) > 0


def job(side: str, folder: Path, settings: dict[str, Any], repeats: int = 0) -> Job:
    """Of all frames of ``frames.traj``."""
    source = folder / "frames.traj"
    if not source.is_file():
        ase.io.write(source, alloy_frames(5))
    work = folder / side
    work.mkdir()
    return Job(side, settings, ["Cu", "Pd"], source, 5, source, 1, repeats, work)


def small(folder: Path, **sections: Any) -> dict[str, Any]:
    sections.setdefault("cmd", {})
    sections["cmd"] = {"debug": True, **sections["cmd"]}
    return config(None, folder, **sections)


def comparison(sides: dict[str, Run], settings: dict[str, Any], frames: int = 5) -> Comparison:
    sample = Sample.of(alloy_frames(frames), frames, 5)
    return Comparison(
        sides, sides["optimized"], sample, frames, Config.from_dict(settings), 1, None
    )


def filled(sides: dict[str, Run], settings: dict[str, Any]) -> Report:
    report = Report("compare", "A report", "a command")
    compare_report.fill(report, comparison(sides, settings))
    return report


def test_another_run_is_noticed(tmp_path: Path) -> None:
    settings, other = small(tmp_path), small(tmp_path, cmd={"seed": 2})
    sides = {
        "original": run(job("original", tmp_path, settings, repeats=1)),
        "optimized": run(job("optimized", tmp_path, other, repeats=1)),
    }
    sides["original"].megabytes["private"] = sides["optimized"].megabytes["private"] = 0.0
    report = filled(sides, settings)
    failed = {check.what.split(" ")[0] for check in report.checks if not check.passed}
    assert failed == {"losses", "errors", "energies", "forces"}


def test_other_primes_are_noticed(tmp_path: Path) -> None:
    settings = small(tmp_path)
    sides = {
        side: run(job(side, tmp_path, settings, repeats=1)) for side in ("original", "optimized")
    }
    for each in sides.values():
        each.megabytes["private"] = 0.0
    rows, columns, values = sides["optimized"].primes
    sides["optimized"].primes = (rows, columns, values * (1 + 1e-8))
    failed = [check.what for check in filled(sides, settings).checks if not check.passed]
    assert failed == ["primes, original and optimized, relative difference"]


@pytest.mark.parametrize("store", ["cached", "on_the_fly"])
def test_from_files_both_train_alike(store: str, tmp_path: Path) -> None:
    settings = small(tmp_path, optim={"batch_size": 2})
    runs = []
    for side in ("original", "optimized"):
        given = replace(job(side, tmp_path, settings), store=store)
        runs.append(run(given))
        assert (given.work / f"{side}.lmdb").is_file()
    for one, other in zip(runs[0].history, runs[1].history, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-10)
    np.testing.assert_allclose(runs[0].energies, runs[1].energies, rtol=1e-10)


def test_costs_of_all_frames_are_in_proportion_to_atoms(tmp_path: Path) -> None:
    """Five of ten frames of as many atoms: twice the load and the epoch, hundred epochs."""
    made = Run(
        load=3.0,
        read=1.0,
        history=[{"dur": 0.5}, {"dur": 0.7}, {"dur": 0.6}],
        energies=[],
        forces=[],
        megabytes={"before": 100.0, "peak": 130.0, "kept": 20.0},
    )
    found = comparison({"original": made, "optimized": made}, small(tmp_path), frames=10)
    assert found.sample.share == 2.0
    costs = compare_report.of_all_frames(found, "original")
    assert costs["load"] == ([8.0], "scaled from 5 of 10 frames")
    assert costs["an epoch"][0] == pytest.approx([1.0, 1.4, 1.2])
    total, how = costs[f"load + {EPOCHS} epochs"]
    assert total == pytest.approx([8.0 + 100 * 1.2])
    assert how == "scaled from 5 of 10 frames and 3 epochs"
    assert costs["peak memory"] == ([150.0], "scaled from 5 of 10 frames")
    whole = compare_report.of_all_frames(found, "optimized")
    assert whole["load"] == ([4.0], "measured")
    made.history = [{"dur": 0.1}] * EPOCHS
    total, how = compare_report.of_all_frames(found, "optimized")[f"load + {EPOCHS} epochs"]
    assert total == pytest.approx([4.0 + 10.0])
    assert how == "measured"


def test_published_proportions() -> None:
    costs = dict(published.MILLISECONDS, forward=10.0, backward=8.0, **{"optimizer step": 3.0})
    del costs["training step"]
    assert published.with_step(costs) == published.MILLISECONDS
    twice = {name: 2 * each for name, each in costs.items()}
    for stage in published.MILLISECONDS:
        assert published.deviation(twice, stage) == pytest.approx(1.0)
    assert published.deviation({**costs, "scaling": 188.0}, "scaling") == pytest.approx(2.0)
    assert published.deviation({**costs, "scaling": 47.0}, "scaling") == pytest.approx(2.0)


def test_samples_are_spread_evenly() -> None:
    frames = alloy_frames(7)
    del frames[3][:2]
    sample = Sample.of(frames, 7, 3)
    assert [frames.index(image) for image in sample.images] == [0, 2, 4]
    assert (sample.n_frames, sample.n_atoms) == (7, 26)
    assert sample.elements == ["Cu", "Pd"]
    assert (len(sample.smallest), len(sample.largest)) == (2, 4)
    assert sample.share == pytest.approx(26 / 12)
    with pytest.raises(ValueError, match="expected at least one frame"):
        Sample.of([], 0, 3)


def test_compressed_files_are_unpacked(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "frames.extxyz", cuco_frames(2))
    content = (tmp_path / "frames.extxyz").read_bytes()
    (tmp_path / "packed.extxyz.gz").write_bytes(gzip.compress(content))
    (tmp_path / "work").mkdir()
    plain = plain_file(tmp_path / "packed.extxyz.gz", tmp_path / "work")
    assert plain == tmp_path / "work" / "packed.extxyz"
    assert plain.read_bytes() == content
    assert plain_file(plain, tmp_path) == plain


@pytest.mark.parametrize("name", ["frames.traj", "frames.extxyz"])
def test_frames_come_again_displaced(name: str, tmp_path: Path) -> None:
    images = cuco_frames(3)
    ase.io.write(tmp_path / name, images)
    for count in (2, 5):
        frames = Frames(tmp_path / name, count)
        for _ in range(2):  # they can be gone through again
            found = list(frames)
            assert len(found) == len(frames) == count
            assert frames.from_file == min(count, 3)
            for image, expected in zip(found[:3], images, strict=False):
                np.testing.assert_allclose(image.positions, expected.positions, atol=1e-7)
        for image, expected in zip(found[3:], images, strict=False):
            moved = np.abs(image.positions - expected.positions)
            assert 0 < moved.max() < 0.1
            assert image.get_potential_energy() == pytest.approx(expected.get_potential_energy())


def test_functions_that_the_data_decide_are_made_explicit(tmp_path: Path) -> None:
    settings = small(tmp_path)
    settings["dataset"].update(fp_params="auto", prune=1e-3, raw_data="elsewhere")
    made = compare.prepared(settings, ["Cu", "Pd"], alloy_frames(4), tmp_path)
    assert set(made["dataset"]["fp_params"].descriptor_setup) == {"Cu", "Pd"}
    assert not {"prune", "raw_data"} & made["dataset"].keys()
    assert settings["dataset"]["raw_data"] == "elsewhere"
    with pytest.raises(ValueError, match="cannot hand over a GaussianDescriptorSet"):
        compare.as_json(made)


def test_an_optimizer_by_name_is_handed_over_as_torchs_class(tmp_path: Path) -> None:
    settings = small(tmp_path, optim={"optimizer": "adam"})
    del settings["optim"]["lr"], settings["optim"]["batch_size"]
    optim = compare.for_the_real(job("original", tmp_path, settings), tmp_path)["optim"]
    assert (optim["optimizer"], optim["lr"], optim["batch_size"]) == ("Adam", 5e-3, 8)
    settings["optim"]["optimizer"] = "soap"
    with pytest.raises(ValueError, match="cannot hand over SOAP"):
        compare.for_the_real(job("soap", tmp_path, settings), tmp_path)


def test_a_configuration_the_original_does_not_have(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "frames.traj", alloy_frames(2))
    options = compare.Options(
        tmp_path / "frames.traj", small(tmp_path, dataset={"baseline": "linear"})
    )
    with pytest.raises(
        ValueError, match="dataset: to compare with the original, expected baseline"
    ):
        compare.compare(options, tmp_path)


def test_what_another_interpreter_says_is_shown(tmp_path: Path) -> None:
    settings = small(tmp_path, model={"activation": torch.nn.Tanh})
    given = replace(job("original", tmp_path, settings), source=tmp_path / "absent.traj")
    with pytest.raises(RuntimeError, match=r"AMPTorch failed:\n[\s\S]*absent.traj"):
        compare.start_real(sys.executable, given)
