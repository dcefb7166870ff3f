"""What the original, with its torch 1.10 and numpy 1, finds in our files, and we in its objects."""

from __future__ import annotations

import copy
import pickle
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.descriptor.Gaussian import GaussianDescriptorSet
from amptorch.files.safe_pickle import torch_load
from amptorch.fit.losses import CustomLoss

from ..made_potentials import GAUSSIAN, alloy_frames, config, trained
from ..systems import SHARED

FRAMES = alloy_frames(4)
GOLDEN = SHARED / "golden" / "training"
# What the original's pickles name, but for classes that a configuration may hold.
OF_THE_ORIGINAL = {
    "amptorch.preprocessing.utils FeatureScaler",
    "amptorch.preprocessing.utils TargetScaler",
    "collections OrderedDict",
    "torch DoubleStorage",
    "torch FloatStorage",
    "torch LongStorage",
    "torch._utils _rebuild_tensor_v2",
}
READ = ("config.pt", "normalizers.pt", "params.pt", "optimizer.pt", "criterion.pt")


def named(path: Path) -> set[str]:
    """Modules and names that a file's pickle asks for."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        operations = list(pickletools.genops(archive.read(name)))
    assert not any(operation.name == "STACK_GLOBAL" for operation, _, _ in operations)
    return {str(value) for operation, value, _ in operations if operation.name == "GLOBAL"}


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs shared/golden/training")
def test_the_list_is_that_of_the_originals_files():
    files = [path for path in GOLDEN.rglob("*.pt") if path.name != "config.pt"]
    assert set().union(*map(named, files)) <= OF_THE_ORIGINAL
    assert files


def numpy_everywhere() -> dict:
    """A configuration in which all that may be is of numpy."""
    sections = config(FRAMES, ".")
    sections["dataset"].update(
        elements=np.array(["Cu", "Pd"]),
        fp_params={
            "default": {
                "G2": {"etas": np.logspace(-1, 1, 3), "rs_s": np.zeros(1)},
                "cutoff": np.float64(5.0),
            }
        },
        scaling={"type": "normalize", "range": (np.float64(-1), np.float64(1))},
        val_split=np.float64(0.25),
    )
    sections["optim"].update(lr=np.float64(1e-2), force_coefficient=np.float64(0.04))
    return sections


def test_no_file_holds_numpys_types(run_dir):
    trainer = AtomsTrainer(numpy_everywhere())
    trainer.train()
    for name in READ:
        assert named(Path(trainer.cp_dir) / name) <= OF_THE_ORIGINAL, name
    stored = torch_load(Path(trainer.cp_dir) / "config.pt")
    assert stored["dataset"]["fp_params"]["default"]["G2"]["etas"] == [0.1, 1.0, 10.0]
    assert stored["dataset"]["scaling"]["range"] == (-1.0, 1.0)
    assert stored["dataset"]["descriptor"][3] == ["Cu", "Pd"]
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    assert again.predict(FRAMES)["energy"] == trainer.predict(FRAMES)["energy"]


def test_classes_are_named_where_the_original_has_them(tmp_path):
    gds = GaussianDescriptorSet(["Cu", "Pd"])
    gds.process_combinatorial_Gs(GAUSSIAN)
    trainer = trained(
        FRAMES,
        tmp_path,
        model={"activation": torch.nn.GELU},
        optim={"optimizer": torch.optim.AdamW, "loss_fn": CustomLoss},
        dataset={"fp_params": gds},
        cmd={"dtype": torch.FloatTensor},
    )
    folder = Path(trainer.cp_dir)
    assert named(folder / "config.pt") == {
        "amptorch.descriptor.Gaussian.descriptor_set GaussianDescriptorSet",
        "amptorch.model CustomLoss",
        "numpy array",
        "torch FloatTensor",
        "torch.nn.modules.activation GELU",
        "torch.optim.adamw AdamW",
    }
    for name in READ[1:]:
        assert named(folder / name) <= OF_THE_ORIGINAL
    again = AtomsTrainer()
    again.load_pretrained(folder)
    assert again.predict(FRAMES)["energy"] == trainer.predict(FRAMES)["energy"]


def descriptor_set() -> GaussianDescriptorSet:
    gds = GaussianDescriptorSet(["Pd", "O"], 5.0, {"cutoff_func": "Polynomial", "gamma": 3.0})
    gds.process_combinatorial_Gs(GAUSSIAN)
    gds.add_g2("Pd", "O", 4.0, 2.5, update=False)
    gds.update()
    return gds


def test_a_descriptor_set_comes_back_whole():
    gds = descriptor_set()
    for other in (pickle.loads(pickle.dumps(gds)), copy.deepcopy(gds)):
        assert vars(other) == vars(gds)
        assert other.descriptor_setup_hash == gds.descriptor_setup_hash


def test_attributes_of_a_descriptor_set_are_the_originals(monkeypatch):
    """The original restores them as they are, and looks for tables that can be sliced."""
    gds = descriptor_set()
    written = pickle.dumps(gds)
    restored = {}
    monkeypatch.setattr(
        GaussianDescriptorSet, "__setstate__", lambda _, state: restored.update(state)
    )
    pickle.loads(written)
    assert restored["elements"] == ["Pd", "O"]
    for element, table in restored["descriptor_setup"].items():
        assert isinstance(table, np.ndarray)
        np.testing.assert_array_equal(table, gds.table(element))
    assert restored["descriptor_setup_hash"] == gds.descriptor_setup_hash


def test_a_descriptor_set_of_the_originals_and_of_our_first_checkpoints():
    gds = descriptor_set()
    theirs, ours = (object.__new__(GaussianDescriptorSet) for _ in range(2))
    theirs.__setstate__(
        {
            "elements": ["Pd", "O"],
            "element_indices": np.array([46, 8]),
            "cutoff": 5.0,
            "cutoff_params": {"cutoff_func": "polynomial", "gamma": 3.0},
            "all_interactions": set(),
            "interactions": {},
            "descriptor_setup": gds.descriptor_setup,
            "descriptor_setup_hash": "of the original",
        }
    )
    ours.__setstate__(vars(gds))
    for other in (theirs, ours):
        assert other.descriptor_setup_hash == gds.descriptor_setup_hash
