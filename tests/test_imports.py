"""Every path that scripts and pickles of the original import from."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from .made_potentials import cuco_frames, trained

PATHS = {
    "amptorch": "AtomsTrainer AmpTorch",
    "amptorch.trainer": "AtomsTrainer",
    "amptorch.ase_utils": "AmpTorch AMPtorch",
    "amptorch.dataset": "AtomsDataset DataCollater construct_descriptor",
    "amptorch.dataset_lmdb": "get_lmdb_dataset AtomsLMDBDataset AtomsLMDBDatasetCache "
    "AtomsLMDBDatasetPartialCache PartialCacheSampler",
    "amptorch.descriptor.Gaussian": "Gaussian GaussianDescriptorSet GDS",
    "amptorch.descriptor.GMP": "GMP",
    "amptorch.descriptor.GMPOrderNorm": "GMPOrderNorm",
    "amptorch.descriptor.base_descriptor": "BaseDescriptor",
    "amptorch.descriptor.descriptor_calculator": "DescriptorCalculator",
    "amptorch.descriptor.util": "get_hash validate_image list_symbols_to_indices "
    "list_indices_to_symbols",
    "amptorch.descriptor.constants": "ATOM_INDEX_TO_SYMBOL_DICT ATOM_SYMBOL_TO_INDEX_DICT",
    "amptorch.preprocessing": "AtomsToData FeatureScaler TargetScaler AtomicCorrectionScaler "
    "sparse_block_diag PCAReducer",
    "amptorch.preprocessing.utils": "FeatureScaler TargetScaler AtomicCorrectionScaler "
    "sparse_block_diag PCAReducer",
    "amptorch.model": "MLP ElementMask BPNN SingleNN CustomLoss",
    "amptorch.metrics": "evaluator mae_energy_score mae_forces_score mse_energy_score "
    "mse_forces_score to_cpu MemEffEpochScoring",
    "amptorch.utils": "InOrderSplit target_extractor to_tensor save_normalizers "
    "train_end_load_best_loss check_memory",
    "amptorch.data_parallel": "DataParallel ParallelCollater",
    "amptorch.uncertainty": "EnsembleSDEstimator ConformalPredictionLatentSpace "
    "ConformalPredictionFeatureSpace NegativeLeastLikelihoodLatentSpace "
    "NegativeLeastLikelihoodFeatureSpace",
    "amptorch.uncertainty.utils": "calc_dist ConformalPrediction NegativeLeastLikelihoodEstimator "
    "split_test_calib prepare_latentNerror_from_trainer prepare_featureNerror_from_trainer "
    "calc_uncertainty_metrics",
}


@pytest.mark.parametrize(
    ("path", "name"), [(path, name) for path, names in PATHS.items() for name in names.split()]
)
def test_path_has_name(path, name):
    found = getattr(importlib.import_module(path), name)
    assert callable(found) or isinstance(found, dict)


def test_aliases():
    from amptorch import AmpTorch, AtomsTrainer, ase_utils, trainer
    from amptorch.descriptor.Gaussian import GDS, GaussianDescriptorSet
    from amptorch.preprocessing import FeatureScaler

    assert ase_utils.AMPtorch is ase_utils.AmpTorch is AmpTorch
    assert trainer.AtomsTrainer is AtomsTrainer
    assert GDS is GaussianDescriptorSet
    assert FeatureScaler.__module__ == "amptorch.preprocessing.utils", "pickles name this module"


# What only training, files of other programs and torch's compiler need.
HEAVY = ("skorch", "sklearn", "scipy", "ase.io", "torch._dynamo", "matplotlib", "yaml")
PREDICTING = f"""
import sys
from amptorch import AmpTorch, AtomsTrainer

def loaded():
    return sorted(name for name in {HEAVY} if name in sys.modules)

at_import = loaded()
from tests.made_potentials import cuco_frames
frame = cuco_frames(1)[0]
frame.calc = None
before = set(loaded())
trainer = AtomsTrainer()
trainer.load_pretrained(sys.argv[1])
energy = trainer.predict([frame])["energy"][0]
frame.calc = AmpTorch(trainer)
forces = frame.get_forces()
print(at_import, sorted(set(loaded()) - before))
assert frame.get_potential_energy() == energy
assert len(trainer.net.history) == 2
print("skorch" in sys.modules)
"""


def test_predicting_imports_nothing_of_training(tmp_path):
    trainer = trained(cuco_frames(3), tmp_path, optim={"epochs": 2})
    done = subprocess.run(
        [sys.executable, "-c", PREDICTING, trainer.cp_dir],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout.splitlines() == ["[] []", "True"]
