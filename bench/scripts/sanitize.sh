#!/bin/bash
# Runs the tests of the fused CUDA kernels on a GPU under NVIDIA's compute-sanitizer: memcheck, racecheck, initcheck, synccheck.
#
#   bench/scripts/sanitize.sh FOLDER     into FOLDER/TOOL.txt, in a folder that deploy/offline/pack.sh --cuda --tests made
#
# Findings in libtorch's kernels are counted only.
#
#   COMPUTE_SANITIZER=path    default: the one on PATH, or CUDA's in /usr/local/cuda
#   TOOLS="memcheck"          fewer of them
set -uo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
[ $# = 1 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
say() { echo "sanitize: $*" >&2; }

[ -x "$home/test.sh" ] || { say "$home holds no packed tests: pack with deploy/offline/pack.sh --cuda --tests"; exit 1; }
sanitizer=${COMPUTE_SANITIZER-$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer)}
[ -x "$sanitizer" ] || { say 'compute-sanitizer is missing: it comes with the CUDA toolkit (cuda-sanitizer); nothing was checked'; exit 1; }
mkdir -p "$1"
out=$(cd "$1" && pwd -P)

own='(softmaxLoss|combine|combineBackward|biasGelu|geluBackward|addNorm|addNormBackward)_(float32|bfloat16)|route(Highest|Count|Starts|Rows|Place)'
failed=0
for tool in ${TOOLS-memcheck racecheck initcheck synccheck}; do
  "$sanitizer" --tool "$tool" --target-processes all --log-file "$out/$tool.txt" "$home/test.sh" \
    --select-class dev.moe4j.tensor.cuda.KernelsTest \
    --select-method 'dev.moe4j.model.routing.DeviceAssignmentTest#equalsTheHostsByKernels' >"$out/$tool.tests" 2>&1
  tests=$?
  if ! grep -q 'ERROR SUMMARY\|RACECHECK SUMMARY' "$out/$tool.txt" 2>/dev/null; then
    failed=1
    say "$tool did not run to its end: see $out/$tool.tests"
    continue
  fi
  ours=$(grep -cE "^=========.*($own)" "$out/$tool.txt")
  [ "$ours" = 0 ] && [ $tests = 0 ] || failed=1
  say "$tool: $ours lines about our kernels, tests $([ $tests = 0 ] && echo passed || echo FAILED); of all kernels: $(
    grep -h 'SUMMARY' "$out/$tool.txt" | sed 's/^=* *//' | tr '\n' ' ')"
done
exit $failed
