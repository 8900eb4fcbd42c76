#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building ("build"), running ("runtime"), comparing with other
# servers ("bench") or testing the examples in other languages ("clients") takes, if any is missing. Used by
# the Makefile and by the Dockerfile.
set -euo pipefail

runtime=(libpq5 libnghttp2-14 libzstd1 libjemalloc2 zlib1g ca-certificates postgresql)
case "${1:-}" in
  runtime) packages=("${runtime[@]}") ;;
  build)
    packages=(
      "${runtime[@]}" make git pkg-config g++
      libpq-dev libnghttp2-dev libprotobuf-c-dev libxxhash-dev libzstd-dev libjemalloc-dev zlib1g-dev rapidjson-dev libre2-dev
      protobuf-compiler libprotobuf-dev protobuf-c-compiler python3-venv zstd pgbouncer jq
    ) ;;
  # pgbench is in postgresql. Of etcd only the program is used, with ports and a directory of the run's own.
  bench)
    packages=(
      "${runtime[@]}" nghttp2-client nghttp2-server etcd-server python3 gnuplot-nox
      g++ pkg-config libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc
    ) ;;
  clients)
    packages=(
      protobuf-compiler
      cmake g++ libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc
      golang-go golang-google-grpc-dev golang-github-golang-protobuf-1-5-dev protoc-gen-go protoc-gen-go-grpc
      ruby ruby-grpc ruby-grpc-tools
      default-jdk-headless maven protobuf-compiler-grpc-java-plugin libgrpc-java libprotobuf-java libnetty-java
      libperfmark-java libgoogle-gson-java libanimal-sniffer-java libgeronimo-annotation-1.3-spec-java junit5
      libmaven-resources-plugin-java libmaven-compiler-plugin-java libbuild-helper-maven-plugin-java libexec-maven-plugin-java
    ) ;;
  *) echo "usage: packages.sh build|runtime|bench|clients" >&2; exit 64 ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
# The names of these carry their ABI version, which differs between releases.
if [ "$1" = runtime ]; then
  dpkg-query -W -f='${db:Status-Status}\n' 'libre2-[0-9]*' 2>/dev/null | grep -qx installed || missing+=('^libre2-[0-9]+(t64)?$')
  for pattern in 'libprotobuf-c1*' 'libxxhash0*'; do
    dpkg-query -W -f='${db:Status-Status}\n' "$pattern" 2>/dev/null | grep -qx installed || missing+=("${pattern%\*}")
  done
fi
[ "${#missing[@]}" -eq 0 ] && exit 0

command -v apt-get >/dev/null || {
  echo "this needs Debian or Ubuntu; elsewhere install yourself: ${missing[*]}" >&2
  exit 1
}
run=()
[ "$(id -u)" = 0 ] || run=(sudo)
echo "installing: ${missing[*]}"
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
