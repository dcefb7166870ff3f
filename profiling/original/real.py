"""Run AMPTorch itself: ``PYTHON real.py JOB``, where PYTHON is the interpreter that has it.

Only its public interface is used, and nothing of this repository is imported, so that it runs with
the Python and torch of its time. The last line printed is a JSON object: seconds until the first
epoch, losses and errors of every epoch and its seconds, energies and forces, and costs of the
stages that the interface lets one time. Fingerprints and primes of the first frame, not scaled,
are written beside the job.
"""

import copy
import json
import os
import pickle
import sys
import time
import warnings

# Modules beside this script are not meant for that interpreter.
del sys.path[0]

import lmdb  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from ase import Atoms, units  # noqa: E402
from ase.io import read  # noqa: E402
from ase.md.verlet import VelocityVerlet  # noqa: E402

from amptorch import AmpTorch, AtomsTrainer  # noqa: E402
from amptorch.dataset import construct_descriptor  # noqa: E402
from amptorch.dataset_lmdb import get_lmdb_dataset  # noqa: E402
from amptorch.preprocessing import AtomsToData, FeatureScaler, TargetScaler  # noqa: E402

# Where classes that the configuration names are found.
CLASSES = {("model", "activation"): torch.nn, ("optim", "optimizer"): torch.optim}
CLASSES[("cmd", "dtype")] = torch
COLUMNS = ("loss", "_mae", "_mse", "dur")
SCALING = {"type": "normalize", "range": (0, 1)}
MAP_SIZE = 1 << 36  # of LMDB files; disk is taken as it is needed


class LastEpoch(AtomsTrainer):
    """Ends with the weights of the last epoch, as those it is compared with do."""

    def load_extras(self):
        super().load_extras()
        self.callbacks = [each for each in self.callbacks if not loads_best(each)]


def loads_best(callback):
    """Whether a callback, or a pair of a name and one, loads the best epoch back."""
    callback = callback[1] if isinstance(callback, tuple) else callback
    return type(callback).__name__ == "train_end_load_best_loss"


class Stages:
    """AMPTorch's stages one by one, with a trainer that has trained on the frames."""

    def __init__(self, trainer, job, images):
        self.trainer, self.net, self.images = trainer, trainer.net, images
        self.dataset = trainer.config["dataset"]
        self.frames, self.work, self.repeats = job["frames"], job["work"], job["repeats"]
        self.descriptor = self.describe()
        self.records = self.convert()
        self.scaled = [trainer.train_dataset[place] for place in range(len(images))]
        size = self.net.batch_size
        self.batches = [self.scaled[k : k + size] for k in range(0, len(images), size)]
        self.files = []

    def describe(self):
        return construct_descriptor(self.dataset["descriptor"])

    def convert(self, primes=True):
        converter = AtomsToData(
            descriptor=self.descriptor,
            r_energy=primes,
            r_forces=primes,
            save_fps=False,
            fprimes=primes,
            cores=1,
        )
        return converter.convert_all(self.images, disable_tqdm=True)

    def fit(self):
        FeatureScaler(self.records, True, self.dataset.get("scaling", SCALING))
        TargetScaler(self.records, True)

    def scale(self, records):
        self.trainer.feature_scaler.norm(records, disable_tqdm=True)
        self.trainer.target_scaler.norm(records, disable_tqdm=True)

    def write(self):
        """As the original's script that makes LMDB files does."""
        path = os.path.join(self.work, f"{len(self.files)}.lmdb")
        self.files.append(path)
        values = {str(place): record for place, record in enumerate(self.scaled)}
        values.update(
            feature_scaler=self.trainer.feature_scaler,
            target_scaler=self.trainer.target_scaler,
            length=len(self.scaled),
            elements=self.trainer.elements,
            descriptor_setup=self.dataset["descriptor"],
        )
        file = lmdb.open(path, map_size=MAP_SIZE, subdir=False, meminit=False, map_async=True)
        for key, value in values.items():
            with file.begin(write=True) as transaction:
                transaction.put(key.encode("ascii"), pickle.dumps(value, protocol=-1))
        file.sync()
        file.close()

    def read(self):
        dataset = get_lmdb_dataset([self.files[-1]], "no")
        return [dataset[place] for place in range(len(dataset))]

    def collate(self):
        return [self.net.iterator_train__collate_fn(list(batch)) for batch in self.batches]

    def loss(self, inputs, targets, training):
        return self.net.get_loss(self.net.infer(inputs), targets, X=inputs, training=training)

    def validate(self):
        self.net.module_.eval()
        with torch.no_grad():
            for inputs, targets in self.collate():
                self.loss(inputs, targets, False)

    def steps(self):
        """Seconds of forward, backward and step, over all batches."""
        self.net.module_.train()
        sums = [0.0, 0.0, 0.0]
        for inputs, targets in self.collate():
            self.net.optimizer_.zero_grad()
            times = [time.perf_counter()]
            loss = self.loss(inputs, targets, True)
            times.append(time.perf_counter())
            loss.backward()
            times.append(time.perf_counter())
            self.net.optimizer_.step()
            times.append(time.perf_counter())
            sums = [sums[k] + times[k + 1] - times[k] for k in range(3)]
        return sums

    def passes(self, call, prepare=tuple):
        """Seconds of repeated calls, after one that is not counted; each is given what ``prepare``
        returns."""
        seconds = []
        for _ in range(self.repeats + 1):
            prepared = prepare()
            begun = time.perf_counter()
            call(*prepared)
            seconds.append(time.perf_counter() - begun)
        return seconds[1:]

    def measure(self):
        """Milliseconds of every stage, a frame or a call."""
        per_frame = {
            "read": self.passes(lambda: read(self.frames, ":")),
            "fingerprints": self.passes(lambda: self.convert(primes=False)),
            "fingerprints + primes": self.passes(self.convert),
            "fit scalers": self.passes(self.fit),
            "scaling": self.passes(self.scale, lambda: (copy.deepcopy(self.records),)),
            "write cache": self.passes(self.write),
            "read cache": self.passes(self.read),
            "collate": self.passes(self.collate),
            "validation": self.passes(self.validate),
            "predict": self.passes(lambda: self.trainer.predict(self.images)),
        }
        steps = [self.steps() for _ in range(self.repeats + 1)][1:]
        for k, name in enumerate(("forward", "backward", "optimizer step")):
            per_frame[name] = [each[k] for each in steps]
        first = self.images[0]
        atoms = Atoms(first.numbers, first.positions, cell=first.cell, pbc=first.pbc)
        atoms.calc = AmpTorch(self.trainer)
        dynamics = VelocityVerlet(atoms, 0.1 * units.fs)
        per_call = {
            "descriptor": self.passes(self.describe),
            "MD step": self.passes(lambda: dynamics.run(1)),
        }
        scale = 1e3 / len(self.images)
        costs = {name: [scale * each for each in found] for name, found in per_frame.items()}
        costs.update({name: [1e3 * each for each in found] for name, found in per_call.items()})
        return costs

    def keep(self, path):
        """Write fingerprints and primes of the first frame."""
        record = self.records[0]
        primes = record.fprimes.coalesce()
        rows, columns = primes.indices().numpy()
        values, fingerprints = primes.values().numpy(), record.fingerprint.numpy()
        np.savez(path, fingerprints=fingerprints, rows=rows, columns=columns, values=values)


def with_classes(config):
    """The configuration, classes in place of their names."""
    for (section, key), module in CLASSES.items():
        if key in config[section]:
            config[section][key] = getattr(module, config[section][key])
    return config


def main():
    """Train, predict and measure as the job says."""
    warnings.simplefilter("ignore")
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    config = with_classes(job["config"])
    begun = time.perf_counter()
    images = read(job["frames"], ":")
    seconds = {"read": time.perf_counter() - begun}
    config["dataset"]["raw_data"] = images
    trainer = LastEpoch(config)
    begun = time.perf_counter()
    trainer.train()
    trained = time.perf_counter() - begun
    history = [
        {name: float(value) for name, value in row.items() if name.endswith(COLUMNS)}
        for row in list(trainer.net.history)
    ]
    seconds["load"] = trained - sum(row["dur"] for row in history)
    predicted = trainer.predict(images)
    result = {
        "seconds": seconds,
        "history": history,
        "energies": [float(energy) for energy in predicted["energy"]],
        "forces": [force.tolist() for force in predicted["forces"]],
    }
    stages = Stages(trainer, job, images)
    stages.keep(job["arrays"])
    result["stages"] = stages.measure() if job["repeats"] else {}
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
