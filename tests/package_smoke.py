"""Train and predict with what is installed.

``tests/package.sh`` gives the folder that it must lie in, cibuildwheel none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

import amptorch
from amptorch import AmpTorch, AtomsTrainer

for folder in sys.argv[1:]:
    assert Path(folder).resolve() in Path(amptorch.__file__).resolve().parents, amptorch.__file__

images = []
for seed in range(6):
    image = bulk("Cu", cubic=True)
    image.rattle(0.1, seed=seed)
    image.calc = EMT()
    images.append(image)
multipoles = {"MCSHs": {"orders": [0, 1], "sigmas": [0.4, 0.8]}, "cutoff": 6.0}
trainer = AtomsTrainer(
    {
        "model": {"get_forces": True, "num_layers": 2, "num_nodes": 4},
        "optim": {"epochs": 3, "force_coefficient": 0.04},
        "dataset": {
            "raw_data": images,
            "fp_scheme": "gmpordernorm",
            "fp_params": multipoles,
            "save_fps": False,
        },
        "cmd": {"verbose": False},
    }
)
trainer.train()
again = AtomsTrainer()
again.load_pretrained(trainer.cp_dir)
image = images[0].copy()
image.calc = AmpTorch(again)
assert np.isfinite(image.get_potential_energy())
assert np.isfinite(image.get_forces()).all()
print(f"trained and predicted with {amptorch.__file__}")
