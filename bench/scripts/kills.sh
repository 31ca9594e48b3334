#!/bin/sh
# Kills a training run with -9 again and again, at random moments and while checkpoints are written, resumes it each
# time, and compares it with an uninterrupted run: kills.sh [TIMES], by default 25.
set -e
cd "$(dirname "$0")/../.."
exec ./mvnw -B -pl cli -am test -Dtest=KillTest -Dsurefire.failIfNoSpecifiedTests=false -Dkills="${1:-25}"
