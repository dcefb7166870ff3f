#!/usr/bin/env bash
# All that needs a GPU, in one go: builds the native extension, runs the tests that need a GPU, measures,
# and writes one report. Needs no network. Where there is no GPU the same steps run small, on the CPU
# and in Triton's interpreter, so that they are known to work when there is one.
#
#     profiling/gpu_run.sh [--out FOLDER] [--wheels FOLDER] [--limit SECONDS]
#
#   --out     to write, default $OUT, and else reports/<date>-gpu-<card>
#   --wheels  packages that the machine may lack, default "wheels"; see profiling/gpu_wheels.sh
#   --limit   seconds of all steps together, default 345
#
# $PYTHON is the Python with torch and Triton, default that of .venv if there is one, and else python3.
# Every step has a limit of its own, and goes on where another failed; the status is 1 if one did. The
# report is report.html, .md and .json; log.txt holds what all steps said, summary.txt how they ended.
set -uo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-} wheels=wheels limit=345
while (($#)); do
    case $1 in
        --out) out=$2 ;;
        --wheels) wheels=$2 ;;
        --limit) limit=$2 ;;
        *) sed -n 's/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift 2 || exit 2
done
python=${PYTHON:-}
[[ -n $python ]] || { [[ -x .venv/bin/python ]] && python=.venv/bin/python || python=python3; }
work=$PWD/build/gpu
rm -rf "$work"
mkdir -p "$work"
export PYTHONPATH=$work/site:$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
export TRITON_CACHE_DIR=$PWD/build/triton
cores=$(nproc)

ask='import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "none")'
card=$(timeout 120 "$python" -c "$ask") || card=none
if [[ $card == none ]]; then
    export TRITON_INTERPRET=1
    device=cpu card=interpreter
    size=(--frames 2 --batch 1 --repeats 1 --device cpu) many=() fewer=()
    chosen=(tests/kernels/test_cuda.py -k "training_on_forces and gmp")
else
    device=cuda
    size=(--frames 256 --batch 64) many=(--frames 2048) fewer=(--repeats 3)
    chosen=(tests/kernels/test_cuda_neighbors.py tests/kernels/test_cuda.py tests/test_on_gpu.py)
    chosen+=(tests/kernels/test_cuda_parts.py tests/potentials/test_on_gpu.py)
    chosen+=(tests/dataset/test_resident.py::test_batches_are_those_of_collate)
fi
if "$python" -c 'import xdist' 2>>"$work/none" && [[ $device == cuda ]]; then
    chosen+=(-n $((cores < 16 ? cores : 16)))
fi
out=${out:-reports/$(date +%F)-gpu-$(tr -cs '[:alnum:]\n' - <<<"$card")}
mkdir -p "$out" || exit 2
log=$out/log.txt summary=$out/summary.txt steps=$work/steps.tsv
: >"$log" >"$summary" >"$steps"

# step NAME SECONDS COMMAND...: what it says goes to the log, how it ended to the summary.
step() {
    local name=$1 most=$2 begun=$SECONDS left=$((limit - SECONDS)) said=$work/$1.txt code=0 result
    shift 2
    ((most <= left)) || most=$left
    printf '\n===== %s, at most %s s: %s\n' "$name" "$most" "$*" >>"$log"
    if ((most < 3)); then
        echo "no time left" >"$said"
        result="not run"
    else
        timeout --kill-after=3 "$most" "$@" >"$said" 2>&1 || code=$?
        case $code in
            0) result=passed ;;
            124 | 137) result="timed out" ;;
            *) result="failed ($code)" ;;
        esac
    fi
    cat "$said" >>"$log"
    [[ $result == passed ]] || tail -n 25 "$said"
    local last took=$((SECONDS - begun))
    last=$(grep -v '^[[:space:]]*$' "$said" | tail -n 1 | tr '\t' ' ' | cut -c 1-160)
    printf '%-12s %-10s %4s of %4s s  %s\n' "$name" "$result" "$took" "$most" "$last" |
        tee -a "$summary"
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$result" "$took" "$most" "$last" >>"$steps"
}

# measure NAME SECONDS ARGUMENTS...: a part of python -m profiling gpu.
measure() {
    step "$1" "$2" "$python" -m profiling gpu --data "$work/water_iron_164.traj" \
        --out "$work/$1" --threads "$cores" "${size[@]}" "${@:3}"
}

first() { step "$1" "$2" "$python" -m profiling.gpu_steps "$1" "${@:3}"; }

first machine 60
first wheels 30 "$wheels" "$work/site"
first build 150
first smoke 60 "$device"
step tests 110 env OMP_NUM_THREADS=1 "$python" -m pytest -v -p no:cacheprovider -W default \
    --durations=10 "${chosen[@]}"
first frames 20 "$work/water_iron_164.traj"
measure kernels32 60 --parts kernels --dtype float32 "${fewer[@]}"
measure on_the_fly32 60 --parts on_the_fly --dtype float32 "${many[@]}"
measure inference32 40 --parts inference --dtype float32
measure inference 40 --parts inference
measure fingerprints 45 --parts fingerprints
measure cached32 45 --parts cached --dtype float32
measure on_the_fly 60 --parts on_the_fly --trace "$out/trace.json.gz"
measure kernels 75 --parts kernels "${fewer[@]}"

parts=(kernels32 on_the_fly32 inference32 inference fingerprints cached32 on_the_fly kernels)
timeout 30 "$python" -m profiling.gpu_report --card "$card" --steps "$steps" \
    --environment "$work/machine.txt" --out "$out" "${parts[@]/#/$work/}" >>"$log" 2>&1
status=$?
[[ -f $out/report.html ]] || tail -n 25 "$log"
printf '\n%s s in all\n' "$SECONDS" | tee -a "$summary"
cat "$summary"
exit $status
