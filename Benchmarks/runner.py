"""Round after round: quiet, a checkpoint, a measurement; what failed, what was disturbed, and how long it will take yet."""

import sys
import time
from dataclasses import dataclass
from typing import Callable

import machine
from programs import Failed
from quiet import FOREIGN_SHARE, Quiet
from results import Missing, Results


#: The warm-up is this part of the seconds measured.
WARMUP_PART = 1 / 4


@dataclass(frozen=True)
class Measurement:
    """`take` gets the bed and the seconds to measure and to warm up; it returns points: (series, at, figures)."""

    name: str
    take: Callable
    #: Of the seconds of a run: points of a curve are many, and each may be shorter.
    share: float = 1.0


class Progress:
    """Tells on standard error what was measured and how long the rest takes, by how the plan has held so far."""

    #: What a measurement takes beside its seconds: quiet, a checkpoint, programs that start.
    OVERHEAD_SECONDS = 1.5

    def __init__(self, rounds, seconds):
        self.seconds = seconds
        self.left = rounds
        self.count = len(rounds)
        self.planned = 0.0
        self.began = time.monotonic()

    def plan(self, measurement):
        return measurement.share * self.seconds + self.OVERHEAD_SECONDS

    def done(self, text):
        self.planned += self.plan(self.left.pop(0))
        pace = (time.monotonic() - self.began) / self.planned
        left = pace * sum(map(self.plan, self.left))
        print(f"[{self.count - len(self.left)}/{self.count}, {duration(left)} left] {text}", file=sys.stderr, flush=True)


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Runner:
    """Measures into `results`; `failures` has a line for each measurement that failed, which later rounds leave out."""

    def __init__(self, results, options):
        self.results = results
        self.options = options
        self.quiet = Quiet(options.patience)
        self.failures = {}
        self.disturbed = set()

    def run(self, measurements, make_bed, rounds):
        """With a bed a round: it has a server, and settles before each measurement."""
        warmup = self.options.seconds * WARMUP_PART
        progress = Progress(list(measurements) * rounds, self.options.seconds + warmup)
        try:
            for _ in range(rounds):
                with make_bed() as bed:
                    bed.figures = Results()  # of this round alone
                    self.results.about.setdefault("machine", machine.describe(bed.server))
                    for measurement in measurements:
                        progress.done(f"{measurement.name}: {self.once(measurement, bed, warmup)}")
        except Failed as failure:  # of what all measurements need
            self.failures["server"] = str(failure)
        self.results.about["failures"] = self.failures
        self.results.about["disturbed"] = sorted(self.disturbed)

    def once(self, measurement, bed, warmup):
        if measurement.name in self.failures:
            return "failed before"

        def body():
            return measurement.take(bed, self.options.seconds * measurement.share, warmup * measurement.share)

        try:
            bed.settle()
            points, foreign = self.quiet.measure(body)
        except (Failed, Missing) as failure:
            self.failures[measurement.name] = str(failure)
            return f"FAILED: {failure}"
        for point in points:
            self.results.add(*point)
            bed.figures.add(*point)
        is_disturbed = foreign > FOREIGN_SHARE
        if is_disturbed:
            self.disturbed.add(measurement.name)
        return summary(points) + (f"; disturbed, others took {foreign:.0%} of the machine" if is_disturbed else "")


def summary(points):
    return "; ".join(
        f"{series} " + ", ".join(f"{name} {value:,.{0 if value >= 100 else 2}f}" for name, value in figures.items()
                                 if name in ("rate", "p99_ms", "disk_bytes"))
        for series, _, figures in points)
