"""Members: each is trained as if it were alone, and predictions are their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import amptorch
from amptorch import AtomsTrainer
from amptorch.potentials.networks.model import BPNN, SingleNN

from ..made_potentials import alloy_frames, config, cuco_frames, history, trained, weights

FRAMES = [*cuco_frames(6), *alloy_frames(3)]
MODELS: dict[str, dict[str, Any]] = {
    "softplus": {"element_mask": "fixed", "activation": nn.Softplus},
    "one network": {"name": "singlenn", "hidden_layers": [3]},
    "torch's layers": {"element_mask": "fixed", "activation": nn.ELU},
}
OPTIM: dict[str, Any] = {"optimizer": "soap", "batch_size": 4, "epochs": 3, "ema": 0.9}
LOSSES: dict[str, dict[str, Any]] = {
    "one network": {"loss": "nep", "loss_args": {"lambda_1": 0.5, "lambda_2": 0.7}},
}
EQUAL = {torch.DoubleTensor: 1e-12, torch.FloatTensor: 2e-5}


def sections(model: dict[str, Any], dtype: Any = torch.DoubleTensor) -> dict[str, Any]:
    dataset = {"baseline": "linear", "target_scaling": "forces"}
    return {"model": model, "optim": OPTIM, "dataset": dataset, "cmd": {"dtype": dtype}}


def to_the_end(model: dict[str, Any], dtype: Any, loss: dict[str, Any]) -> dict[str, Any]:
    """Without a checkpoint, so that the last weights are kept and not those that were the best."""
    chosen = sections(model, dtype)
    cmd = {**chosen["cmd"], "debug": True}
    return {**chosen, "optim": {**chosen["optim"], **loss}, "cmd": cmd}


class Given(AtomsTrainer):
    """Starts with weights and a state of the generators that are given."""

    start: dict[str, torch.Tensor]

    def load_model(self) -> None:
        super().load_model()
        self.model.load_state_dict(self.start)
        torch.manual_seed(5)


class Seen(AtomsTrainer):
    """Keeps the weights it starts with."""

    def load_model(self) -> None:
        super().load_model()
        self.first = [
            {k: v.clone() for k, v in each.state_dict().items()} for each in self.model.each
        ]
        torch.manual_seed(5)


@pytest.mark.parametrize("dtype", EQUAL)
@pytest.mark.parametrize("name", MODELS)
def test_each_is_trained_as_if_alone_and_the_mean_predicts(name, dtype, run_dir):
    model, loss = MODELS[name], LOSSES.get(name, {})
    together = trained(FRAMES, run_dir, Seen, **to_the_end({**model, "members": 3}, dtype, loss))
    alone = []
    for start, member in zip(together.first, together.model.each, strict=True):
        kind = type("One", (Given,), {"start": start})
        alone.append(trained(FRAMES, run_dir, kind, **to_the_end(model, dtype, loss)))
        for key, value in weights(alone[-1]).items():
            assert torch.equal(value, member.state_dict()[key])
    assert not torch.equal(*(torch.cat([*w.values()]) for w in _flat(together.first[:2])))
    found = together.predict(FRAMES)
    each = [one.predict(FRAMES) for one in alone]
    members = [member.predict(FRAMES).energy for member in together.potential.members()]
    for ours, theirs in zip(members, each, strict=True):
        np.testing.assert_array_equal(ours, theirs["energy"])
    for what in ("energy", "forces"):
        mean = np.mean([np.concatenate([np.ravel(e) for e in one[what]]) for one in each], 0)
        values = np.concatenate([np.ravel(e) for e in found[what]])
        np.testing.assert_allclose(values, mean, rtol=0, atol=EQUAL[dtype] * np.abs(mean).max())


def _flat(states: list[dict[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
    return [{k: v.flatten() for k, v in each.items()} for each in states]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_all_that_is_read_from_the_run_is_one_network(model, run_dir):
    trainer = trained(FRAMES, run_dir, **sections({**model, "members": 2}))
    expected = trainer.predict(FRAMES)["energy"]
    loaded = amptorch.load(trainer.cp_dir)
    assert type(loaded.model) in (BPNN, SingleNN)
    loaded.save(run_dir / "mean.amptorch")
    saved = amptorch.load(run_dir / "mean.amptorch")
    for potential in (loaded, saved):
        np.testing.assert_allclose(potential.predict(FRAMES).energy, expected, rtol=1e-12)
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_allclose(again.predict(FRAMES)["energy"], expected, rtol=1e-12)


def test_a_run_goes_on_where_it_ended(run_dir):
    chosen = sections({**MODELS["softplus"], "members": 2})
    whole = trained(FRAMES, run_dir, **chosen)
    made = config(FRAMES, run_dir, **{**chosen, "optim": {**OPTIM, "epochs": 1}})
    first = AtomsTrainer(made)
    first.train()
    made["optim"]["epochs"] = 2
    second = AtomsTrainer(made)
    second.load_pretrained(first.cp_dir)
    second.train()
    assert history(second)[-1] == history(whole)[-1]
    assert all(torch.equal(v, weights(whole)[k]) for k, v in weights(second).items())


def test_potentials_of_training_follow_it(run_dir):
    trainer = trained(FRAMES, run_dir, **sections({**MODELS["softplus"], "members": 2}))
    mean, before = trainer.model.for_prediction(), trainer.model(_batch(trainer))[0]
    with torch.no_grad():
        next(trainer.model.parameters()).add_(0.1)
    assert trainer.model.for_prediction() is not mean
    assert not torch.equal(trainer.model(_batch(trainer))[0], before)


def _batch(trainer: AtomsTrainer) -> Any:
    trainer.model.eval()
    return trainer.net.iterator_train__collate_fn([trainer.train_dataset[0]])[0]


@pytest.mark.parametrize(
    ("model", "optim", "message"),
    [
        ({"members": 0}, {}, "members"),
        ({"members": 2}, {}, "element_mask 'fixed', got 'trained'"),
        ({**MODELS["softplus"], "members": 2, "dropout": True}, {}, "without weights"),
        ({**MODELS["softplus"], "members": 2, "activation": nn.PReLU}, {}, "without weights"),
        ({**MODELS["softplus"], "members": 2, "num_layers": 0}, {}, "between them"),
        ({**MODELS["softplus"], "members": 2}, {"optimizer": "kalman", "ema": 0.0}, "kalman"),
    ],
)
def test_what_members_cannot_be_is_named(model, optim, message, run_dir):
    chosen = sections(model)
    with pytest.raises(ValueError, match=message):
        trained(FRAMES, run_dir, **{**chosen, "optim": {**OPTIM, **optim}})
