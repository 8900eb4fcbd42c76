#!/usr/bin/env bash
# The user that the container runs as, and its data directory. Does nothing where they are there.
set -euo pipefail

data=${1:-/var/lib/flowstate}
id flowstate >/dev/null 2>&1 || useradd --system --user-group --home-dir "$data" --shell /usr/sbin/nologin flowstate
install -d -m 0700 -o flowstate -g flowstate "$data"
