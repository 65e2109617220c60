# shellcheck shell=bash
# Shared by the front doors in tools/. Sourced, never run; expects `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${MILLRACE_JOBS:-$(nproc)}
export root jobs

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "${0##*/}: $*"
    exit 1
}

# Debian's python3 and meson belong together; another python first in PATH would not find meson's modules.
if [ -x /usr/bin/python3 ]; then
    python=/usr/bin/python3
else
    python=python3
fi
export python
