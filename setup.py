"""Build of the package and of its native extension (C++ through nanobind)."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import nanobind
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

TRITON = "triton>=3.6; platform_system == 'Linux'"
ROOT = Path(__file__).parent
# Read, not imported: building needs neither torch nor the extension.
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "amptorch/__init__.py").read_text(), re.M)[1]
NANOBIND = Path(nanobind.include_dir()).parent
# nanobind's own source breaks strict aliasing.
FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fvisibility=hidden", "-fno-strict-aliasing"]
# Python's own flags ask for debugging information, ten times the size of the code; CFLAGS may too.
if "-g" not in os.environ.get("CFLAGS", "").split():
    FLAGS.append("-g0")


def native_extension() -> Extension:
    """The module ``amptorch._native``: every ``kernels/cpu/*.cpp`` and nanobind's own source."""
    sources = sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "amptorch/kernels/cpu").glob("*.cpp")
    )
    openmp = [] if sys.platform == "darwin" else ["-fopenmp"]
    return Extension(
        "amptorch._native",
        sources=[*sources, str(NANOBIND / "src" / "nb_combined.cpp")],
        include_dirs=[
            nanobind.include_dir(),
            str(NANOBIND / "ext" / "robin_map" / "include"),
            "amptorch/kernels/cpu",
        ],
        depends=[str(path) for path in (ROOT / "amptorch/kernels/cpu").glob("*.h")],
        extra_compile_args=[*FLAGS, *openmp],
        extra_link_args=openmp,
        language="c++",
    )


NO_COMPILER = """\
amptorch has kernels in C++, and its build found no C++ compiler {0!r}: install one that knows C++17
(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; conda: conda install gxx; macOS:
xcode-select --install), or name yours by the environment variables CC and CXX."""


class BuildExtension(build_ext):
    """Compiles the files of the extension side by side: as many as ``--parallel`` says, or as
    there are cores."""

    def build_extensions(self) -> None:
        command = getattr(self.compiler, "compiler_cxx", None)  # not with Microsoft's compiler
        if command and shutil.which(command[0]) is None:
            sys.exit(NO_COMPILER.format(command[0]))
        one_by_one = self.compiler.compile

        def compile_all(sources: Sequence[str], *args: object, **options: object) -> list[str]:
            with ThreadPool(self.parallel or os.cpu_count()) as pool:
                found = pool.map(lambda file: one_by_one([file], *args, **options), sources)
            return [each for objects in found for each in objects]

        self.compiler.compile = compile_all
        super().build_extensions()


setup(
    name="amptorch",
    version=VERSION,
    description="Neural-network interatomic potentials from atomic fingerprints",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="GPL-3.0-or-later",
    license_files=["LICENSE"],
    author="the developers of amptorch",
    project_urls={"The original": "https://github.com/ulissigroup/amptorch"},
    keywords=["interatomic potentials", "molecular dynamics", "neural networks", "fingerprints"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: C++",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Chemistry",
        "Topic :: Scientific/Engineering :: Physics",
        "Typing :: Typed",
    ],
    entry_points={"console_scripts": ["amptorch = amptorch.__main__:main"]},
    python_requires=">=3.10",
    packages=find_packages(include=["amptorch", "amptorch.*"]),
    package_data={
        "amptorch": ["py.typed", "_native.pyi"],
        "amptorch.descriptor": ["data/*.json"],
        "amptorch.kernels": ["cpu/*.cpp", "cpu/*.h"],
        "amptorch.lammps": ["plugin/*.cpp", "plugin/*.h"],
        "amptorch.report": ["page.css", "page.js"],
    },
    ext_modules=[native_extension()],
    cmdclass={"build_ext": BuildExtension},
    install_requires=[
        "torch>=2.4",
        "skorch>=1.4",
        "ase>=3.23",
        "numpy>=1.26",
        "scipy>=1.14",
        "lmdb>=1.4",
        "pyyaml>=6",
        "tqdm>=4.60",
        "xxhash>=3.2",
        "safetensors>=0.4",
        "optuna>=4.4",
        "cmaes>=0.11",
    ],
    extras_require={
        "plots": ["matplotlib>=3.7"],
        "datasets": ["lammps>=2025.7", "mpich>=5", "tqdm>=4.60"],
        "lammps": ["lammps>=2025.7", "mpich>=5"],
        "gpu": [TRITON],
        "linear": ["scikit-learn>=1.3"],
        "dask": ["distributed>=2024.1"],
        "docs": ["sphinx>=8.1", "myst-parser>=4", "furo>=2024.8", "sphinx-copybutton>=0.5"],
        "profiling": ["line_profiler>=4.1", "py-spy>=0.3.14"],
        "test": [
            "pytest>=8",
            "pytest-cov>=5",
            "pytest-xdist>=3.6",
            "distributed>=2024.1",
            "psycopg2-binary>=2.9",
            "hypothesis>=6.100",
            "vesin>=0.6",
            "matplotlib>=3.7",
            "lammps>=2025.7; platform_system == 'Linux'",
            "mpich>=5; platform_system == 'Linux'",
            "calorine>=4; platform_system == 'Linux'",
            "ruff>=0.6",
            "mypy>=1.11",
            TRITON,
        ],
    },
)
