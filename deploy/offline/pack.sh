#!/bin/bash
# Packs moe4j for a Linux x86-64 machine that has no JDK, no Maven and no network:
#
#   deploy/offline/pack.sh [--cuda [--arch 90] [--use-machine-libtorch]] [--tests] [--data DIR] FOLDER
#
#   --cuda                   libtorch with CUDA, with GPU code for one architecture only: sm_90, H100 and H200
#   --arch N                 another architecture that libtorch has code for (thin_fatbin.py --list prints them)
#   --use-machine-libtorch   with --cuda, leave libtorch out: the target machine's installed PyTorch provides it
#   --tests                  pack the tests of tensor, parallel, model and train too; test.sh runs them there
#   --data DIR               pack this folder too, as data/; compress its text first
#
# FOLDER gets archives in pieces of at most 60 MiB, their checksums and unpack.sh. On the target: sh unpack.sh moe4j doctor
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }
say() { echo "pack: $*" >&2; }

cuda='' arch=90 libtorch=true tests=false data='' out=''
while [ $# -gt 0 ]; do
  case $1 in
  --cuda) cuda=1 ;;
  --arch) [ $# -gt 1 ] || usage; arch=$2; shift ;;
  --use-machine-libtorch) libtorch=false ;;
  --tests) tests=true ;;
  --data) [ $# -gt 1 ] && [ -d "$2" ] || usage; data=$(cd "$2" && pwd -P); shift ;;
  -*) usage ;;
  *) [ -z "$out" ] || usage; out=$1 ;;
  esac
  shift
done
[ -n "$out" ] || usage
[ $libtorch = true ] || [ -n "$cuda" ] || {
  say '--use-machine-libtorch needs --cuda: without it the launcher does not look for PyTorch'
  exit 2
}
[ "$(uname -sm)" = 'Linux x86_64' ] || { say 'packs on Linux x86-64 only, since the Java runtime is this machine'\''s'; exit 1; }
for tool in xz unzip python3 split sha256sum; do
  command -v $tool >/dev/null || { say "needs $tool: install it, then run this again"; exit 1; }
done
[ ! -e "$out" ] || [ -z "$(ls -A "$out")" ] || { say "$out is not empty: choose a new folder"; exit 1; }

MOE4J_CUDA=$cuda "$home/moe4j" --version >/dev/null # builds what is missing
. "$home/.mvn/find-jdk.sh"
built=$home/cli/target/dist${cuda:+-cuda}
platform=linux-x86_64${cuda:+-gpu}

mkdir -p "$out"
out=$(cd "$out" && pwd -P)
stage=$(mktemp -d "$out/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT

programs=("$built/moe4j.jar")
if [ $tests = true ]; then
  say 'building the tests'
  mkdir -p "$stage/tests/lib"
  junit=$(sed -n 's,.*<junit.version>\(.*\)</junit.version>.*,\1,p' "$home/pom.xml")
  # JUnit's console launcher has all of JUnit in it; the commands' own jars are in dist/lib; only the tests of text and data need DuckDB.
  (cd "$home" &&
    ./mvnw -q -B -ntp ${cuda:+-Pcuda} -pl train -am test-compile dependency:copy-dependencies -Dspotless.check.skip=true \
      -DincludeScope=test -DoutputDirectory="$stage/tests/lib" \
      -DexcludeGroupIds=dev.moe4j,org.bytedeco,org.duckdb,org.junit.jupiter,org.junit.platform,org.opentest4j,org.apiguardian &&
    ./mvnw -q -B -ntp -N dependency:copy -Dartifact="org.junit.platform:junit-platform-console-standalone:$junit" \
      -DoutputDirectory="$stage/tests/lib") >&2
  for jar in "$stage"/tests/lib/*.jar; do
    [ ! -e "$built/lib/${jar##*/}" ] || rm "$jar"
  done
  for module in tensor parallel model train; do
    cp -r "$home/$module/target/test-classes" "$stage/tests/$module"
  done
  cp "$home/deploy/offline/test.sh" "$stage/"
  programs+=("$stage"/tests/{tensor,parallel,model,train})
fi

say 'linking a Java runtime'
# The modules that the commands reach, and those found at run time only: logback's naming, file systems in archives.
# A pattern for the class path would make jdeps read the jars as modules, some of which are not there.
jars=("$built"/lib/*.jar)
[ $tests = false ] || jars+=("$stage"/tests/lib/*.jar)
modules=$("$JAVA_HOME/bin/jdeps" --recursive --ignore-missing-deps --multi-release 25 --print-module-deps \
  --class-path "$(IFS=:; echo "${jars[*]}")" "${programs[@]}") || { say "jdeps failed: $modules"; exit 1; }
modules=${modules/java.desktop,/} # Jackson does without it, and it is large
"$JAVA_HOME/bin/jlink" --add-modules "$modules,java.naming,jdk.management,jdk.zipfs" --output "$stage/runtime" \
  --compress zip-0 --no-header-files --no-man-pages --strip-java-debug-attributes

say 'gathering jars and libraries'
mkdir -p "$stage/dist/lib" "$stage/natives"
cp "$home/moe4j" "$stage/"
(cd "$home" && cp --parents -r bench/peers bench/scripts docs/studies/gpu "$stage/")
cp "$built/moe4j.jar" "$built/built" "$stage/dist/"
for jar in "$built"/lib/*.jar; do
  case ${jar##*/} in
  javacpp-*-linux-x86_64.jar | openblas-*-linux-x86_64.jar | pytorch-*-"$platform".jar)
    unzip -q "$jar" '*.so*' -d "$stage/natives"
    ;;
  *) cp "$jar" "$stage/dist/lib/" ;;
  esac
done
rm "$stage"/natives/org/bytedeco/openblas/*/*_full.so # OpenBLAS's LAPACK for Java, which moe4j does not call
# The name under which libjniopenblas_nolapack.so looks for OpenBLAS, which JavaCPP makes in its cache.
ln -s libopenblas.so.0 "$stage/natives/org/bytedeco/openblas/linux-x86_64/libopenblas_nolapack.so.0"
torch=$stage/natives/org/bytedeco/pytorch/$platform
[ -e "$torch/libjnitorch.so" ] || { say "$built/lib has no libtorch for $platform; delete $built and run this again"; exit 1; }
if [ $libtorch = false ]; then
  rm "$torch"/libtorch*.so "$torch"/libc10*.so "$torch"/libgomp.so.*
elif [ -n "$cuda" ]; then
  python3 "$home/deploy/offline/thin_fatbin.py" "$torch/libtorch_cuda.so" --keep "$arch" >&2
fi

# One stream of .xz in pieces: name.tar.xz.00, .01, ...
archive() { # name, what
  local name=$1
  shift
  say "compressing $name"
  (cd "$stage" && tar --owner=0 --group=0 --sort=name --mtime=@1767225600 -c "$@") | xz -T0 -6 |
    split -b $((60 << 20)) -d - "$out/$name.tar.xz."
}
archive runtime runtime
archive jars moe4j dist bench docs
archive natives natives
[ $tests = false ] || archive tests test.sh tests
[ -z "$data" ] || archive data --transform "s,^${data##*/},data," -C "${data%/*}/" "${data##*/}"

cp "$home/deploy/offline/unpack.sh" "$out/"
(cd "$out" && sha256sum ./*.tar.xz.* >SHA256SUMS)
say "wrote to $out:"
(cd "$out" && du -ch --apparent-size ./*.tar.xz.*) >&2
