#!/usr/bin/env python3
"""How saves and loads fare beside pgbench when few or many flows are in use, alike or by Zipf's law, with small and
large states: writes results-working-sets.json and RESULTS.md.

Exit codes: 0 every threshold of Thresholds/working-sets.json is met; 1 one is missed; 2 something could not be measured.
"""

from contextlib import nullcontext

from command import arguments, finish, numbers, parse, run_program
from fill import ACTIVE, make_flows
from peers.pgbench import PICKS, Pgbench
from results import Results
from runner import Measurement, Runner
from scenarios import MANY, USUAL, half, points
from server import Server

#: What pgbench answers most with (Thresholds/throughput.json takes the better of several).
CLIENTS = 16
FLOWS, SIZES = "1000,20000,1000000", "200,2048,20480"
#: The size whose latencies are measured too.
JUDGED_SIZE = 2_048
LISTED_FLOWS = 1_000_000
#: These flows have several types, statuses and labels.
LISTED = {"flows": LISTED_FLOWS, "tenant": "listed", "state_size": 200}


class Bed:
    """A server with flows of one size, and pgbench with as many of its own."""

    def __init__(self, server, size):
        self.server, self.size = server, size
        self.pgbench = Pgbench(server, server.state(size))

    def fill(self, flows):
        make_flows(self.server, flows, self.size, beside=self.size)
        self.pgbench.prepare(flows)
        if has_lists(self.size, flows):
            self.server.bench("list", MANY, seconds=0.1, warmup=0, **LISTED)  # makes the flows
            self.server.sql("VACUUM ANALYZE")

    def settle(self):
        self.server.settle()


def series(command, size, distribution):
    return f"{command} {size} {distribution}"


def ours(command, size, distribution, flows, in_flight=USUAL):
    name = series(command, size, distribution) + ("" if in_flight == USUAL else f" {in_flight}")

    def take(bed, seconds, warmup):
        return points(bed.server.bench(
            command, in_flight, seconds, warmup, flows=flows, state_size=size, distribution=distribution,
            skip_preparation=True), name, flows)

    return Measurement(f"{name}, {flows:,}", take)


def theirs(command, size, distribution, flows):
    name = "pgbench " + series(command, size, distribution)

    def take(bed, seconds, warmup):
        return [(name, flows, getattr(bed.pgbench, command)(CLIENTS, seconds, distribution))]

    return Measurement(f"{name}, {flows:,}", take)


def theirs_at_half(command, size, distribution, flows):
    """What PostgreSQL and the disk make calls wait without a server in between."""
    name = "pgbench " + series(command, size, distribution)

    def take(bed, seconds, warmup):
        rate = bed.figures.median(name, flows, "rate") / 2
        return [(f"half {name}", flows, bed.pgbench.at_rate(command, rate, CLIENTS, seconds, distribution))]

    return Measurement(f"{name} at half the rate, {flows:,}", take)


def latencies(size, distribution, flows):
    """At half of the rate, and with more in flight than there is to gain from."""
    options = {"flows": flows, "state_size": size, "distribution": distribution, "skip_preparation": True}
    for command in ("load", "save"):
        yield half(command, series(command, size, distribution), flows, **options)
        yield theirs_at_half(command, size, distribution, flows)
        yield ours(command, size, distribution, flows, MANY)
    yield ours("mixed", size, distribution, flows, MANY)
    yield checkpoints(size, distribution, flows)


def checkpoints(size, distribution, flows):
    name = series("checkpoint", size, distribution) + f" {MANY}"

    def take(bed, seconds, warmup):
        return points(bed.server.bench(
            "checkpoint", MANY, seconds, warmup, flows=ACTIVE, state_size=size, distribution=distribution), name, flows)

    return Measurement(f"{name}, {flows:,}", take)


def has_lists(size, flows):
    return size == JUDGED_SIZE and flows == LISTED_FLOWS


def lists():
    """Of a tenant that has so many flows, all of them changed within minutes."""
    def take(bed, seconds, warmup):
        return points(bed.server.bench("list", MANY, seconds, warmup, skip_preparation=True, **LISTED),
                      f"list {MANY}", LISTED_FLOWS)

    return Measurement(f"list {MANY}, {LISTED_FLOWS:,}", take)


def everything(size, flows):
    """Each beside its peer, so that both meet the machine alike."""
    for distribution in PICKS:
        for command in ("load", "save"):
            yield ours(command, size, distribution, flows)
            yield theirs(command, size, distribution, flows)
        if size == JUDGED_SIZE:
            yield from latencies(size, distribution, flows)
    if has_lists(size, flows):
        yield lists()


def options():
    parser = arguments(__doc__)
    parser.add_argument("--flows", type=numbers, default=FLOWS, help="in use, ascending (default: %(default)s)")
    parser.add_argument("--sizes", type=numbers, default=SIZES, help="of states, in bytes (default: %(default)s)")
    chosen = parse(parser)
    if chosen.flows != sorted(set(chosen.flows)) or chosen.flows[0] < ACTIVE:
        parser.error(f"--flows must ascend from {ACTIVE} or more")
    return chosen


def main():
    chosen = options()
    results = Results({"options": {"rounds": chosen.rounds, "seconds": chosen.seconds}})
    runner = Runner(results, chosen)
    for size in chosen.sizes:
        with Server(chosen.binaries) as server:
            bed = Bed(server, size)
            for flows in chosen.flows:
                bed.fill(flows)
                runner.run(list(everything(size, flows)), lambda bed=bed: nullcontext(bed), chosen.rounds)
    return finish("working-sets", results, chosen.output)


if __name__ == "__main__":
    run_program(main)
