#!/usr/bin/env python3
"""Whether saves and loads stay as fast when there are many flows, or many versions of each: writes results-scale.json
and RESULTS.md. Calls are for flows picked from all that the tenant has.

Exit codes: 0 every threshold of Thresholds/scale.json is met; 1 one is missed; 2 something could not be measured.
"""

from contextlib import ExitStack, nullcontext
from functools import partial

from command import arguments, finish, parse, run_program
from fill import ACTIVE, make_flows, make_versions
from results import Results
from runner import Measurement, Runner
from scenarios import USUAL, points
from server import Server

MANY_VERSIONS = "many-versions"  # the tenant whose flows have them


class ScaleBed:
    """Two servers, one with few flows and one with many; the small one also has flows of few and of many versions, in
    the same tables."""

    def __init__(self, small, large):
        self.server, self.large = small, large

    def settle(self):
        self.server.settle()
        self.large.settle()


def calls(kind, command, at, in_flight, server_of, **more):
    """`server_of` picks one of the bed; a call alone says what latency is without a queue."""
    series = f"{kind} {command}" + (" alone" if in_flight == 1 else "")

    def take(bed, seconds, warmup):
        return points(server_of(bed).bench(command, in_flight, seconds, warmup, **{"flows": ACTIVE, **more}), series, at)

    return Measurement(f"{series}, {at:,}", take)


def few_versions(command, in_flight, fresh=iter(range(1_000_000))):
    """Of flows that are new each time: saves would soon have given them many."""
    series = f"versions {command}" + (" alone" if in_flight == 1 else "")

    def take(bed, seconds, warmup):
        options = {"flows": ACTIVE, "tenant": f"few-{next(fresh)}"}
        bed.server.bench("load", USUAL, 0.1, 0, **options)
        return points(bed.server.bench(command, in_flight, seconds, warmup, **options), series, 1)

    return Measurement(f"{series}, 1", take)


def many_versions(command, versions, in_flight):
    return calls("versions", command, versions, in_flight, lambda bed: bed.server, tenant=MANY_VERSIONS)


def many_flows(command, flows, in_flight):
    """Any of them: the measurement must not begin with a save of each, so flowstate-bench takes them to be there."""
    return calls("flows", command, flows, in_flight, lambda bed: bed.large, flows=flows, skip_preparation=True)


def active_flows(command, flows, in_flight):
    """The same few among many: what the size of the tables alone costs."""
    return calls("active flows", command, flows, in_flight, lambda bed: bed.large, skip_preparation=True)


def everything(chosen):
    """Few and many next to each other, so that both meet the machine alike."""
    for command in ("load", "save"):
        for in_flight in (USUAL, 1):
            yield calls("flows", command, ACTIVE, in_flight, lambda bed: bed.server)
            yield many_flows(command, chosen.flows, in_flight)
            yield active_flows(command, chosen.flows, in_flight)
            yield few_versions(command, in_flight)
            yield many_versions(command, chosen.versions, in_flight)


def fill_and_measure(runner, bed, chosen):
    """Points of the curves on the way to many, once each; then what is judged."""
    for make, point, most, least in (
            (partial(make_versions, bed.server, MANY_VERSIONS), many_versions, chosen.versions, 10),
            (partial(make_flows, bed.large), many_flows, chosen.flows, 10 * ACTIVE)):
        steps = [10 ** power for power in range(10) if least <= 10 ** power < most]
        for step in steps:
            make(step)
            runner.run([point(command, step, 1) for command in ("load", "save")], lambda: nullcontext(bed), rounds=1)
        make(most)
    runner.run(list(everything(chosen)), lambda: nullcontext(bed), chosen.rounds)


def options():
    parser = arguments(__doc__)
    parser.add_argument("--flows", type=int, default=10_000_000, help="how many are many (default: %(default)s)")
    parser.add_argument("--versions", type=int, default=1_000, help="a flow, on average (default: %(default)s)")
    chosen = parse(parser)
    if chosen.flows <= ACTIVE or chosen.versions <= 1:
        parser.error(f"--flows must be above {ACTIVE}, --versions above 1")
    return chosen


def main():
    chosen = options()
    results = Results({"options": {"rounds": chosen.rounds, "seconds": chosen.seconds}})
    with ExitStack() as stack:
        bed = ScaleBed(*(stack.enter_context(Server(chosen.binaries)) for _ in range(2)))
        fill_and_measure(Runner(results, chosen), bed, chosen)
    return finish("scale", results, chosen.output)


if __name__ == "__main__":
    run_program(main)
