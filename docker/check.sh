#!/usr/bin/env bash
# Runs the Dockerfile's steps where no Docker engine is at hand: what `RUN` calls, then the image's
# command as an ordinary user, its health check, and a graceful stop. Needs `make build`; as root it also
# makes the container's user, elsewhere it runs as the caller.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "docker/check.sh: $*" >&2; exit 1; }

# Every RUN step is one of those that this script runs.
known='make build|make install DESTDIR=/install|bash (docker|/tmp)/packages.sh (build|runtime)|bash /tmp/user.sh'
unknown=$(grep '^RUN ' docker/Dockerfile | sed 's/^RUN //' | grep -vxE "$known" || true)
[ -z "$unknown" ] || fail "untested steps: $unknown"
for path in $(grep -oE '^COPY [^-][^ ]*' docker/Dockerfile | cut -d' ' -f2); do
  [ -e "$path" ] || fail "COPY of $path, which is not there"
done
python3 - <<'PYTHON' || fail "compose.yaml is not what the Dockerfile makes"
import re
compose = open("docker/compose.yaml").read()
assert "FLOWSTATE_DATABASE_URL" in compose and "dockerfile: docker/Dockerfile" in compose
assert re.search(r"EXPOSE 7420", open("docker/Dockerfile").read()) and ":7420" in compose
PYTHON

bash docker/packages.sh build
bash docker/packages.sh runtime
work=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ]; then kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
  if [ -n "${made_user:-}" ]; then userdel flowstate; fi
}
trap cleanup EXIT
chmod 755 "$work"

make --no-print-directory install DESTDIR="$work" PREFIX=/usr/local
bin=$work/usr/local/bin/flowstate
ldd "$bin" | grep -q 'not found' && fail "a library is missing: $(ldd "$bin" | grep 'not found')"
ldd "$bin" | grep -q libswiftCore && fail "the binary needs the Swift runtime, which the image does not have"

as=()
if [ "$(id -u)" = 0 ]; then
  id flowstate >/dev/null 2>&1 || made_user=1
  bash docker/user.sh "$work/data"
  as=(setpriv --reuid flowstate --regid flowstate --clear-groups)
fi
FLOWSTATE_DATA_DIRECTORY="$work/data" FLOWSTATE_PORT=0 "${as[@]}" "$bin" serve >"$work/out" 2>"$work/err" &
server=$!
for _ in $(seq 300); do
  grep -q 'is serving on' "$work/out" && break
  kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$work/err")"
  sleep 0.1
done
endpoint=$(sed -n 's/.*is serving on //p' "$work/out")
[ -n "$endpoint" ] || fail "the server did not come up: $(cat "$work/err")"
FLOWSTATE_ENDPOINT="$endpoint" "$bin" health || fail "the health check failed"
kill -TERM "$server"
wait "$server" || fail "the server did not stop cleanly: $(cat "$work/err")"
server=
echo "docker/check.sh: every step runs"
