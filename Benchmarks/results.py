"""The figures of a run. Each is a point: a series (`save`, `pgbench save`), where it was taken (calls in flight, turns,
versions, flows) and its name (`rate`, `p99_ms`); it has one value a round."""

import json
import math
import statistics
from pathlib import Path


def percentile(ordered, share):
    """The smallest value that so large a share of all does not exceed."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def latencies(milliseconds):
    """The figures of flowstate-bench's report, from single times."""
    ordered = sorted(milliseconds)
    if not ordered:
        return {}
    return {
        "mean_ms": statistics.fmean(ordered), "p50_ms": percentile(ordered, 0.5), "p99_ms": percentile(ordered, 0.99),
        "p999_ms": percentile(ordered, 0.999), "max_ms": ordered[-1]}


class Missing(Exception):
    """A figure that was asked for was not measured."""


class Results:
    """`about` is what else a reader must know: the machine, the options, what failed."""

    def __init__(self, about=None, points=None):
        self.about = about or {}
        self.points = points or {}

    @classmethod
    def read(cls, path):
        """Of a file that `write` made; None when there is none."""
        if not Path(path).exists():
            return None
        content = json.loads(Path(path).read_text())
        points = {
            series: {int(at): figures for at, figures in places.items()} for series, places in content["points"].items()}
        return cls(content["about"], points)

    def write(self, path):
        Path(path).write_text(json.dumps({"about": self.about, "points": self.points}, indent=1) + "\n")

    def add(self, series, at, figures):
        place = self.points.setdefault(series, {}).setdefault(at, {})
        for name, value in figures.items():
            place.setdefault(name, []).append(value)

    def rounds(self, series, at, name):
        try:
            return self.points[series][at][name]
        except KeyError:
            raise Missing(f"{series}/{at}/{name} was not measured") from None

    def median(self, series, at, name):
        return statistics.median(self.rounds(series, at, name))

    def places(self, series):
        if series not in self.points:
            raise Missing(f"{series} was not measured")
        return sorted(self.points[series])

    def curve(self, series, name):
        """The points of a line: where, and the median there. Empty when nothing was measured."""
        return [
            (at, statistics.median(figures[name]))
            for at, figures in sorted(self.points.get(series, {}).items()) if name in figures]

    def at_path(self, path):
        """The median that `series/at/name` names. `at` is a number, `first`, `last`, or several with commas, of which
        the largest median counts: so a peer is taken at its best."""
        series, at, name = path.rsplit("/", 2)
        if at in ("first", "last"):
            places = [self.places(series)[0 if at == "first" else -1]]
        else:
            places = [int(number) for number in at.split(",")]
        return max(self.median(series, place, name) for place in places)
