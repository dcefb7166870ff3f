"""Pickled images, under the paths that this package and earlier versions of it write."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from amptorch.data.frame import AtomsBatch, AtomsData, collate
from amptorch.files import safe_pickle


@pytest.mark.parametrize("module", ["amptorch.data", "amptorch.data.frame"])
@pytest.mark.parametrize("kind", [AtomsData, AtomsBatch])
def test_pickles_of_both_paths_are_read(module, kind):
    image = kind(fingerprint=torch.ones(2, 3), num_nodes=2)
    # Protocol 2 writes names as lines of text.
    pickled = pickle.dumps(image, protocol=2).replace(
        b"camptorch.data.frame\n", b"c%s\n" % module.encode()
    )
    assert b"c%s\n%s\n" % (module.encode(), kind.__name__.encode()) in pickled
    for loads in (safe_pickle.loads, pickle.loads):
        read = loads(pickled)
        assert type(read) is kind
        assert torch.equal(read.fingerprint, image.fingerprint)


def test_the_face_gives_the_same_objects():
    import amptorch.data.frame as face

    assert (face.AtomsData, face.AtomsBatch, face.collate) == (AtomsData, AtomsBatch, collate)


def images() -> list[AtomsData]:
    """Two, of a size each."""
    return [
        AtomsData(
            fingerprint=torch.full((n, 3), float(n)),
            atomic_numbers=torch.full((n,), n),
            num_nodes=n,
            energy=energy,
        )
        for n, energy in ((1, torch.tensor(0.5)), (2, torch.tensor([1.5])))
    ]


def test_fingerprints_are_joined_when_they_are_asked_for():
    batch = collate(images())
    expected = torch.cat([each.fingerprint for each in images()])
    assert [each.tolist() for each in batch.fingerprints] == [
        each.fingerprint.tolist() for each in images()
    ]
    assert "fingerprint" not in vars(batch)
    assert "fingerprint" in batch.keys
    assert "apart" not in batch.keys
    assert torch.equal(batch.fingerprint, expected)
    assert torch.equal(batch.energy, torch.tensor([0.5, 1.5]))
    assert "apart" not in repr(batch)


def test_a_batch_that_was_not_joined_goes_elsewhere_whole():
    batch = collate(images()).to(torch.float64)
    expected = torch.cat([each.fingerprint for each in images()]).double()
    assert torch.equal(batch.fingerprint, expected)
    assert batch.like.dtype == torch.float64
    assert torch.equal(torch.cat(list(batch.fingerprints)), expected)
    for copied in (pickle.loads(pickle.dumps(collate(images()))), copy.copy(batch)):
        assert torch.equal(copied.fingerprint.double(), expected)


def test_a_batch_may_have_no_fingerprints():
    batch = AtomsBatch(natoms=torch.tensor([1, 2]))
    assert "fingerprint" not in batch
    assert batch.to(torch.float64).keys == ["batch", "natoms"]
