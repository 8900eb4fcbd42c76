#!/usr/bin/env python3
"""A few seconds of save, load and mixed: each must have its 99th percentile below 50 ms with 64 calls in flight.

A limit that is missed is tried up to four times more, since test machines are noisy. Exit codes: 0 met; 1 missed each
time; 2 something failed.
"""

import argparse
import os
import sys
from pathlib import Path

from command import run_program
from programs import HERE
from server import Server

TRIES = 5
IN_FLIGHT, SECONDS, WARMUP = 64, 2, 0.5
LIMIT_MS = 50


def tail(server, command):
    """The p99 of each operation, in milliseconds."""
    report = server.bench(command, IN_FLIGHT, SECONDS, WARMUP, p99_limit=LIMIT_MS)
    return {name: operation["p99_ms"] for name, operation in report["operations"].items()}


def holds(server, command):
    for attempt in range(1, TRIES + 1):
        found = tail(server, command)
        text = ", ".join(f"p99 of {name} {value:.1f} ms" for name, value in found.items())
        if all(value < LIMIT_MS for value in found.values()):
            print(f"{command}: {text}")
            return True
        more = "; trying again, the machine may be busy" if attempt < TRIES else ""
        print(f"{command}: {text}, not below {LIMIT_MS} ms{more}", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, default=HERE.parent / ".build" / "release",
                        help="where flowstate and flowstate-bench are (default: %(default)s)")
    chosen = parser.parse_args()
    # What was built just now would be written while saves wait for the disk.
    os.sync()
    with Server(chosen.binaries) as server:
        return 0 if all([holds(server, command) for command in ("save", "load", "mixed")]) else 1


if __name__ == "__main__":
    run_program(main)
