"""Bad frames give one error that names the frame, what was expected and found, and write nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from ..made_potentials import config, cuco_frames, listing, trained
from ..test_bad_input import assert_refused


@pytest.fixture(autouse=True)
def _folder(run_dir):
    (run_dir / "text.traj").write_text("this is no trajectory")


def edited(edit: Callable[[Atoms], None], index: int = 2) -> list[Atoms]:
    """Frames, one of which is edited."""
    frames = cuco_frames(4)
    edit(frames[index])
    return frames


def without(*names: str) -> Callable[[Atoms], None]:
    def edit(image: Atoms) -> None:
        for name in names:
            del image.calc.results[name]

    return edit


def no_calculator(image: Atoms) -> None:
    image.calc = None


def result(name: str, value: Any) -> Callable[[Atoms], None]:
    return lambda image: image.calc.results.update({name: value})


def keep_results(change: Callable[[Atoms], None]) -> Callable[[Atoms], None]:
    """An edit of the structure that leaves energy and forces readable."""

    def edit(image: Atoms) -> None:
        energy, forces = image.get_potential_energy(), image.get_forces()
        change(image)
        image.calc = SinglePointCalculator(image, energy=energy, forces=forces)

    return edit


@keep_results
def a_foreign_element(image: Atoms) -> None:
    image.symbols[1] = "Au"


@keep_results
def nan_position(image: Atoms) -> None:
    image.positions[1, 2] = np.nan


@keep_results
def infinite_cell(image: Atoms) -> None:
    image.cell[0, 0] = np.inf


@keep_results
def flat_cell(image: Atoms) -> None:
    image.cell[2] = image.cell[1]


@keep_results
def no_cell(image: Atoms) -> None:
    image.set_cell(np.zeros((3, 3)))


@keep_results
def one_spot(image: Atoms) -> None:
    image.positions[2] = image.positions[0]


@keep_results
def one_spot_across_the_boundary(image: Atoms) -> None:
    image.positions[2] = image.positions[0] + image.cell[0]


FRAMES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "missing file": (
        lambda: "nowhere.traj",
        FileNotFoundError,
        r"raw_data: file not found: nowhere\.traj",
    ),
    "unreadable file": (lambda: "text.traj", ValueError, r"raw_data: cannot read text\.traj"),
    "a folder without data": (
        lambda: Path("empty").mkdir() or "empty",
        FileNotFoundError,
        "raw_data: empty: expected a folder with",
    ),
    "empty list": (list, ValueError, "raw_data: expected at least one image, got none"),
    "not images": (
        lambda: [*cuco_frames(2), 3],
        ValueError,
        r"raw_data: expected ase\.Atoms, entry 2 is int",
    ),
    "no file": (
        lambda: [*cuco_frames(2), "CuCO"],
        FileNotFoundError,
        "raw_data: file not found: CuCO",
    ),
    "no calculator": (
        lambda: edited(no_calculator),
        ValueError,
        "image 2: expected energy, found none",
    ),
    "no energy": (
        lambda: edited(without("energy")),
        ValueError,
        "image 2: expected energy, found none",
    ),
    "no forces": (
        lambda: edited(without("forces")),
        ValueError,
        "image 2: expected forces, found none",
    ),
    "NaN energy": (
        lambda: edited(result("energy", np.nan)),
        ValueError,
        "image 2: its energy is nan",
    ),
    "infinite force": (
        lambda: edited(result("forces", np.array([[0, 0, 0], [0, 0, 0], [0, np.inf, 0]]))),
        ValueError,
        r"image 2: the force on atom 2 is \[0\.0, inf, 0\.0\]",
    ),
    "NaN position": (
        lambda: edited(nan_position),
        ValueError,
        "image 2: positions hold NaN or infinite values",
    ),
    "infinite cell": (
        lambda: edited(infinite_cell),
        ValueError,
        "image 2: cell hold.* NaN or infinite values",
    ),
    "foreign element": (
        lambda: edited(a_foreign_element),
        ValueError,
        "image 2: holds Au, but the descriptor's elements are Cu, C, O",
    ),
    "flat cell": (
        lambda: edited(flat_cell),
        ValueError,
        "image 2: its periodic cell vectors span no volume",
    ),
    "no cell": (
        lambda: edited(no_cell),
        ValueError,
        "image 2: its periodic cell vectors span no volume",
    ),
    "atoms on one spot": (
        lambda: edited(one_spot),
        ValueError,
        "image 2: atoms 0 and 2 are on one spot",
    ),
    "atoms on one spot across the boundary": (
        lambda: edited(one_spot_across_the_boundary),
        ValueError,
        "image 2: atoms 0 and 2 are on one spot",
    ),
    "no atoms": (
        lambda: [*cuco_frames(2), Atoms(calculator=cuco_frames(1)[0].calc)],
        ValueError,
        "image 2: expected at least one atom, found none",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_bad_frames(name):
    make, error, message = FRAMES[name]
    dataset = {"elements": ["Cu", "C", "O"]}
    assert_refused(lambda: config(make(), ".", dataset=dataset), error, message)


def test_predict_bad_images():
    trainer = trained(cuco_frames(4), ".")
    before = listing(Path())
    for images, message in (
        ([], "images: expected at least one image, got none"),
        (edited(one_spot), "image 2: atoms 0 and 2 are on one spot"),
        (edited(a_foreign_element), "image 2: holds Au"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer.predict(images)
    with pytest.raises(IndexError):
        trainer.predict(cuco_frames(1), get_latent=99)
    assert listing(Path()) == before
