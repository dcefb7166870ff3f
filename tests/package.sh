#!/usr/bin/env bash
# The source distribution holds everything, and a wheel built from it alone trains and predicts in a
# virtual environment of its own, outside the repository. Both are left in dist/.
# usage: package.sh PYTHON, which has torch and what else amptorch needs, setuptools and nanobind
set -euo pipefail
cd "$(dirname "$0")/.."
python=$("$1" -c "import sys; print(sys.executable)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rm -rf dist
"$python" -c 'import setuptools.build_meta as backend; backend.build_sdist("dist")' >"$work/log" 2>&1 ||
    { cat "$work/log" && exit 1; }
"$python" - dist/amptorch-*.tar.gz <<'END'
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
if (cd "$work/source" && CC=absent CXX=absent++ "$python" setup.py build_ext) >"$work/log" 2>&1 ||
    ! grep --quiet "found no C++ compiler 'absent++'" "$work/log"; then
    cat "$work/log" && exit 1
fi

"$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/wheel" "$work/source"
cp "$work"/wheel/*.whl dist
"$python" - "$work/source" dist/*.whl <<'END'
import sys, zipfile
from pathlib import Path

source, suffixes = Path(sys.argv[1]), {".py", ".pyi", ".json", ".typed"}
files = (p for p in (source / "amptorch").rglob("*") if p.suffix in suffixes or p.name == "py.typed")
wanted = {str(path.relative_to(source)) for path in files}
held = set(zipfile.ZipFile(sys.argv[2]).namelist())
sys.exit(f"not in the wheel: {sorted(wanted - held)}" if wanted - held else 0)
END

# Of the packages there, but not of what is installed from the repository: of a folder that a .pth
# names, Python reads no further .pth.
"$python" -m venv "$work/venv"
new=$work/venv/bin/python
"$python" -c 'import site; print(*site.getsitepackages(), sep="\n")' \
    >"$("$new" -c 'import site; print(site.getsitepackages()[0])')/packages.pth"
"$new" -m pip install --quiet --no-deps --no-index dist/*.whl
cp tests/package_smoke.py "$work/elsewhere"
cd "$work/elsewhere"
env -u PYTHONPATH "$new" package_smoke.py "$work/venv"
env -u PYTHONPATH "$new" -m amptorch machine
ls -l "$OLDPWD/dist"
