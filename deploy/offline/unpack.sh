#!/bin/sh
# Joins, checks and unpacks what pack.sh made, then runs a command of moe4j, if one is given:
#
#   sh unpack.sh INTO [COMMAND ...]     sh unpack.sh moe4j bench train --preset dense-125m --device cuda
#
# INTO is made once; later calls only run the command, as INTO/moe4j does. Needs tar, sha256sum, and xz or python3.
set -eu

[ $# -gt 0 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "$0" >&2; exit 2; }
into=$1
shift
case $0 in */*) from=${0%/*} ;; *) from=. ;; esac

unxz() {
  if command -v xz >/dev/null; then
    xz -dc
  else
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.stdin.buffer), sys.stdout.buffer)'
  fi
}

if [ ! -e "$into/unpacked" ]; then
  (cd "$from" && sha256sum --quiet -c SHA256SUMS) || {
    echo "unpack: a piece is missing or damaged, see above; copy it again" >&2
    exit 1
  }
  mkdir -p "$into"
  for name in runtime jars natives tests data; do
    [ ! -e "$from/$name.tar.xz.00" ] || cat "$from/$name".tar.xz.* | unxz | tar -x -C "$into"
  done
  : >"$into/unpacked"
fi
[ $# -eq 0 ] || exec "$into/moe4j" "$@"
