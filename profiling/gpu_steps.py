"""``python -m profiling.gpu_steps STEP``: the first steps of ``profiling/gpu_run.sh``.

They run where the package is not built yet and packages are missing: only the standard library is
imported here, the rest by the step that needs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "torch triton numpy scipy scikit-learn ase skorch lmdb pyyaml tqdm xxhash tabulate matplotlib"
)
TOOLS = "nanobind setuptools pytest pytest-xdist hypothesis"
PROGRAMS = ("nvidia-smi", "nvcc --version", "g++ --version", "free -g")
FRAME = 164  # atoms, the largest of the sample
CLOSE = 1e-9


def machine() -> None:
    """Print what the machine is and what is installed."""
    for program in PROGRAMS:
        print(f"{program}:\n{_said(program.split())}\n")
    print(f"Python {sys.version}, {os.cpu_count()} cores")
    for name in f"{PACKAGES} {TOOLS}".split():
        print(name, _version(name) or "MISSING")
    torch = import_module("torch")
    cards = range(torch.cuda.device_count())
    print("CUDA", torch.version.cuda, *map(torch.cuda.get_device_properties, cards))


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "not there"
    return (done.stdout + done.stderr).strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def wheels(folder: str, target: str) -> None:
    """Install those of a folder that are missing: the machine's own packages fit its torch."""
    found = list(missing_wheels(Path(folder)))
    if not found:
        print(f"nothing is missing of {folder}")
        return
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", target, *map(str, found)], check=True)


def missing_wheels(folder: Path) -> Iterator[Path]:
    """Wheels of a folder whose packages are not installed in any version."""
    for wheel in sorted(folder.glob("*.whl")):
        if _version(wheel.name.split("-")[0]) is None:
            yield wheel


def build() -> None:
    """Compile the native extension, unless there is one that is newer than its sources."""
    if _is_built():
        print("the extension is there")
        return
    options = ["--quiet", "egg_info", "build_ext", "--inplace"]
    subprocess.run([sys.executable, "setup.py", *options], cwd=ROOT, check=True)


def _is_built() -> bool:
    try:
        native = import_module("amptorch._native")
    except ImportError:
        return False
    sources = [ROOT / "setup.py", *(ROOT / "amptorch/kernels/cpu").iterdir()]
    built = Path(str(native.__file__)).stat().st_mtime
    return _version("amptorch") is not None and all(s.stat().st_mtime <= built for s in sources)


def smoke(device: str) -> None:
    """The fingerprints of a frame on a device against those on the CPU.

    Raises:
        AssertionError: they differ.
    """
    from amptorch.descriptor import construct_descriptor
    from datasets.water_iron import load

    (frame,) = load(1)
    functions = {"default": {"G2": {"etas": [0.5], "rs_s": [0]}, "cutoff": 6.0}}
    elements = sorted(set(frame.symbols))
    descriptor = construct_descriptor(("gaussian", functions, {"cutoff_func": "Cosine"}, elements))
    environment = descriptor.environment(frame)
    wanted = descriptor.fingerprints(environment)
    found = descriptor.fingerprints(environment.to(device))
    error = float((found.cpu() - wanted).abs().max() / wanted.abs().max())
    print(f"fingerprints on {found.device} differ by {error:.1e} from those on the CPU")
    assert error <= CLOSE


def frames(file: str) -> None:
    """Write the largest frames of the sample of water on iron."""
    from ase.io import write

    from datasets.water_iron import load

    write(file, [frame for frame in load() if len(frame) == FRAME])


STEPS = {step.__name__: step for step in (machine, wheels, build, smoke, frames)}

if __name__ == "__main__":
    STEPS[sys.argv[1]](*sys.argv[2:])
