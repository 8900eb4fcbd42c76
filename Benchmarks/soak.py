#!/usr/bin/env python3
"""Whether the server's memory stays small and level while it is saturated: writes results-soak.json and RESULTS.md.

Exit codes: 0 every threshold of Thresholds/memory.json is met; 1 one is missed; 2 something could not be measured.
"""

import re
import statistics
import threading
from pathlib import Path

import machine
from bed import FLOWS
from command import arguments, finish, parse, run_program
from programs import Failed
from results import Results
from scenarios import MANY, points
from server import Server

SOAK_SECONDS = 300
FIFTHS = 5


class Memory(threading.Thread):
    """Resident megabytes (10^6 bytes) of a process, once a second until `stop`."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.samples = []
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(1):
            try:
                self.samples.append(resident_mb(self.status.read_text()))
            except (OSError, TypeError):  # The server is gone, which its clients report.
                return

    def stop(self):
        self.stopped.set()
        self.join()


def resident_mb(status):
    """proc(5): VmRSS is in units of 1,024 bytes."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1_024 / 1e6


def summary(samples):
    """The largest, and the medians of the second and the last fifth: in the first, caches and buffers fill."""
    length = len(samples) // FIFTHS
    if length == 0:
        raise Failed(f"{len(samples)} samples of the server's memory are too few")
    return {
        "resident_max_mb": max(samples),
        "resident_second_fifth_mb": statistics.median(samples[length:2 * length]),
        "resident_last_fifth_mb": statistics.median(samples[-length:]),
    }


def main():
    chosen = parse(arguments(__doc__, rounds=1, seconds=SOAK_SECONDS))
    results = Results({"options": {"rounds": chosen.rounds, "seconds": chosen.seconds}, "failures": {}})
    seconds = round(chosen.seconds)
    for _ in range(chosen.rounds):
        with Server(chosen.binaries) as server:
            results.about["machine"] = machine.describe(server)
            memory = Memory(server.process.pid)
            memory.start()
            try:
                report = server.bench("mixed", MANY, seconds, 0, flows=FLOWS)
            finally:
                memory.stop()
        for point in points(report, "soak", seconds):
            results.add(*point)
        results.add("soak", seconds, summary(memory.samples))
        for second, value in enumerate(memory.samples, start=1):
            results.add("resident", second, {"resident_mb": value})
    return finish("soak", results, chosen.output)


if __name__ == "__main__":
    run_program(main)
