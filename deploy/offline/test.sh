#!/bin/sh
# Runs the tests that pack.sh --tests packed, with the environment and the JVM of ./moe4j:
#
#   moe4j/test.sh                                          the tests that depend on the device, on the CPU and on a GPU
#   moe4j/test.sh --select-class dev.moe4j.train.CudaTest  other tests, by the options of JUnit's console launcher
#
# With libtorch for CUDA a missing GPU is a failure. Without, tests on a GPU are skipped, each with a line that says so.
set -eu

case $0 in */*) home=${0%/*} ;; *) home=. ;; esac
home=$(cd "$home" && pwd -P)
[ -d "$home/tests" ] || { echo 'test: there is no folder tests here: pack with pack.sh --tests' >&2; exit 1; }

classes=$home/tests/tensor:$home/tests/parallel:$home/tests/model:$home/tests/train
[ $# -gt 0 ] || set -- --include-tag device --scan-classpath "$classes"
cuda=false
[ ! -d "$home/natives/org/bytedeco/pytorch/linux-x86_64-gpu" ] || cuda=true

export MOE4J_MAIN=org.junit.platform.console.ConsoleLauncher MOE4J_CLASSPATH="$classes:$home/tests/lib/*"
export MOE4J_JAVA_OPTS="-Dmoe4j.debug.tensors=true -Dmoe4j.test.cuda=$cuda ${MOE4J_JAVA_OPTS-}"
# One after another: some tests count events of the whole process, and all share one GPU.
exec "$home/moe4j" execute --disable-banner --disable-ansi-colors --fail-if-no-tests --details=tree \
  --config junit.jupiter.execution.parallel.enabled=false "$@"
