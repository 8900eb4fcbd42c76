#!/usr/bin/env python3
"""Measures a release build beside its peers on one machine in one run: the figures of RESULTS.md.

Every round measures everything once, so that what else the machine does hits all alike; the figure is the median of
the rounds. Needs h2load, nghttp and nghttpd (nghttp2-client, nghttp2-server) and pgbench and psql.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from peers import HERE, SERVICE, Failed, Nghttpd, Server, h2load, pgbench
from quiet import Quiet

FLOWS = 1_000
HEALTH = "/grpc.health.v1.Health/Check"
PGBENCH_CLIENTS = (16, 128)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, default=HERE.parent / ".build" / "release",
                        help="where flowstate and flowstate-bench are (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--patience", type=int, default=60, metavar="SECONDS",
                        help="how long to try for each measurement while other programs use the machine; 0 takes what comes "
                             "(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write every round's figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target of thresholds.json is missed")
    return parser.parse_args()


class Comparison:
    def __init__(self, options, server, nghttpd, scratch):
        self.options, self.server, self.nghttpd = options, server, nghttpd
        self.bodies = {name: server.body(name, scratch / name) for name in ("health", "load", "save", "create")}
        self.state = self.bodies["save"].read_bytes()[-2_048:].decode()
        self.quiet = Quiet(options.patience)
        self.figures = {}

    def note(self, name, value):
        self.figures.setdefault(name, []).append(value)
        print(f"  {name}: {value:,.2f}", file=sys.stderr, flush=True)

    def bench(self, command, in_flight, *more):
        """Rate and percentiles of each operation, under `command@in_flight`."""
        label = f"{command}@{in_flight}" if not more else f"{command} half"
        operations = self.measure(label, command, lambda: self.server.bench(
            command, "--connections", self.options.connections, "--in-flight", in_flight, "--flows", FLOWS,
            "--duration", self.options.seconds, "--warmup", 2, *more))
        for name, operation in operations.items():
            for figure in ("rate", "p50_ms", "p99_ms", "p999_ms", "max_ms"):
                self.note(f"{label} {name} {figure}", operation[figure])

    def h2load(self, name, url, body=None):
        self.note(f"h2load {name}", self.measure(name, "load", lambda: h2load(
            url, self.options.seconds, self.options.connections, self.options.in_flight, body)))

    def call(self, name, path, message):
        self.h2load(name, f"http://{self.server.endpoint}{path}", self.bodies[message])

    def pgbench(self, command, clients):
        self.note(f"pgbench {command}, {clients} clients", self.measure(f"pgbench {command}", command, lambda: pgbench(
            self.server, f"{command}.sql", self.options.seconds, clients, FLOWS, self.state)))

    def measure(self, name, command, body):
        """Everybody who writes begins at the same distance from PostgreSQL's next checkpoint."""
        def measured():
            if command != "load":
                self.server.sql("CHECKPOINT")
            return body()
        return self.quiet.measure(name, measured)

    def prepare(self):
        """Flows for everybody, and one call of each kind to see that it succeeds."""
        self.server.bench("load", "--flows", FLOWS, "--duration", 1, "--warmup", 0)
        self.server.sql((HERE / "pgbench" / "prepare.sql").read_text(), flows=FLOWS)
        for name, method in (("save", "SaveState"), ("load", "LoadState"), ("create", "CreateFlow")):
            self.server.call_once(f"/{SERVICE}/{method}", self.bodies[name])
        self.server.call_once(HEALTH, self.bodies["health"])

    def round(self):
        most = self.options.in_flight
        self.h2load("nghttpd", self.nghttpd.url)
        self.call("Health.Check", HEALTH, "health")
        self.call("LoadState, one flow", f"/{SERVICE}/LoadState", "load")
        for command in ("load", "save"):
            for in_flight in (most, 2 * most):
                self.bench(command, in_flight)
            for clients in PGBENCH_CLIENTS:
                self.pgbench(command, clients)
        self.bench("mixed", most)
        self.call("SaveState, one flow", f"/{SERVICE}/SaveState", "save")
        self.call("CreateFlow, new flows", f"/{SERVICE}/CreateFlow", "create")

    def half(self):
        """Latency at half the rate that was the most, by intended start times."""
        for command in ("load", "save"):
            rate = self.median(f"{command}@{self.options.in_flight} {command} rate") / 2
            self.bench(command, self.options.in_flight, "--rate", f"{rate:.0f}")

    def median(self, name):
        return statistics.median(self.figures[name])

    def best(self, prefix):
        return max(self.median(name) for name in self.figures if name.startswith(prefix))


def targets(comparison):
    """Name, figure, and whether it may be at most or must be at least the target of thresholds.json."""
    one, two = comparison.options.in_flight, 2 * comparison.options.in_flight
    median = comparison.median
    figures = {
        "health_to_nghttpd": median("h2load Health.Check") / median("h2load nghttpd"),
        "load_to_pgbench": median(f"load@{one} load rate") / comparison.best("pgbench load"),
        "save_to_pgbench": median(f"save@{one} save rate") / comparison.best("pgbench save"),
    }
    for name in ("load", "save"):
        figures[f"{name}_p99_ms_saturated"] = median(f"{name}@{two} {name} p99_ms")
        figures[f"{name}_p99_ms_half"] = median(f"{name} half {name} p99_ms")
    thresholds = json.loads((HERE / "thresholds.json").read_text())
    for name, rule in thresholds.items():
        met = figures[name] >= rule["at_least"] if "at_least" in rule else figures[name] < rule["below"]
        yield name, figures[name], rule, met


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "server.log", "w+") as log:
        with Server(options.binaries, log) as server, Nghttpd() as nghttpd:
            comparison = Comparison(options, server, nghttpd, Path(scratch))
            comparison.prepare()
            for number in range(options.rounds):
                print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
                comparison.round()
            for _ in range(options.rounds):
                comparison.half()
    print("| measured | median | rounds |\n|---|---:|---|")
    for name, values in comparison.figures.items():
        digits = 2 if name.endswith("_ms") else 0
        rounds = " ".join(f"{value:,.{digits}f}" for value in values)
        print(f"| {name} | {statistics.median(values):,.{digits}f} | {rounds} |")
    print("\n| target | figure | rule | met |\n|---|---:|---|---|")
    results = list(targets(comparison))
    for name, figure, rule, met in results:
        print(f"| {name} | {figure:.2f} | {' '.join(f'{word} {value}' for word, value in rule.items())} | {'yes' if met else 'no'} |")
    if options.json:
        options.json.write_text(json.dumps(comparison.figures, indent=2) + "\n")
    return 1 if options.check and not all(met for *_, met in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"compare.py: {failure}")
