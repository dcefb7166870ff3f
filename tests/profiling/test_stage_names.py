"""The stages of loading, training and predicting carry the names that docs/profiling.md lists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from amptorch import AtomsTrainer
from amptorch.store import build_store

from ..made_potentials import COSINE, GAUSSIAN, config, cuco_frames

DOCUMENT = Path(__file__).parents[2] / "docs" / "profiling.md"
OF_A_STEP = ["step", "forward", "forces", "loss", "backward"]
OF_A_CALL = ["neighbours", "force_pass"]
IN_STAGES = ["neighbours", "fingerprints", "collate", "forward", "forces"]


def names(recorded: profile) -> Counter[str]:
    """How often each stage was seen; its kernels, which are torch operators, are left out."""
    found = (event.name for event in recorded.events() if event.name.startswith("amptorch::"))
    operators = torch.ops.amptorch
    return Counter(
        name.removeprefix("amptorch::") for name in found if not hasattr(operators, name[10:])
    )


def recorded() -> profile:
    return profile(activities=[ProfilerActivity.CPU])


def test_training_and_forces(tmp_path):
    frames = cuco_frames(6)
    splits = {"val_split": 0.34, "val_split_mode": "inorder"}
    settings = config(
        frames, tmp_path, optim={"batch_size": 4, "epochs": 1}, dataset=splits, cmd={"debug": True}
    )
    trainer = AtomsTrainer(settings)
    with recorded() as loading:
        trainer.load()
    # One call finds the neighbours in so few images, for the estimate of memory and for all else.
    assert names(loading) == {"neighbours": 1, "primes": len(frames)}
    with recorded() as training:
        trainer.net.fit(trainer.train_dataset, None)
    # One batch for training by the kernel, one for validation, of too few frames for it; with two
    # metrics each.
    once = dict.fromkeys(
        ["step", "loss_and_gradient", "validation", "forward", "forces", "loss"], 1
    )
    assert names(training) == {**once, "collate": 2, "metrics": 4}
    hook = trainer.model.register_forward_hook(lambda *_: None)
    with recorded() as watched:
        trainer.net.fit(trainer.train_dataset, None)
    once = dict.fromkeys(["step", "backward", "validation"], 1)
    twice = dict.fromkeys(["collate", "forward", "forces", "loss"], 2)
    assert names(watched) == {**once, **twice, "metrics": 4}
    hook.remove()
    atoms = frames[0].copy()
    atoms.calc = trainer.get_calc()
    with recorded() as calling:
        atoms.get_forces()
    assert names(calling) == dict.fromkeys(OF_A_CALL, 1)
    with recorded() as staged:
        trainer.potential.evaluate([atoms], True, descriptors=True)
    assert names(staged) == dict.fromkeys(IN_STAGES, 1)

    setup = ("gaussian", GAUSSIAN, COSINE, ["Cu", "C", "O"])
    store = build_store(frames, tmp_path / "frames.lmdb", setup, verbose=False, processes=1)
    with recorded() as reading:
        store[0]
    assert names(reading) == {"read": 1}

    stages = (loading, training, watched, calling, staged, reading)
    seen = sum((names(each) for each in stages), Counter())
    listed = re.findall(r"\| `amptorch::(\w+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(seen)


def test_optimizers_that_see_residuals(tmp_path):
    settings = config(cuco_frames(2), tmp_path, optim={"optimizer": "kalman", "epochs": 1})
    settings["cmd"]["debug"] = True
    trainer = AtomsTrainer(settings)
    trainer.load()
    with recorded() as training:
        trainer.net.fit(trainer.train_dataset, None)
    found = names(training)
    assert found["step"] == 1
    assert found["forward"] >= 1


def test_a_step_holds_its_stages(tmp_path):
    trainer = AtomsTrainer(
        config(cuco_frames(2), tmp_path, optim={"epochs": 1}, cmd={"debug": True})
    )
    trainer.load()
    with recorded() as training:
        trainer.net.fit(trainer.train_dataset, None)
    spans = {event.name.removeprefix("amptorch::"): event.time_range for event in training.events()}
    for name in OF_A_STEP[1:]:
        assert spans["step"].start <= spans[name].start, name
        assert spans[name].end <= spans["step"].end, name


def test_example_of_the_document(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(DOCUMENT), "exec"), {"__name__": "__main__"})
    assert re.search(r"^amptorch::step +4 times", capsys.readouterr().out, re.MULTILINE)
