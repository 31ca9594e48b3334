# Finds JDK 25 and exports JAVA_HOME. Sourced by ./mvnw and ./moe4j; POSIX sh, starts no JVM.
#
# In this order: JAVA_HOME, the java on PATH, the folders where JDKs are usually installed.
# A folder counts when its `release` file says version 25 and it has a compiler.

# Whether the folder $1 is a JDK 25 that this machine runs.
is_jdk_25() {
  [ -x "$1/bin/javac" ] && [ -r "$1/release" ] || return 1
  jdk_version='' jdk_arch=''
  while IFS='=' read -r jdk_key jdk_value || [ -n "$jdk_key" ]; do
    case $jdk_key in
    JAVA_VERSION) jdk_version=${jdk_value#\"} ;;
    OS_ARCH) jdk_arch=${jdk_value#\"} ;;
    esac
  done <"$1/release"
  case $jdk_version in 25 | 25[!0-9]*) ;; *) return 1 ;; esac
  # An Intel JDK also runs on Apple silicon, but libtorch has no libraries for it.
  case $jdk_os:$jdk_arch in Darwin:x86_64*) return 1 ;; esac
}

# Sets JAVA_HOME from the folders given, the first that fits.
first_jdk_25() {
  for jdk_home in "$@"; do
    if is_jdk_25 "$jdk_home"; then
      JAVA_HOME=$jdk_home
      return 0
    fi
  done
  return 1
}

# Prints the JDK folder that the java on PATH belongs to, symbolic links followed.
jdk_on_path() {
  jdk_java=$(command -v java) || return 1
  while [ -h "$jdk_java" ]; do
    jdk_link=$(readlink "$jdk_java") || return 1
    case $jdk_link in
    /*) jdk_java=$jdk_link ;;
    *) jdk_java=${jdk_java%/*}/$jdk_link ;;
    esac
  done
  printf '%s\n' "${jdk_java%/bin/*}"
}

find_jdk_25() {
  if [ -n "${JAVA_HOME-}" ]; then
    case $jdk_os in CYGWIN* | MINGW* | MSYS*) JAVA_HOME=$(cygpath --unix "$JAVA_HOME") ;; esac
    is_jdk_25 "$JAVA_HOME" && return 0
  fi
  first_jdk_25 "$(jdk_on_path || :)" && return 0
  first_jdk_25 /usr/lib/jvm/* /usr/lib64/jvm/* /usr/java/* /opt/* /opt/java/* /opt/jdk/* \
    "$HOME"/.jdks/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.asdf/installs/java/* \
    "$HOME"/.local/share/mise/installs/java/* /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home && return 0
  if [ -x /usr/libexec/java_home ]; then
    first_jdk_25 "$(/usr/libexec/java_home -v 25 2>/dev/null || :)" && return 0
  fi
  return 1
}

# libtorch comes as a Maven artifact for three platforms; elsewhere Maven would fail with a riddle.
check_platform() {
  jdk_os=$(uname -s)
  jdk_machine=$(uname -m)
  case $jdk_os:$jdk_machine in
  Linux:x86_64 | Linux:amd64 | Darwin:arm64 | CYGWIN*:* | MINGW*:* | MSYS*:*) return 0 ;;
  # A shell under Rosetta says x86_64 on Apple silicon.
  Darwin:x86_64) [ "$(sysctl -n hw.optional.arm64 2>/dev/null || :)" = 1 ] && return 0 ;;
  esac
  cat >&2 <<END
moe4j: this machine is $jdk_os $jdk_machine, and libtorch has no Maven artifact for it.
moe4j runs on Linux x86-64, macOS arm64 (Apple silicon) and Windows x86-64.
END
  return 1
}

say_how_to_install_jdk_25() {
  cat >&2 <<'END'
moe4j: no JDK 25 found: not at JAVA_HOME, not on PATH, not in the usual folders.
Install one, then run the same command again (or set JAVA_HOME to it):
  Debian, Ubuntu   sudo apt install openjdk-25-jdk
  Fedora           sudo dnf install java-25-openjdk-devel
  macOS            brew install openjdk@25
  SDKMAN           sdk install java 25-tem
  Windows          winget install EclipseAdoptium.Temurin.25.JDK
  any              https://adoptium.net/temurin/releases/?version=25
END
}

check_platform || exit 1
# The wrapper runs with set -f; the folders above are patterns.
case $- in
*f*)
  set +f
  find_jdk_25 || { say_how_to_install_jdk_25; exit 1; }
  set -f
  ;;
*) find_jdk_25 || { say_how_to_install_jdk_25; exit 1; } ;;
esac
export JAVA_HOME
