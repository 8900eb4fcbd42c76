#!/usr/bin/env bash
# The figures of RESULTS.md, measured anew: compare.py with the release build (make build). Its options may follow.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for program in python3 h2load nghttp nghttpd pgbench psql etcd protoc grpc_cpp_plugin g++ pkg-config gnuplot; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if ((${#missing[@]})); then
  echo "compare.sh: not found: ${missing[*]}; run docker/packages.sh bench" >&2
  exit 2
fi
exec python3 Benchmarks/compare.py "$@"
