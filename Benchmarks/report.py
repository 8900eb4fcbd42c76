"""RESULTS.md, whole, from the results of the runs there are."""

import charts
from programs import HERE, Failed
from results import Results
from storage import RANDOM_WORDS
from thresholds import judge

#: Where each command writes, which thresholds are its own, and what makes it.
RUNS = {
    "bench": ("results.json", ("rpc", "throughput", "latency", "storage", "validation")),
    "scale": ("results-scale.json", ("scale",)),
    "soak": ("results-soak.json", ("memory",)),
    "cleanup": ("results-cleanup.json", ("cleanup",)),
    "working-sets": ("results-working-sets.json", ("working-sets",)),
}
#: What the series are; those without a word here are their own.
TITLES = {
    "nghttpd": "nghttpd, a file of 2 bytes, `h2load`",
    "Health.Check": "`Health.Check`, `h2load`",
    "gRPC C++": "gRPC C++, unary echo, `h2load`",
    "gRPC C++, 2 threads": "gRPC C++, unary echo with two threads, `h2load`",
    "load": "`flowstate-bench load`",
    "save": "`flowstate-bench save`",
    "half load": "load at half of the saturated rate, open loop",
    "half save": "save at half of the saturated rate, open loop",
    "mixed load": "`flowstate-bench mixed`: the loads, 80 %",
    "mixed save": "`flowstate-bench mixed`: the saves, 20 %",
    "hot": "`flowstate-bench hot`: saves of one flow",
    "conflict save": "`flowstate-bench conflict`: saves that won",
    "conflict conflict": "`flowstate-bench conflict`: saves that lost",
    "create": "`flowstate-bench create`",
    "checkpoint": "`flowstate-bench checkpoint`",
    "save unlike states": "`flowstate-bench save --change 100`",
    "list": "`flowstate-bench list`",
    "large save": "save, states of 1 MiB",
    "large load": "load, states of 1 MiB",
    "load old versions": "`flowstate-bench versions`: loads of old versions",
    "cold load": "load after a restart, no warm-up, 20,000 flows",
    "LoadState": "`LoadState` of one flow, `h2load`",
    "SaveState": "`SaveState` to one flow, `h2load`",
    "CreateFlow": "`CreateFlow`, `h2load`",
    "pgbench load": "pgbench: one prepared select",
    "pgbench save": "pgbench: head and version in one transaction",
    "pgbench load batch": "pgbench: 32 flows a select, rows",
    "pgbench save batch": "pgbench: 32 flows a transaction, rows",
    "etcd put": "etcd: `Put` of 2,048 bytes, `h2load`",
    "etcd range": "etcd: `Range` of one key, `h2load`",
    "validate complete": "every rule",
    "validate transition": "the rules of a transition",
    "validate minimal": "the rules that tell a flow",
}
FAILURE_LENGTH = 400
LATENCIES = ("mean_ms", "p50_ms", "p99_ms", "p999_ms", "max_ms")
#: What a call takes of the processor, and the heads of these columns.
PROCESSOR, PROCESSOR_HEADS = ("server_us", "postgres_us", "client_us"), ("server µs", "PostgreSQL µs", "client µs")


def read_runs(folder=HERE):
    return {run: Results.read(folder / file) for run, (file, _) in RUNS.items()}


def write(folder=HERE):
    """RESULTS.md and the charts, from the results in the folder. The verdicts, by run."""
    runs = read_runs(folder)
    if not any(runs.values()):
        raise Failed(f"{folder} has no results; measure first")
    verdicts = {run: judge(groups, runs[run]) for run, (_, groups) in RUNS.items() if runs[run]}
    drawn = charts.draw(runs, folder / "charts")
    notes = folder / "NOTES.md"
    text = page(runs, verdicts, drawn, notes.read_text() if notes.exists() else "")
    (folder / "RESULTS.md").write_text(text)
    return verdicts


def page(runs, verdicts, drawn, notes):
    parts = ["# Results", (
        "Written by the programs of this folder from `results*.json`; commentary is in [NOTES.md](NOTES.md) and at the end.\n\n"
        "```sh\nmake bench          # everything but the next four; exits 1 when a threshold is missed\n"
        "make bench-working-sets  # 1,000 to 1,000,000 flows in use, states of 200 to 20,480 bytes, beside pgbench\n"
        "make bench-scale    # 1,000 and 10,000,000 flows, 1 and 1,000 versions a flow\n"
        "make bench-soak     # memory in five minutes of saturation\n"
        "make bench-cleanup  # saves while 1,000,000 versions are removed\n```")]
    if bench := runs["bench"]:
        parts += ["## How it was measured", *method(bench)]
    parts += ["## Beside the thresholds", *judged(verdicts)]
    if bench:
        parts += ["## Calls a second", rates(bench), "## Latency in milliseconds", times(bench)]
        parts += ["## Processor time a call", processor(bench)]
        parts += ["## A conversation on disk", conversation(bench)]
        parts += ["## Validation in microseconds", validation(bench)]
        parts += ["## Recovery", recovery(bench)]
    for run, title in (("working-sets", "Working sets"), ("scale", "Many flows, many versions"), ("soak", "Memory in a soak"), ("cleanup", "Cleaning up")):
        if runs[run]:
            parts += [f"## {title}", about(runs[run], ("date", "machine", "Flowstate", "PostgreSQL")), *SECTIONS[run](runs[run])]
    if drawn:
        parts += ["## Charts", *(f"![{title}](charts/{name}.svg)" for name, title in drawn.items())]
    return "\n\n".join(part for part in [*parts, notes.strip()] if part) + "\n"


def method(bench):
    options = bench.about["options"]
    yield about(bench)
    yield (
        f"Client, server, PostgreSQL and peers share the machine; `fsync` and `synchronous_commit` are on; states are of 2,048 "
        f"bytes, flows 1,000, on 4 connections. Each of {options['rounds']} rounds starts everything anew and measures everything "
        f"once, {options['seconds']:g} s each after a warm-up (points of curves half as long), peers in between. Figures are "
        "medians of the rounds. Machines drift: read ratios, not absolute numbers. `h2load` repeats one request; "
        "`flowstate-bench` picks flows at random.")
    if options["quick"]:
        yield "**A quick run: it shows that everything works, and its figures mean nothing.**"


def about(results, names=None):
    """The machine, what failed, what was disturbed."""
    described = results.about.get("machine", {})
    lines = [f"- {name}: {described[name]}" for name in names or described if name in described]
    lines += [f"- **failed**: {name}: {' '.join(text.split())[:FAILURE_LENGTH]}"
              for name, text in results.about["failures"].items()]
    disturbed = results.about.get("disturbed", [])
    if disturbed:
        shown = "; ".join(disturbed) if len(disturbed) <= 10 else f"{len(disturbed)} measurements"
        lines.append(f"- **disturbed**, other programs took more than a tenth of the machine: {shown}")
    return "\n".join(lines)


def judged(verdicts):
    everything = [verdict for found in verdicts.values() for verdict in found]
    yield table(["threshold", "figure", "rule", "met", "why"], "lrlll", (
        [f"`{verdict.name}`", "—" if verdict.value is None else number(verdict.value), verdict.rule,
         "yes" if verdict.met else "**no**", verdict.missing or verdict.why] for verdict in everything))
    missed = [verdict for verdict in everything if not verdict.met]
    yield f"{len(everything) - len(missed)} of {len(everything)} are met." + (
        " Missed: " + "; ".join(
            f"`{verdict.name}` ({'not measured' if verdict.value is None else number(verdict.value)}, not {verdict.rule})"
            for verdict in missed) + "." if missed else "")
    for run in RUNS.keys() - verdicts.keys():
        yield f"`make bench-{run}` was not run: its thresholds are not judged here."


def rates(bench):
    return table(["measured", "in flight", "median", "rounds"], "lrrl", (
        [title, f"{at:,}", f"{bench.median(series, at, 'rate'):,.0f}",
         ", ".join(f"{value:,.0f}" for value in bench.rounds(series, at, "rate"))]
        for series, title, at in points(bench, "rate") if not series.startswith("half")))


def times(bench):
    rows = ([title, f"{at:,}", *(figure(bench, series, at, name) for name in LATENCIES)]
            for series, title, at in points(bench, "p50_ms"))
    return table(["measured", "in flight", "mean", "p50", "p99", "p99.9", "max"], "lrrrrrr", rows)


def processor(bench):
    return (
        "Microseconds, user and system, by the kernel's accounts: of the server (of a peer with its children), of PostgreSQL "
        "without the start of its sessions, and of the client.\n\n" + table(
            ["measured", "in flight", *PROCESSOR_HEADS], "lr" + "r" * len(PROCESSOR), (
                [title, f"{at:,}", *(figure(bench, series, at, name) for name in PROCESSOR)]
                for series, title, at in points(bench, "client_us"))))


def conversation(bench):
    rows = []
    for series in ("conversation", RANDOM_WORDS):
        for turns, disk in bench.curve(series, "disk_bytes"):
            raw = bench.median(series, turns, "raw_bytes")
            parts = [size(bench, series, turns, f"{name}_bytes") for name in ("state", "heap", "toast", "index")]
            rows.append([series, f"{turns:,}", f"{raw:,.0f}", f"{disk:,.0f}", f"{raw / disk:,.1f}" if disk > 0 else "—", *parts] + [
                figure(bench, f"{series} {name}", turns, "p50_ms") for name in ("save", "load_latest", "load_version")])
    heads = ["", "turns", "bytes of all states", "bytes on disk", "ratio", "packed states", "heap", "TOAST", "indexes", "save p50 ms",
             "load latest p50 ms", "load any version p50 ms"]
    return (
        "One call in flight; bytes are of all tables, indexes and TOAST after `VACUUM`, with their free room, on a server of its "
        "own.\n\n" + table(heads, "l" + "r" * (len(heads) - 1), rows)) if rows else ""


def size(results, series, at, name):
    known = name in results.points.get(series, {}).get(at, {})
    return f"{results.median(series, at, name):,.0f}" if known else "—"


def validation(bench):
    rows = [[title, f"{at:,}", *(f"{bench.median(series, at, name):,.1f}" for name in ("median_us", "p99_us"))]
            for series, title, at in points(bench, "median_us")]
    return ("`flowstate-bench validate`: a state of `unified_discovery`, parsing included.\n\n" + table(
        ["depth", "bytes", "median", "p99"], "lrrr", rows)) if rows else ""


def recovery(bench):
    return "\n\n".join(
        f"`flowstate recover` of a flow whose state of {at:,} bytes is broken, repaired by its definition, took "
        f"{median:,.2f} s (median; at most {bench.median('recovery', at, 'max_s'):,.2f} s), starting the program included."
        for at, median in bench.curve("recovery", "median_s"))


def scale(results):
    yield (
        "*flows*: calls are for any of so many. *versions*: for any of 1,000 flows that have so many each, on average. *alone*: "
        "one call in flight, otherwise 128.")
    yield series_table(results)


def soak(results):
    for seconds in results.places("soak"):
        most, second, last = (results.median("soak", seconds, f"resident_{name}_mb")
                              for name in ("max", "second_fifth", "last_fifth"))
        yield (
            f"{seconds} s of `flowstate-bench mixed` with 256 calls in flight: the server took at most {most:,.1f} MB, "
            f"{second:,.1f} in the second fifth of the time and {last:,.1f} in the last (medians of a sample a second).")
    yield series_table(results)


def cleanup(results):
    for asked in results.places("cleanup"):
        versions, seconds, speed, size = (
            results.median("cleanup", asked, name) for name in ("versions", "seconds", "versions_per_second", "bytes"))
        yield (
            f"The server removed {versions:,.0f} versions ({size / 1e6:,.0f} MB) of 1,000 flows in {seconds:,.0f} s, {speed:,.0f} a second, "
            "while 256 calls in flight saved those flows. Of its windows the medians; p99 is that of the worst.")
    yield series_table(results)


def working_sets(results):
    yield (
        "*At* is how many flows are in use, picked alike (*uniform*) or by Zipf's law; numbers in names are bytes of a state, and "
        "calls in flight unless they are 128. pgbench has 16 clients and does a load and a save as one statement each, uncompressed.")
    yield series_table(results)


SECTIONS = {"working-sets": working_sets, "scale": scale, "soak": soak, "cleanup": cleanup}


def series_table(results):
    """Of series that are of this run alone: rates and latencies beside each other."""
    heads = ["measured", "at", "calls a second", "mean ms", "p50", "p99", "p99.9", "max", *PROCESSOR_HEADS]
    return table(heads, "l" + "r" * (len(heads) - 1), (
        [title, f"{at:,}", f"{results.median(series, at, 'rate'):,.0f}",
         *(figure(results, series, at, name) for name in LATENCIES + PROCESSOR)]
        for series, title, at in points(results, "rate")))


def points(results, name):
    """In the order of TITLES: series, title, and where it has this figure."""
    known = [series for series in TITLES if series in results.points]
    for series in known + [series for series in results.points if series not in TITLES and not series.startswith("conversation")]:
        for at, _ in results.curve(series, name):
            yield series, TITLES.get(series, series), at


def figure(results, series, at, name):
    known = name in results.points.get(series, {}).get(at, {})
    return f"{results.median(series, at, name):,.2f}" if known else "—"


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.2f}"


def table(header, alignment, rows):
    def line(cells):
        return "| " + " | ".join(cells) + " |"

    marks = ["---:" if side == "r" else "---" for side in alignment]
    return "\n".join([line(header), line(marks), *(line([cell.replace("|", "\\|") for cell in row]) for row in rows)])
