#!/bin/sh
# Generates everything that is made from the proto files: C through protobuf-c, and the Swift mirrors
# of the messages. Usage: proto/generate.sh [OUTDIR]; OUTDIR stands for Sources/ and defaults to it.
# Deterministic: the same protos and the same protoc give the same bytes.
set -eu

proto=$(cd "$(dirname "$0")" && pwd)
out=${1:-$proto/../Sources}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in protoc protoc-c python3; do
    command -v "$tool" >/dev/null || {
        echo "generate.sh: $tool is missing; install protobuf-compiler, protobuf-c-compiler and python3" >&2
        exit 1
    }
done

grpc_files="google/rpc/status.proto google/rpc/error_details.proto
    grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto"
known_files="google/protobuf/any.proto google/protobuf/duration.proto google/protobuf/timestamp.proto"
flow_files=$(cd "$proto" && ls flowstate/v1/*.proto)

# protobuf-c turns `string` into char*, which ends at the first NUL and is never checked for UTF-8; and
# a map into entries with the same trouble. On the wire string and bytes, map and repeated entry are the
# same, so the C is generated from a copy that says bytes and MapEntry, or for a map of messages the entry that
# the map stands for. The public protos stay plain.
c=$work/c
mkdir -p "$c/google/protobuf"
cp -R "$proto/flowstate" "$proto/google" "$proto/grpc" "$c/"
for file in $known_files; do
    sed '/^ *\/\//d' "/usr/include/$file" >"$c/$file"
done
find "$c" -name '*.proto' -exec sed -i -E \
    -e 's/^( *)(repeated )?string ([a-z_]+ = [0-9]+)/\1\2bytes \3/' \
    -e 's/^( *)map<string, string> ([a-z_]+ = [0-9]+)/\1repeated .google.protobuf.MapEntry \2/' \
    -e 's/^( *)map<string, ([A-Za-z]+)> ([a-z]+) = ([0-9]+);/\1message \u\3Entry { bytes key = 1; \2 value = 2; } repeated \u\3Entry \3 = \4;/' {} +
printf 'syntax = "proto3";\npackage google.protobuf;\nmessage MapEntry {\n  bytes key = 1;\n  bytes value = 2;\n}\n' \
    >"$c/google/protobuf/map_entry.proto"
for file in $(cd "$c" && grep -rl 'google.protobuf.MapEntry' flowstate google/rpc); do
    sed -i '0,/^package /s//import "google\/protobuf\/map_entry.proto";\n&/' "$c/$file"
done

# compile TARGET FILE... : .c into the target's folder, .h into its include folder, where both targets'
# includes find them by the same path.
compile() {
    target=$out/C/$1
    shift
    mkdir -p "$target" "$work/gen"
    find "$target" \( -name '*.c' -o -name '*.h' -o -name '*.modulemap' \) -exec rm {} +
    (cd "$c" && protoc-c -I. --c_out="$work/gen" "$@")
    for file in "$@"; do
        base=${file%.proto}.pb-c
        mkdir -p "$target/$(dirname "$file")" "$target/include/$(dirname "$file")"
        mv "$work/gen/$base.c" "$target/$base.c"
        mv "$work/gen/$base.h" "$target/include/$base.h"
    done
}

compile CWellKnown $known_files google/protobuf/map_entry.proto
compile CGRPCProto $grpc_files
compile CFlowStateProto $flow_files

cd "$proto"
protoc -I. -I/usr/include --include_imports --descriptor_set_out="$work/flowstate.set" $flow_files
protoc -I. -I/usr/include --include_imports --descriptor_set_out="$work/grpc.set" \
    $grpc_files grpc/reflection/v1alpha/reflection.proto
export PYTHONDONTWRITEBYTECODE=1
python3 "$proto/generate_c.py" CWellKnown "$out/C/CWellKnown"
python3 "$proto/generate_c.py" CGRPCProto "$out/C/CGRPCProto" "$work/grpc.set"
python3 "$proto/generate_c.py" CFlowStateProto "$out/C/CFlowStateProto" "$work/flowstate.set"

mkdir -p "$work/own/google/protobuf"
sed 's/bytes/string/' "$c/google/protobuf/map_entry.proto" >"$work/own/google/protobuf/map_entry.proto"
protoc -I. -I"$work/own" -I/usr/include --include_imports --include_source_info \
    --descriptor_set_out="$work/source.set" $flow_files $grpc_files google/protobuf/map_entry.proto
python3 "$proto/generate_swift.py" "$work/source.set" "$out"
