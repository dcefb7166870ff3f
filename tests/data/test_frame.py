"""Pickled images, under the paths that this package and earlier versions of it write."""

from __future__ import annotations

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
