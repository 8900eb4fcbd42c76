#!/usr/bin/env bash
# AddressSanitizer and LeakSanitizer over the C boundary: builds the server with them, and drives it with
# the end-to-end tests, 10,000 mixed calls among them. A memory error ends the server, a leak makes its exit
# code 23; either fails the test that used it.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=${SANITIZE_DIR:-.build-asan}
swift build --product flowstate --sanitize=address --explicit-target-dependency-import-check error \
  --scratch-path "$scratch"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 LSAN_OPTIONS=exitcode=23
FLOWSTATE_BIN=$scratch/debug/flowstate .venv/bin/python -m pytest -q Tests/python --ignore=Tests/python/hostile --ignore=Tests/python/long "${@:--k=mixed or hostile or bytes or tools or storage or definitions or patches or lifecycle or validation}"
