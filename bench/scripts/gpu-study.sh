#!/bin/bash
# A study on one GPU in several short sessions: each call resumes where the last one ended.
#
#   bench/scripts/gpu-study.sh DATA OUT      DATA has corpus/, domains/ and tasks/; OUT is the study's folder
#
# After LIMIT_S seconds (default 540) the study is stopped; the next call resumes training from the newest checkpoint.
# When all is finished, OUT/report.html is written. Exit code 75: call again.
#
#   LADDER=docs/studies/gpu/ladder.yaml      another ladder
#   MOE4J=path/to/moe4j                      default: this folder's, with MOE4J_CUDA=1
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
[ $# = 2 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
ladder=${LADDER-$home/docs/studies/gpu/ladder.yaml}
if [ -z "${MOE4J-}" ]; then
  MOE4J=$home/moe4j
  export MOE4J_CUDA=1
fi

code=0
timeout --kill-after=60 "${LIMIT_S-540}" "$MOE4J" study "$ladder" --data "$1" --out "$2" || code=$?
case $code in
0) exec "$MOE4J" report "$2" --published ;;
124 | 137) # 137: it had to be killed
  echo 'gpu-study: out of time, not finished: run the same command again' >&2
  exit 75
  ;;
*) exit $code ;;
esac
