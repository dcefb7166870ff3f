"""Run AMPTorch itself: ``PYTHON real.py JOB``, where PYTHON is the interpreter that has it.

Only its public interface is used, and nothing of this repository is imported, so that it runs with
the Python and torch of its time. The last line printed is a JSON object: seconds until the first
epoch, of each epoch and of the prediction, losses and errors of every epoch, energies and forces.
"""

import json
import sys
import time

# Modules beside this script are not meant for that interpreter.
del sys.path[0]

import torch  # noqa: E402
from ase.io import read  # noqa: E402

from amptorch import AtomsTrainer  # noqa: E402

# Where classes that the configuration names are found.
CLASSES = {("model", "activation"): torch.nn, ("optim", "optimizer"): torch.optim}
CLASSES[("cmd", "dtype")] = torch
COLUMNS = ("loss", "_mae", "_mse", "dur")


def main():
    """Train and predict as the job says."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    config = job["config"]
    for (section, key), module in CLASSES.items():
        if key in config[section]:
            config[section][key] = getattr(module, config[section][key])
    images = read(job["frames"], ":")
    config["dataset"]["raw_data"] = images
    trainer = AtomsTrainer(config)
    begun = time.time()
    trainer.train()
    seconds = time.time() - begun
    history = [
        {name: float(value) for name, value in row.items() if name.endswith(COLUMNS)}
        for row in list(trainer.net.history)
    ]
    begun = time.time()
    predicted = trainer.predict(images)
    result = {
        "load": seconds - sum(row["dur"] for row in history),
        "predict": time.time() - begun,
        "history": history,
        "energies": [float(energy) for energy in predicted["energy"]],
        "forces": [force.tolist() for force in predicted["forces"]],
    }
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
