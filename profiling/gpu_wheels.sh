#!/usr/bin/env bash
# Wheels that a machine with CUDA and no network may lack, into a folder, "wheels" by default:
#
#     profiling/gpu_wheels.sh [FOLDER]
#
# In the versions of constraints.txt, for Python PYTHON_VERSION (default 3.12) on x86-64 Linux.
# profiling/gpu_run.sh installs those that are missing there. torch, triton, numpy, scipy,
# scikit-learn, matplotlib and nanobind are expected to be there.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-wheels}
pinned=(ase skorch lmdb tqdm pyyaml xxhash safetensors)
unpinned=(tabulate)  # which skorch needs

platforms=()
for each in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do
    platforms+=(--platform "${each}_x86_64")
done
download() {
    "${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: --dest "$folder" \
        --python-version "${PYTHON_VERSION:-3.12}" --implementation cp "${platforms[@]}" "$@"
}
for name in "${pinned[@]}"; do
    download "$(grep -i "^$name==" constraints.txt)"
done
download "${unpinned[@]}"
du -sh "$folder"
