"""nep.in: what it says, and errors that say where it is wrong."""

from __future__ import annotations

import pytest

from amptorch.potentials.nep.nep_in import FineTune, NepIn, NepInError

from ...nep import PBTE, needs_pbte

ALL = """
# everything that differs from the defaults
type 2 Te Pb
VERSION 3
cutoff 8 4 7 3.5
n_max 4 3
basis_size 8 7
l_max 4 2 0 1      # old spelling, and 112
neuron 30 20
lambda_1 0.1
lambda_e 2
type_weight 1 0.5
batch 20 1
population 64
generation 10
zbl 2
use_typewise_cutoff_zbl
fine_tune a.txt b.restart 0
save_potential 7 0 1
"""


def test_every_line_is_read():
    found = NepIn.parse(ALL)
    assert found.type == ("Te", "Pb")
    assert found.version == 3
    assert found.cutoff == ((8.0, 4.0), (7.0, 3.5))
    assert (found.n_max, found.basis_size, found.neuron) == ((4, 3), (8, 7), (30, 20))
    assert found.l_max == 4
    assert found.flags == (True, False, True, False, False, False)
    assert (found.lambda_1, found.lambda_2, found.lambda_e) == (0.1, None, 2.0)
    assert (found.batch, found.full, found.type_weight) == (20, True, (1.0, 0.5))
    assert (found.zbl, found.zbl_factor) == (2.0, 0.7)
    assert found.fine_tune == FineTune("a.txt", "b.restart", False)
    assert found.save_potential == (7, 0, 1)


def test_the_text_of_what_was_read_reads_the_same():
    first = NepIn.parse(ALL)
    again = NepIn.parse(first.text())
    first.lines = again.lines = {}
    assert again == first


@needs_pbte
def test_defaults_are_those_of_gpumd():
    found = NepIn.read(PBTE / "nep.in")
    assert found.cutoff == ((8.0, 4.0),) * 2
    assert found.n_max == found.basis_size == (6, 6)
    assert found.flags[:2] == (True, False)
    assert found.neuron == (30,)
    assert found.generation == 20000
    assert found.population == 50
    assert found.batch == 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generation 5", r"x: expected the keyword `type`"),
        ("type 2 Te", r"x, line 1: expected type with a number and so many elements, got `2 Te`"),
        ("type 1 Xx", r"x, line 1: expected elements, got `Xx`"),
        ("type 1 Te\n\nneurons 5", r"x, line 3: unknown keyword `neurons`; did you mean 'neuron'"),
        ("type 1 Te\nn_max 4", r"x, line 2: expected n_max with 2 values, got `4`"),
        ("type 1 Te\nn_max 4 9", r"x, line 2: expected n_max from 0 to 8, got `4 9`"),
        ("type 1 Te\nbatch 1.5", r"x, line 2: expected a whole number for batch, got `1.5`"),
        ("cutoff 8 4", r"x, line 1: expected `type` in a line before `cutoff`"),
        ("type 1 Te\ncutoff 4 8", r"x, line 2: expected 3 <= angular <= radial cutoff"),
        ("type 1 Te\nlambda_e nan", r"x, line 2: expected lambda_e >= 0, got `nan`"),
        ("type 1 Te\nmode 1", r"x, line 2: expected model_type 0, potential energies"),
        ("type 1 Te\ncharge_mode 1", r"x, line 2: `charge_mode` is not supported: charges"),
        ("type 1 Te\nprediction 2", r"x, line 2: expected prediction 0 or 1, got `2`"),
    ],
)
def test_errors_say_where(text, message):
    with pytest.raises(NepInError, match=message):
        NepIn.parse(text, "x")
