#!/bin/bash
# Measures the table of docs/gpu.md on one GPU: moe4j, PyTorch and transformers, with the same shapes, in one run.
#
#   bench/scripts/gpu.sh FOLDER          into FOLDER/NAME.json, one file a measurement; FOLDER/table.md at the end
#
# Finished measurements are not repeated, so the same command resumes after an interruption. A failed measurement leaves
# NAME.err and is tried again.
#
#   MOE4J=path/to/moe4j    default: this checkout's, with MOE4J_CUDA=1; or the one that deploy/offline/unpack.sh made
#   PYTHON=python3         with PyTorch 2.9 or newer, and transformers 5; without them the peers fail and are left out
#   LIMIT_S=540            start no measurement after this number of seconds (default: no limit)
#   ONLY=125m              only measurements whose name contains this regular expression
#   TINY=1 DEVICE=cpu      a trial run of all of it without a GPU
set -uo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
[ $# = 1 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd -P)
device=${DEVICE-cuda} python=${PYTHON-python3} peers=$home/bench/peers
if [ -z "${MOE4J-}" ]; then
  MOE4J=$home/moe4j
  [ "$device" = cpu ] || export MOE4J_CUDA=1
fi
began=$SECONDS failed=0

measure() { # name, command ...
  local name=$1 started=$SECONDS
  shift
  [ ! -s "$out/$name.json" ] && [[ $name =~ ${ONLY-.} ]] || return 0
  [ $((SECONDS - began)) -lt "${LIMIT_S-1000000}" ] || { echo "gpu: no time for $name" >&2; failed=1; return 0; }
  if "$@" >"$out/$name.part" 2>"$out/$name.err" </dev/null; then
    mv "$out/$name.part" "$out/$name.json"
    rm "$out/$name.err"
    echo "gpu: $name: $((SECONDS - started)) s" >&2
  else
    failed=1
    rm -f "$out/$name.part"
    echo "gpu: $name FAILED: $(grep -v '^ *$' "$out/$name.err" | tail -n 1)" >&2
  fi
}

ours() { # preset, experts, sequences, more options ...
  local preset=$1 experts=$2 sequences=$3
  shift 3
  # One micro-batch, like the peers; the published presets use gradient accumulation.
  local set=(--set "batch.sequences=$sequences" --set batch.accumulation=1 --set model.dropout=0 --set model.attention_dropout=0)
  # The presets use capacity routing; the comparison is dropless, with experts on every second layer.
  [ -n "${TINY-}" ] || set+=(--precision bf16)
  [ "$experts" = 0 ] || set+=(--set "model.experts=$experts" --set routing.strategy=dropless --set routing.group=1)
  "$MOE4J" bench train --preset "$preset" --device "$device" --steps 12 --json "${set[@]}" "$@"
}

peer() { # script, options ...
  local script=$1
  shift
  PYTHONDONTWRITEBYTECODE=1 "$python" "$peers/$script" --device "$device" ${TINY:+--tiny} "$@"
}

measure doctor "$MOE4J" doctor --json
measure peak peer matmul_peak.py

if [ -n "${TINY-}" ]; then
  measure moe4j-dense-tiny ours cpu-tiny-dense 0 8
  measure pytorch-dense-tiny peer dense.py --no-compile
  measure moe4j-8-tiny ours cpu-tiny-moe 8 8
  measure moe4j-balanced-8-tiny ours cpu-tiny-moe 8 8 --balanced
  measure pytorch-8-tiny peer moe.py --experts 8 --no-compile
else
  # Size, sequences of 2048 tokens in a step, numbers of experts that fit into 80 GB (the last of each may not).
  while read -r size sequences counts; do
    measure "moe4j-dense-$size" ours "dense-$size" 0 "$sequences"
    measure "pytorch-dense-$size" peer dense.py --preset "dense-$size" --sequences "$sequences"
    for experts in $counts; do
      same=(--preset "dense-$size" --experts "$experts" --sequences "$sequences")
      measure "moe4j-$experts-$size" ours "dense-$size" "$experts" "$sequences"
      measure "pytorch-$experts-$size" peer moe.py "${same[@]}"
      measure "transformers-$experts-$size" peer hf_moe.py "${same[@]}"
      measure "moe4j-balanced-$experts-$size" ours "dense-$size" "$experts" "$sequences" --balanced
      measure "pytorch-balanced-$experts-$size" peer moe.py "${same[@]}" --balanced
    done
  done <<'END'
125m 16 8 32 64 128
355m 8 8 32
1.3b 4 8
END
fi

"$python" "$home/bench/scripts/gpu_table.py" "$out" >"$out/table.md" && cat "$out/table.md"
exit $failed
