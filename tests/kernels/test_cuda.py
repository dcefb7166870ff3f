"""Triton kernels against the reference: on a GPU where there is one, and everywhere else on the CPU
in Triton's interpreter. Without a GPU they are compiled for one all the same.

Triton decides when a kernel is defined whether it is interpreted, and for good; so the module runs
itself once more in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="needs Triton: pip install 'amptorch[gpu]'")

from amptorch.kernels import (
    bispectrum,
    cuda,
    gmp,
    spherical_expansion,
    symmetry_functions,
)
from amptorch.kernels.cuda import bispectrum as cuda_bispectrum
from amptorch.kernels.cuda import gmp as cuda_gmp
from amptorch.kernels.cuda import spherical_expansion as cuda_spherical_expansion
from amptorch.kernels.cuda import symmetry_functions as cuda_symmetry_functions
from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.operators import Operators

from ..systems import SYSTEMS
from ..tolerances import KERNEL
from . import (
    force_training,
    symmetry_function_cases,
    test_bispectrum,
    test_gmp,
    test_spherical_expansion,
    test_symmetry_functions,
)
from .triton_launches import Launch, Recorder, compiled_for_sm_90

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
DTYPES = [torch.float64, torch.float32]

on_device = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="needs a GPU; see test_under_the_interpreter"
)
needs_gpu = pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
compiled = pytest.mark.skipif(
    INTERPRETED or DEVICE == "cuda",
    reason="compiles for sm_90: the interpreter does not, and a GPU compiles what it runs",
)


@dataclass(frozen=True)
class Stem:
    """A stem, its kernels, and the parameters of a named case for some number of elements."""

    module: Any
    kernels: Any
    parameters: Callable[[str], Any]

    @property
    def reference(self) -> Any:
        return self.module.OPERATORS.reference


SYMBOLS = ["C", "O"]


def bispectrum_of(case: str) -> Any:
    """Parameters of which the interpreter needs seconds; a GPU takes them as they are."""
    small = {} if DEVICE == "cuda" else {"twojmax": {"2j0": 0, "chemical": 1}.get(case, 2)}
    return test_bispectrum.snap(case, SYMBOLS, **small).parameters


STEMS = {
    "symmetry_functions": Stem(
        symmetry_functions,
        cuda_symmetry_functions.KERNELS,
        lambda case: symmetry_function_cases.CASES[case].functions(len(SYMBOLS)),
    ),
    "gmp": Stem(gmp, cuda_gmp.KERNELS, lambda case: test_gmp.CASES[case].multipoles(SYMBOLS)),
    "bispectrum": Stem(bispectrum, cuda_bispectrum.KERNELS, bispectrum_of),
    "spherical_expansion": Stem(
        spherical_expansion,
        cuda_spherical_expansion.KERNELS,
        lambda case: test_spherical_expansion.expansion(*case.split("_", 1), len(SYMBOLS)),
    ),
}

CASES = [
    ("symmetry_functions", "g2_g4_cosine"),
    ("symmetry_functions", "shifted_g2"),
    ("symmetry_functions", "uneven_cutoffs"),
    ("symmetry_functions", "many_terms"),
    ("symmetry_functions", "real_zeta"),
    ("symmetry_functions", "polynomial_real"),
    ("symmetry_functions", "weighted_and_not"),
    ("symmetry_functions", "shifted_angular"),
    ("symmetry_functions", "tanh"),
    ("symmetry_functions", "cosine_inner"),
    ("symmetry_functions", "poly4_inner"),
    ("gmp", "solid"),
    ("gmp", "solid_roots"),
    ("gmp", "solid_to_9"),
    ("spherical_expansion", "nep_nep"),
    ("spherical_expansion", "some_nep"),
    ("bispectrum", "inner"),
    ("bispectrum", "chemical"),
]


@cache
def environment_of(system: str) -> Environment:
    """A named structure, or two as one batch; what elements there are beyond ``SYMBOLS`` count as
    its last one, which leaves the neighbours in order."""
    parts = ["isolated_atom", "linear_co2"] if system == "batch" else [system]
    joined = concatenate([test_symmetry_functions.environment_of(name) for name in parts])
    return replace(joined, species=joined.species.clamp(max=len(SYMBOLS) - 1))


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def spread(environment: Environment, parameters: Any, blocks: Tensor) -> Tensor:
    return test_symmetry_functions.spread(environment, parameters, blocks.double().cpu())


def assert_close(actual: Tensor, wanted: Tensor, scale: Tensor, dtype: torch.dtype) -> None:
    """Relative to the value or to the scale, whichever is larger; never NaN. A GPU may take numbers
    below the smallest normal one as zero, and a few Å make more of it."""
    excess = (actual.double().cpu() - wanted).abs() - KERNEL[dtype] * wanted.abs().maximum(scale)
    assert (excess <= 100 * torch.finfo(dtype).tiny).all()


@pytest.mark.parametrize(("stem", "case"), CASES)
@on_device
def test_kernel_matches_reference(stem: str, case: str) -> None:
    check_operations(stem, case, environment_of("batch"), torch.float64)


@pytest.mark.parametrize(
    ("stem", "case"),
    [
        ("symmetry_functions", "g2_g4_cosine"),
        ("symmetry_functions", "polynomial_real"),
        ("symmetry_functions", "tanh"),
        *CASES[-4:-1],
    ],
)
@on_device
def test_single_precision(stem: str, case: str) -> None:
    check_operations(stem, case, environment_of("batch"), torch.float32)


@pytest.mark.parametrize(
    ("stem", "case"),
    [
        *(("symmetry_functions", case) for case in symmetry_function_cases.CASES),
        *(("gmp", case) for case in test_gmp.CASES),
        *(("bispectrum", case) for case in test_bispectrum.CASES),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@needs_gpu
def test_all_systems(stem: str, case: str, dtype: torch.dtype) -> None:
    """One test for all of them, as a set of parameters is compiled once."""
    if dtype == torch.float32 and not STEMS[stem].kernels.takes(STEMS[stem].parameters(case)):
        pytest.skip("on a GPU by the reference, whose rounding is not held to a bound")
    failed = {}
    systems = {*SYSTEMS, "batch"}
    if dtype == torch.float32 and stem == "gmp":
        systems -= {"pair_at_cutoff"}  # too far apart: float32 has no digit of a multipole's slope
    for system in sorted(systems):
        try:
            check_operations(stem, case, environment_of(system), dtype, through_operators=True)
        except AssertionError as error:
            failed[system] = error
    assert not failed, failed


@pytest.mark.parametrize(
    ("stem", "case", "system"),
    [
        ("symmetry_functions", "polynomial", "pair_at_cutoff"),
        ("symmetry_functions", "cosine_inner", "fe_primitive"),
        ("gmp", "solid", "fe_primitive"),
        ("bispectrum", "2j0", "fe_primitive"),
    ],
)
@on_device
def test_cutoff_and_several_blocks(stem: str, case: str, system: str) -> None:
    check_operations(stem, case, environment_of(system), torch.float64)


def check_operations(
    stem: str,
    case: str,
    environment: Environment,
    dtype: torch.dtype,
    through_operators: bool = False,
) -> None:
    """All four, derivatives relative to the sum of the magnitudes of what they are summed from.

    With ``through_operators`` as the package calls them, where the device chooses the backend."""
    reference = STEMS[stem].reference
    kernels = STEMS[stem].module.OPERATORS if through_operators else STEMS[stem].kernels
    parameters, given = STEMS[stem].parameters(case), environment.to(DEVICE, dtype)
    environment = given.to("cpu", torch.float64)
    if stem == "spherical_expansion":
        # It makes no Jacobian to look at.
        check_products(stem, kernels, environment, given, parameters)
        return
    touch = () if through_operators else (parameters.touch(),)
    wanted, blocks = reference.jacobian(environment, parameters)
    slopes = spread(environment, parameters, blocks)
    gradient, changes = random(*wanted.shape), random(environment.n_pairs, 3)

    forward = kernels.forward(given, parameters)
    features, actual_blocks = kernels.jacobian(given, parameters, *touch)
    pulled = kernels.vjp(given, parameters, gradient.to(DEVICE, dtype))
    pushed = kernels.jvp(given, parameters, changes.to(DEVICE, dtype))

    assert {tensor.dtype for tensor in (forward, features, actual_blocks, pulled)} == {dtype}
    scale = bounds(stem, environment, parameters)
    assert_close(forward, wanted, scale, dtype)
    assert_close(features, wanted, scale, dtype)
    assert through_operators or torch.equal(features, forward)  # the reference's sums are atomic
    steep = scale[environment.centers][:, :, None] / 0.2
    assert_close(spread(environment, parameters, actual_blocks), slopes, steep, dtype)
    weights = gradient[environment.centers][:, :, None]
    sizes = (weights.abs() * steep).sum(1)
    assert_close(pulled, (weights * slopes).sum(1), sizes, dtype)
    wanted_change = test_symmetry_functions.push(environment, slopes, changes)
    sizes = scale / 0.2 * environment.first.diff()[:, None]
    assert_close(pushed, wanted_change, sizes, dtype)


def check_products(
    stem: str, kernels: Any, environment: Environment, given: Environment, parameters: Any
) -> None:
    """Relative to the largest value."""
    reference, dtype = STEMS[stem].reference, given.vectors.dtype
    gradient = random(environment.n_atoms, parameters.n_features)
    changes = random(environment.n_pairs, 3)
    for name, inputs in (("forward", ()), ("vjp", (gradient,)), ("jvp", (changes,))):
        wanted = getattr(reference, name)(environment, parameters, *inputs)
        moved = [each.to(DEVICE, dtype) for each in inputs]
        actual = getattr(kernels, name)(given, parameters, *moved)
        assert actual.dtype == dtype
        assert_close(actual, wanted, wanted.abs().max(), dtype)


def bounds(stem: str, environment: Environment, parameters: Any) -> Tensor:
    """About what each feature is if no two terms cancel, but no less than a hundredth of what the
    weight of a close neighbour makes of it."""
    if stem == "gmp":
        return test_gmp.bounds(environment, parameters)
    if stem == "bispectrum":
        features = bispectrum.forward(environment, replace(parameters, zero=False)).abs()
        return features.max().expand_as(features)
    least = 0.01 * float(parameters.values[:, 5].max())
    return STEMS[stem].reference.forward(environment, parameters).clamp(min=least)


@pytest.mark.parametrize(
    ("stem", "case"),
    [
        ("symmetry_functions", "g5"),
        ("gmp", "solid_roots"),
        ("bispectrum", "2j0"),
        ("spherical_expansion", "small_nep"),
    ],
)
@on_device
def test_training_on_forces(stem: str, case: str) -> None:
    environment, parameters = environment_of("linear_co2"), STEMS[stem].parameters(case)
    wanted = force_training.gradients(STEMS[stem].reference, environment, parameters)
    actual = force_training.gradients(operators(stem), environment.to(DEVICE), parameters)
    force_training.assert_close(actual, wanted)


def operators(stem: str) -> Operators:
    """The operators of a stem; on the CPU those that have the Triton kernels in place of C++."""
    own = STEMS[stem].module.OPERATORS
    if DEVICE == "cuda":
        return own
    kernels = STEMS[stem].kernels
    return Operators(f"interpreted_{stem}", own.compiled.parameters, own.reference.forward, kernels)


@pytest.mark.skipif(INTERPRETED, reason="is the interpreter")
@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU runs the same bodies")
def test_under_the_interpreter() -> None:
    assert_passes_under_the_interpreter(__file__)


def assert_passes_under_the_interpreter(file: str) -> None:
    """In a process of its own, as Triton asks for it when it is imported."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


KERNELS = {
    "symmetry_functions": {"sum_radial", "sum_angular", "pull"},
    "gmp": {"sum_multipoles", "pull", "push"},
    "bispectrum": {"sum_densities", "multiply", "overlap", "adjoin", "pull"},
    "spherical_expansion": {"add_products", "pull_pair"},
}


@pytest.mark.parametrize(
    ("stem", "case"),
    [
        ("symmetry_functions", "g2_g4_cosine"),
        ("symmetry_functions", "uneven_cutoffs"),
        ("symmetry_functions", "polynomial_real"),
        ("symmetry_functions", "weighted"),
        ("gmp", "solid_roots"),
        ("bispectrum", "chemical_all"),
        ("spherical_expansion", "nep_nep"),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@compiled
def test_compiles_for_sm_90(
    stem: str,
    case: str,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    launches = recorded(stem, case, dtype)
    for result in map(compiled_for_sm_90, launches):
        assert ".target sm_90" in result.asm["ptx"]
        assert result.asm["cubin"].startswith(b"\x7fELF")
        assert not re.search(r"muli .*%n_pairs\b.* : i32", result.asm["ttir"]), "would overflow"
    assert {kernel.__name__ for kernel, *_ in launches} == KERNELS[stem]


@pytest.mark.parametrize(
    ("stem", "case"),
    [("gmp", "solid"), ("bispectrum", "2j4")],
)
@compiled
def test_not_compiled_anew_for_another_number_of_pairs(stem: str, case: str) -> None:
    launches = recorded(stem, case, torch.float64)
    parameters = [each for kernel, *_ in launches for each in kernel.params]
    counts = [each for each in parameters if each.name == "n_pairs"]
    assert counts
    assert all(each.do_not_specialize for each in counts)


def recorded(stem: str, case: str, dtype: torch.dtype) -> list[Launch]:
    """What the four operations would launch."""
    kernels, parameters = STEMS[stem].kernels, STEMS[stem].parameters(case)
    environment = environment_of("dimer").to(dtype)
    gradient = random(environment.n_atoms, parameters.n_features).to(dtype)
    recorder = Recorder()
    with recorder.watching():
        kernels.forward(environment, parameters)
        if STEMS[stem].module.OPERATORS.stored:
            kernels.jacobian(environment, parameters, parameters.touch())
        kernels.vjp(environment, parameters, gradient)
        kernels.jvp(environment, parameters, environment.vectors)
    return list(recorder.launches.values())


class TestChoiceOfBackend:
    @staticmethod
    def choice(stem: str, case: str, device: str, dtype: torch.dtype = torch.float64) -> Any:
        vectors = SimpleNamespace(device=torch.device(device), dtype=dtype)
        own = STEMS[stem].module.OPERATORS.compiled
        return own.native(vectors, STEMS[stem].parameters(case))

    @pytest.mark.parametrize(("stem", "case"), CASES)
    def test_by_device_and_precision(self, stem: str, case: str) -> None:
        own = STEMS[stem].module.OPERATORS.compiled
        assert self.choice(stem, case, "cpu") is own.cpp
        assert self.choice(stem, case, "cuda") is STEMS[stem].kernels
        assert self.choice(stem, case, "cuda", torch.bfloat16) is None
        assert self.choice(stem, case, "mps") is None

    @pytest.mark.parametrize("case", ["surface", "groups", "solid_groups"])
    def test_other_multipoles_on_the_reference(self, case: str) -> None:
        assert self.choice("gmp", case, "cuda") is None

    def test_functions_of_the_same_neighbours_that_share_a_feature_on_the_reference(self) -> None:
        functions = STEMS["symmetry_functions"].parameters("g5")
        kinds = functions.kinds.clone()
        kinds[1, :2] = kinds[0, :2]
        assert not cuda_symmetry_functions.KERNELS.takes(replace(functions, kinds=kinds))

    def test_reference_without_triton(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cuda, "find_spec", lambda name: None)
        cuda.load.cache_clear()
        assert self.choice("gmp", "solid", "cuda") is None
        cuda.load.cache_clear()
