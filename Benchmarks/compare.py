#!/usr/bin/env python3
"""Measures a release build beside its peers on one machine in one run: the figures of RESULTS.md.

Every round measures everything once; the figure is the median of the rounds. A measurement during which other programs
took more than a tenth of the machine does not count. Needs h2load, nghttp and nghttpd (nghttp2-client, nghttp2-server) and pgbench and psql.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from peers import HERE, SERVICE, Failed, Nghttpd, Server, h2load, pgbench
from quiet import FOREIGN_SHARE, undisturbed

FLOWS = 1_000
HEALTH = "/grpc.health.v1.Health/Check"
PGBENCH_CLIENTS = (16, 128)
FIGURES = ("rate", "p50_ms", "p99_ms", "p999_ms", "max_ms")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, default=HERE.parent / ".build" / "release",
                        help="where flowstate and flowstate-bench are (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--patience", type=int, default=900, metavar="SECONDS",
                        help="how long to measure again what other programs disturbed (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write every round's figures to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target of thresholds.json is missed")
    return parser.parse_args()


class Comparison:
    def __init__(self, options, server, nghttpd, scratch):
        self.options, self.server, self.nghttpd = options, server, nghttpd
        self.bodies = {name: server.body(name, scratch / name) for name in ("health", "load", "save", "create")}
        self.state = self.bodies["save"].read_bytes()[-2_048:].decode()
        self.figures = {}
        self.disturbed = set()

    # What is measured: functions that return figures by name

    def bench(self, command, in_flight, *more):
        label = f"{command} half" if more else f"{command}@{in_flight}"
        operations = self.server.bench(
            command, "--connections", self.options.connections, "--in-flight", in_flight, "--flows", FLOWS,
            "--duration", self.options.seconds, "--warmup", 1, *more)
        return {f"{label} {name} {figure}": operation[figure] for name, operation in operations.items() for figure in FIGURES}

    def h2load(self, name, url, body=None):
        return {f"h2load {name}": h2load(
            url, self.options.seconds, self.options.connections, self.options.in_flight, body)}

    def call(self, name, path, message):
        return self.h2load(name, f"http://{self.server.endpoint}{path}", self.bodies[message])

    def pgbench(self, command, clients):
        return {f"pgbench {command}, {clients} clients": pgbench(
            self.server, f"{command}.sql", self.options.seconds, clients, FLOWS, self.state)}

    def everything(self):
        most = self.options.in_flight
        yield lambda: self.h2load("nghttpd", self.nghttpd.url)
        yield lambda: self.call("Health.Check", HEALTH, "health")
        yield lambda: self.call("LoadState, one flow", f"/{SERVICE}/LoadState", "load")
        for command in ("load", "save"):
            for in_flight in (most, 2 * most):
                yield partial(self.bench, command, in_flight)
            for clients in PGBENCH_CLIENTS:
                yield partial(self.pgbench, command, clients)
        yield lambda: self.bench("mixed", most)
        yield lambda: self.call("SaveState, one flow", f"/{SERVICE}/SaveState", "save")
        yield lambda: self.call("CreateFlow, new flows", f"/{SERVICE}/CreateFlow", "create")

    def half(self):
        """Latency from when calls were due, at half of the most that is answered."""
        for command in ("load", "save"):
            rate = self.median(f"{command}@{self.options.in_flight} {command} rate") / 2
            yield partial(self.bench, command, self.options.in_flight, "--rate", f"{rate:.0f}")

    # How it is measured

    def prepare(self):
        """Flows for everybody, and one call of each kind to see that it succeeds."""
        self.server.bench("load", "--flows", FLOWS, "--duration", 1, "--warmup", 0)
        self.server.sql((HERE / "pgbench" / "prepare.sql").read_text(), flows=FLOWS)
        for name, method in (("save", "SaveState"), ("load", "LoadState"), ("create", "CreateFlow")):
            self.server.call_once(f"/{SERVICE}/{method}", self.bodies[name])
        self.server.call_once(HEALTH, self.bodies["health"])

    def measure(self, functions):
        """Round after round, until each function had as many undisturbed runs as there are rounds to be."""
        deadline = time.monotonic() + self.options.patience
        left = dict.fromkeys(functions, self.options.rounds)
        while left:
            for function in list(left):
                # Everybody who writes begins at the same distance from PostgreSQL's next checkpoint.
                self.server.sql("CHECKPOINT")
                figures, foreign = undisturbed(deadline, function)
                is_late = time.monotonic() >= deadline
                if foreign > FOREIGN_SHARE and not is_late:
                    print(f"  {next(iter(figures))}: others took {foreign:.0%} of the machine; not counted", file=sys.stderr)
                    continue
                for name, value in figures.items():
                    self.figures.setdefault(name, []).append(value)
                    if foreign > FOREIGN_SHARE:
                        self.disturbed.add(name)
                print(f"  {', '.join(f'{name} {value:,.2f}' for name, value in figures.items())}", file=sys.stderr, flush=True)
                left[function] -= 1
                if left[function] == 0:
                    del left[function]

    def median(self, name):
        return statistics.median(self.figures[name])

    def best(self, prefix):
        return max(self.median(name) for name in self.figures if name.startswith(prefix))


def targets(comparison):
    """The targets of thresholds.json: name, figure, rule, and whether it is met."""
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
    for name, rule in json.loads((HERE / "thresholds.json").read_text()).items():
        met = figures[name] >= rule["at_least"] if "at_least" in rule else figures[name] < rule["below"]
        yield name, figures[name], rule, met


def report(comparison):
    print("| measured | median | rounds |\n|---|---:|---|")
    for name, values in comparison.figures.items():
        digits = 2 if name.endswith("_ms") else 0
        rounds = " ".join(f"{value:,.{digits}f}" for value in values) + (" (disturbed)" if name in comparison.disturbed else "")
        print(f"| {name} | {statistics.median(values):,.{digits}f} | {rounds} |")
    print("\n| target | figure | rule | met |\n|---|---:|---|---|")
    results = list(targets(comparison))
    for name, figure, rule, met in results:
        text = " ".join(f"{word.replace('_', ' ')} {value}" for word, value in rule.items())
        print(f"| {name} | {figure:.2f} | {text} | {'yes' if met else 'no'} |")
    return all(met for *_, met in results)


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "server.log", "w") as log:
        with Server(options.binaries, log) as server, Nghttpd() as nghttpd:
            comparison = Comparison(options, server, nghttpd, Path(scratch))
            comparison.prepare()
            comparison.measure(comparison.everything())
            comparison.measure(comparison.half())
    met = report(comparison)
    if options.json:
        options.json.write_text(json.dumps(comparison.figures, indent=2) + "\n")
    return 1 if options.check and not met else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"compare.py: {failure}")
