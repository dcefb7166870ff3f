#!/usr/bin/env bash
# From a fresh virtual environment: the source distribution holds everything, and a wheel built from it
# alone, installed in another one, trains, predicts and does what docs/cli.md says outside the
# repository. Both are left in dist/.
# usage: package.sh PYTHON, which has torch and what else amptorch needs, setuptools and nanobind
set -euo pipefail
cd "$(dirname "$0")/.."
python=$("$1" -c "import sys; print(sys.executable)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A virtual environment with the packages there, but not with what is installed from the repository: of
# a folder that a .pth names, Python reads no further .pth.
packages=$("$python" -c 'import site; print(*site.getsitepackages(), sep="\n")')
fresh() {
    "$python" -m venv --without-pip "$1"  # a pip would come with an old setuptools
    echo "$packages" >"$("$1/bin/python" -c 'import site; print(site.getsitepackages()[0])')/packages.pth"
}

rm -rf dist
fresh "$work/build"
build=$work/build/bin/python
"$build" -c 'import setuptools.build_meta as backend; backend.build_sdist("dist")' >"$work/log" 2>&1 ||
    { cat "$work/log" && exit 1; }
"$build" - dist/amptorch-*.tar.gz <<'END'
import sys, tarfile
from pathlib import Path

made = {".so", ".pyc", ".pyd"}
folders = (".ci", "amptorch", "datasets", "docs", "examples", "profiling", "tests")
wanted = {str(p) for f in folders for p in Path(f).rglob("*") if p.is_file() and p.suffix not in made}
wanted |= {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "Makefile", "constraints.txt", "pyproject.toml"}
held = {name.partition("/")[2] for name in tarfile.open(sys.argv[1]).getnames()}
sys.exit(f"not in the source distribution: {sorted(wanted - held)}" if wanted - held else 0)
END

mkdir "$work/source" "$work/wheel" "$work/elsewhere"
tar -xzf dist/amptorch-*.tar.gz -C "$work/source" --strip-components 1
# Where there is no compiler the build says so, and how to get one.
if (cd "$work/source" && CC=absent CXX=absent++ "$build" setup.py build_ext) >"$work/log" 2>&1 ||
    ! grep --quiet "found no C++ compiler 'absent++'" "$work/log"; then
    cat "$work/log" && exit 1
fi

"$build" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/wheel" "$work/source"
cp "$work"/wheel/*.whl dist
"$build" - "$work/source" dist/*.whl <<'END'
import sys, zipfile
from pathlib import Path

source, suffixes = Path(sys.argv[1]), {".py", ".pyi", ".json", ".typed"}
files = (p for p in (source / "amptorch").rglob("*") if p.suffix in suffixes or p.name == "py.typed")
wanted = {str(path.relative_to(source)) for path in files}
held = set(zipfile.ZipFile(sys.argv[2]).namelist())
sys.exit(f"not in the wheel: {sorted(wanted - held)}" if wanted - held else 0)
END

fresh "$work/venv"
new=$work/venv/bin/python
"$new" -m pip install --quiet --no-deps --no-index dist/*.whl
cp tests/package_smoke.py tests/package_commands.py "$work/elsewhere"
cd "$work/elsewhere"
unset PYTHONPATH
"$new" package_smoke.py "$work/venv"
"$new" package_commands.py
ls -l "$OLDPWD/dist"
