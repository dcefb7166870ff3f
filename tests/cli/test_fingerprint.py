"""``python -m amptorch fingerprint`` where the data decide the descriptor."""

from __future__ import annotations

import ase.io
import pytest
import yaml

from amptorch.cli import main
from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.from_data import choose
from amptorch.store import open_store

from ..made_potentials import COSINE, alloy_frames


@pytest.mark.parametrize("threshold", [None, 0.1])
def test_the_store_has_the_set_that_training_would_choose(run_dir, capsys, threshold):
    images = alloy_frames(4)
    ase.io.write("images.traj", images)
    dataset = {"fp_scheme": "gaussian", "fp_params": "auto", "prune": threshold}
    (run_dir / "config.yaml").write_text(yaml.safe_dump({"dataset": dataset}))
    assert (
        main(
            ["fingerprint", "images.traj", "--out", "a.lmdb", "--config", "config.yaml", "--quiet"]
        )
        == 0
    )
    expected = choose(("gaussian", "auto", COSINE, ["Cu", "Pd"]), images, threshold)
    assert open_store("a.lmdb").descriptor == construct_descriptor(expected.setup)
    assert (len(expected.dropped) > 0) is (threshold is not None)
    assert expected.summary() in capsys.readouterr().out
