#!/usr/bin/env python3
"""Whether saves notice that the server cleans up: 1,000,000 versions of the flows that are being saved go meanwhile.
Writes results-cleanup.json and RESULTS.md.

Exit codes: 0 every threshold of Thresholds/cleanup.json is met; 1 one is missed; 2 something could not be measured.
"""

import json
import statistics
from datetime import datetime

import machine
from command import arguments, finish, parse, run_program
from fill import ACTIVE, make_versions
from programs import Failed, run
from results import Results
from scenarios import MANY, points
from server import Server

TENANT = "cleaned"
#: Of each flow.
KEPT = 10
DEFINITION = {"flow_type": "bench", "on_save": "off", "retention": {"versions": KEPT}}
#: The server looks so often, and takes up what it finds at once.
INTERVAL_SECONDS = 5
PATIENCE_SECONDS = 1_800


def program(server, *words, **options):
    """The JSON that `flowstate` answers."""
    words = [server.binaries / "flowstate", *words, "--endpoint", server.endpoint, "--tenant", TENANT, "--output", "json"]
    return json.loads(run(words, **options))


def window(server, seconds):
    """Saves of any of the flows, with 256 calls in flight: the figures of their operation."""
    report = server.bench("save", MANY, seconds, 0, flows=ACTIVE, tenant=TENANT)
    return points(report, "save", MANY)[0][2]


def while_cleaning(server, seconds, since):
    """Windows of saves until a clean-up that began after `since` has gone through everything; that clean-up too.

    One that began before the definition was there removes nothing.
    """
    windows = []
    while True:
        windows.append(window(server, seconds))
        last = program(server, "cleanup", "--status")
        is_new = last.get("started_at") and datetime.fromisoformat(last["started_at"]) > since
        if is_new and last.get("finished_at") and last["removed"]["versions"] > 0:
            return windows, {**last, **last["removed"]}
        if len(windows) * seconds > PATIENCE_SECONDS:
            raise Failed(f"the clean-up is not through after {PATIENCE_SECONDS} s: {last}")


def take(server, chosen, results):
    make_versions(server, TENANT, chosen.versions // ACTIVE)
    server.settle()
    results.add("saves without a clean-up", MANY, window(server, chosen.seconds))
    since = datetime.fromisoformat(server.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))
    program(server, "definition", "put", "-", input=json.dumps(DEFINITION).encode())
    windows, last = while_cleaning(server, chosen.seconds, since)
    took = (datetime.fromisoformat(last["finished_at"]) - datetime.fromisoformat(last["started_at"])).total_seconds()
    if last["versions"] < chosen.versions * 0.9:
        raise Failed(f"{last['versions']:,} versions went, not about {chosen.versions:,}")
    figures = {name: statistics.median(figures[name] for figures in windows) for name in windows[0]}
    # The limit holds in each of the windows.
    results.add("saves beside a clean-up", MANY, {**figures, "p99_ms": max(figures["p99_ms"] for figures in windows)})
    results.add("cleanup", chosen.versions, {
        "versions": last["versions"], "seconds": took, "versions_per_second": last["versions"] / took, "bytes": last["bytes"]})


def main():
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--versions", type=int, default=1_000_000, help="that go, about (default: %(default)s)")
    chosen = parse(parser)
    if chosen.versions < 20 * KEPT * ACTIVE:
        parser.error(f"--versions must be {20 * KEPT * ACTIVE} or more")
    results = Results({"options": {"rounds": chosen.rounds, "seconds": chosen.seconds}, "failures": {}})
    for _ in range(chosen.rounds):
        with Server(chosen.binaries, "--cleanup-interval", INTERVAL_SECONDS) as server:
            results.about["machine"] = machine.describe(server)
            take(server, chosen, results)
    return finish("cleanup", results, chosen.output)


if __name__ == "__main__":
    run_program(main)
