#!/usr/bin/env bash
# The tests of the CPU kernels on a native extension with address and undefined-behaviour
# sanitizers, built beside the usual one. Stops at the first finding.
# usage: sanitize.sh PYTHON [arguments of pytest]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$("$1" -c "import sys; print(sys.executable)")
shift
where=$PWD/build/sanitize
sanitizers="-fsanitize=address,undefined"
flags="$sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer -g"

CFLAGS=$flags CXXFLAGS=$flags LDFLAGS=$sanitizers \
    "$python" setup.py --quiet build --build-base "$where" --build-lib "$where"
ln -sfn ../../tests "$where/tests"
cd "$where"

# The sanitizers must be there before anything else; libstdc++ so that they see its exceptions.
compiler=${CXX:-g++}
preloaded=
for library in asan ubsan stdc++; do
    preloaded+=$("$compiler" -print-file-name="lib$library.so"):
done
export LD_PRELOAD=${preloaded%:} PYTHONPATH=$where
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
"$python" -c 'import amptorch._native as n, sys; sys.exit(not n.__file__.startswith(sys.argv[1]))' \
    "$where"
exec "$python" -m pytest -c ../../pyproject.toml --rootdir . -p no:cacheprovider -x tests/kernels \
    --ignore tests/kernels/test_cuda.py "$@"
