#!/usr/bin/env python3
"""Counts the source files that a save and a load run through: with a server built for coverage (make paths), calls of one kind are made,
and a file belongs to their path when one of its functions ran at least once in a batch of them.

What runs without calls, or once for all of them, is subtracted: it runs in a shorter run as well. Generated files count apart. Exit codes: 0 done; 2 something could not be run.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

#: Beside the compiler: those of another LLVM do not read its profiles.
TOOLS = Path(shutil.which("swift") or "swift").resolve().parent
SHORT_SECONDS, SECONDS, IN_FLIGHT, FLOWS = 1, 4, 64, 50
#: A batch has at most as many operations as are in flight, so what runs once a batch ran at least once for as many calls. What a clock
#: makes run, some times a second, ran less often.
BATCH = IN_FLIGHT
GENERATED = ("/Generated/", "/GRPC/Messages/", "/C/CGRPCProto/", "/C/CFlowStateProto/", "/C/CWellKnown/")


def profile(binary, bench, kind, seconds, work):
    """Runs a server with calls of a kind; returns how often each function ran, by file, and the number of calls."""
    raw = work / f"{kind}.profraw"
    environment = {**os.environ, "LLVM_PROFILE_FILE": str(raw)}
    server = subprocess.Popen(
        [binary, "serve", "--port", "0", "--data-directory", str(work / "data")], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    calls = 0
    try:
        endpoint = server.stdout.readline().split()[-1]
        report = work / f"{kind}.json"
        subprocess.run(
            [bench, kind, "--endpoint", endpoint, "--duration", str(seconds), "--warmup", "0", "--in-flight", str(IN_FLIGHT), "--flows",
             str(FLOWS), "--p99-limit", "10000", "--json", str(report)], check=True, stdout=subprocess.DEVNULL)
        calls = json.loads(report.read_text())["operations"][kind]["count"]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
    data = work / f"{kind}.profdata"
    subprocess.run([TOOLS / "llvm-profdata", "merge", "-o", data, raw], check=True)
    exported = subprocess.run([TOOLS / "llvm-cov", "export", binary, f"-instr-profile={data}"], check=True, stdout=subprocess.PIPE).stdout
    counts = {}
    for function in json.loads(exported)["data"][0]["functions"]:
        path = function["filenames"][0]
        if "/Sources/" in path and "/checkouts/" not in path:
            counts[path.split("/Sources/", 1)[1], function["name"]] = function["count"]
    return counts, calls


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="flowstate, built for coverage")
    parser.add_argument("--bench", required=True, help="flowstate-bench")
    parser.add_argument("--list", action="store_true", help="name the files")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        work = Path(folder)
        for kind in ("save", "load"):
            short, few = profile(chosen.binary, chosen.bench, kind, SHORT_SECONDS, work)
            counts, calls = profile(chosen.binary, chosen.bench, kind, SECONDS, work)
            calls -= few
            ran = {key for key, count in counts.items() if count - short.get(key, 0) >= calls / BATCH}
            files = {file for file, _ in ran}
            generated = {file for file in files if any(part in f"/{file}" for part in GENERATED)}
            print(f"{kind}: {len(files - generated)} files by hand and {len(generated)} generated, {len(ran)} functions; {calls:,} calls")
            if chosen.list:
                for file in sorted(files - generated):
                    print(f"  {file}: {sum(1 for name, _ in ran if name == file)}")


if __name__ == "__main__":
    main()
