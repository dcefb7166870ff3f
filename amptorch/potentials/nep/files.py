"""nep.txt, the file of GPUMD that holds a neuroevolution potential."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ...descriptor.nep import NepDensity
from ...files.whole import write_whole
from ...preprocessing.utils import FeatureScaler, TargetScaler
from ..potential import Potential
from .header import Header, parse
from .model import Nep
from .written import plain
from .zbl import NepZbl


def fits(path: Path) -> bool:
    """Whether a path looks like a nep.txt."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        words = file.readline(4096).split()
    return len(words) > 2 and words[0].startswith(b"nep") and words[1].isdigit()


def read(path: Path, device: torch.device) -> Potential:
    """The potential of a nep.txt, in float64.

    Raises:
        ValueError: a kind of potential that is not known, or a file that is cut.
    """
    try:
        return _read(path, device)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path, device: torch.device) -> Potential:
    lines = path.read_text(encoding="utf-8").splitlines()
    header, n_lines = parse(lines)
    values = torch.tensor(
        [float(each) for each in lines[n_lines:] if each.strip()], dtype=torch.float64
    )
    model, shape = Nep(header.shape), header.shape
    n_pairs = shape.n_elements * (shape.n_elements + 1) // 2
    ends = [0, model.num_params, model.num_params + shape.n_descriptors]
    ends.append(ends[-1] + (10 * n_pairs if header.flexible else 0))
    if len(values) != ends[-1]:
        raise ValueError(f"expected {ends[-1]} numbers after the header, got {len(values)}")
    parameters, scales, pairs = (values[a:b] for a, b in pairwise(ends))
    model.set_vector(parameters)
    model.q_scaler.copy_(scales)
    model.most_neighbors.copy_(torch.tensor(header.most_neighbors))
    return _potential(model.to(device).eval(), header, pairs)


def _potential(model: Nep, header: Header, pairs: Tensor) -> Potential:
    shape = header.shape
    descriptor = NepDensity(
        {
            "cutoff": [list(each) for each in header.cutoffs],
            "basis_size": list(shape.basis_size),
            "l_max": shape.l_max,
        },
        shape.elements,
    )
    return potential_of(model, descriptor, None if header.zbl is None else _zbl(header, pairs))


def potential_of(model: Nep, descriptor: NepDensity, zbl: NepZbl | None = None) -> Potential:
    """The potential of a model whose energies are in eV, with a repulsion beside it."""
    numbers = descriptor.element_indices.tolist()
    scalers = {
        "target": TargetScaler.of(0.0, 1.0),
        "feature": FeatureScaler.identity(numbers, descriptor.n_features),
    }
    if zbl is not None:
        scalers["fixed"] = zbl
    return Potential(model, descriptor, scalers)


def _zbl(header: Header, pairs: Tensor) -> NepZbl:
    assert header.zbl is not None
    inner, outer, *share = header.zbl
    return NepZbl(
        header.shape.elements,
        inner,
        outer,
        [angular for _, angular in header.cutoffs],
        share[0] if share else None,
        pairs.view(-1, 10).tolist() if header.flexible else None,
    )


def write(potential: Potential, path: Path) -> None:
    """Write a potential as nep.txt: eight digits a number.

    Raises:
        ValueError: a potential that the file cannot hold.
    """
    model, zbl = plain(potential)
    descriptor = potential.descriptor
    assert isinstance(descriptor, NepDensity)
    radial, angular = model.most_neighbors.tolist()
    line = None if zbl is None else (zbl.inner, zbl.outer, *([zbl.share] if zbl.share else []))
    header = Header(model.shape, descriptor.cutoffs, (radial, angular), line)
    numbers = [*model.vector().tolist(), *model.q_scaler.tolist()]
    if zbl is not None and zbl.pairs is not None:
        numbers += [each for pair in zbl.pairs for each in pair]
    lines = [*header.lines(), *(f"{each:15.7e}" for each in numbers)]
    text = "\n".join(lines) + "\n"
    write_whole(path, lambda: text.encode(), "nep.txt: ")
