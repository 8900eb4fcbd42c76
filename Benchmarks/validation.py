"""What it takes to hold a large state against a definition, without a server."""

import json

from programs import run
from runner import Measurement

STATE_BYTES = 100_000
DEPTHS = ("complete", "transition", "minimal")
#: At each depth, for each second that a measurement has: they take about a third of it.
RUNS = 500


def points(report):
    """Of a report of `flowstate-bench validate`."""
    return [(f"validate {depth}", report["state_size"], report["depths"][depth]) for depth in DEPTHS]


def validation():
    def take(bed, seconds, warmup):
        runs = max(round(RUNS * seconds), 1)
        program = bed.server.binaries / "flowstate-bench"
        return points(json.loads(run([program, "validate", "--state-size", STATE_BYTES, "--runs", runs, "--json", "-"])))

    return Measurement("validation", take)
