#!/usr/bin/env bash
# Makes the reference of the Swift client from what was built: docs/reference.sh DEBUG OUTPUT. It needs no network, which SwiftPM's plugin
# for DocC does. Warnings are errors.
set -euo pipefail

debug="$1" output="$2"
root="$(cd "$(dirname "$0")/.." && pwd)"
tools="$(dirname "$(readlink -f "$(command -v swift)")")"
for tool in docc swift-symbolgraph-extract; do
  [ -x "$tools/$tool" ] || { echo "reference.sh: the toolchain has no $tool" >&2; exit 69; }
done

rm -rf "$output"
mkdir -p "$output"/{FlowStateClient,GRPC}
# The modules that C libraries belong to, as the build sees them.
maps=()
while IFS= read -r map; do maps+=(-Xcc "-fmodule-map-file=$map"); done < <(
  find "$root/Sources/C" -name module.modulemap; find "$debug/" -maxdepth 2 -name module.modulemap
  find "$(dirname "$debug")/checkouts" -path '*/include/module.modulemap')
for headers in "$root"/Sources/C/*/include; do maps+=(-Xcc "-I$headers"); done
# For whatever else is to see the modules.
printf '%s\n' -I "$debug/Modules" "${maps[@]}" > "$output/flags"
target="$("$tools/swift" -print-target-info | sed -n 's/^ *"unversionedTriple": "\(.*\)",*/\1/p' | head -1)"
# What the client hands on of GRPC is not in the archive; the tests look at its comments.
for module in FlowStateClient GRPC; do
  "$tools/swift-symbolgraph-extract" -module-name "$module" -minimum-access-level public -skip-inherited-docs -target "$target" \
    -I "$debug/Modules" "${maps[@]}" -output-dir "$output/$module"
done
"$tools/docc" convert "$root/Sources/FlowStateClient/FlowStateClient.docc" --additional-symbol-graph-dir "$output/FlowStateClient" \
  --fallback-display-name FlowStateClient --fallback-bundle-identifier FlowStateClient --warnings-as-errors \
  --output-path "$output/FlowStateClient.doccarchive"
echo "$output/FlowStateClient.doccarchive"
