"""What Benchmarks/ makes of what programs print: figures, medians, verdicts, tables, charts. Nothing is measured here."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from repository import ROOT

BENCHMARKS = ROOT / "Benchmarks"
sys.path.append(str(BENCHMARKS))

import charts  # noqa: E402
import fill  # noqa: E402
import processor  # noqa: E402
import report  # noqa: E402
import runner  # noqa: E402
import scenarios  # noqa: E402
import soak  # noqa: E402
import thresholds  # noqa: E402
import validation  # noqa: E402
import working_sets  # noqa: E402
from peers import etcd, h2load, pgbench, wire  # noqa: E402
from programs import Failed, run  # noqa: E402
from results import Missing, Results, latencies, percentile  # noqa: E402

H2LOAD = """\
finished in 4.00s, 28441.50 req/s, 1.36MB/s
requests: 113766 total, 113894 started, 113766 done, 113766 succeeded, {failed} failed, 0 errored, 0 timeout
"""
PGBENCH = """\
number of transactions actually processed: 60193
number of failed transactions: {failed} (0.000%)
latency average = 1.063 ms
initial connection time = 12.345 ms
tps = 15048.269999 (without initial connection time)
"""


def some_results(**options):
    """Of two rounds, as `make bench` would have them."""
    results = Results({
        "options": {"rounds": 2, "seconds": 4.0, "quick": False, **options}, "machine": {"date": "today", "machine": "2 cores"},
        "failures": {}, "disturbed": []})
    figures = {"mean_ms": 2.0, "p50_ms": 1.5, "p99_ms": 4.0, "p999_ms": 6.0, "max_ms": 9.0}
    for rate in (10_000.0, 30_000.0):
        for at in (1, 128):
            results.add("load", at, {"rate": rate * at, **figures})
        results.add("pgbench load", 16, {"rate": rate, **figures})
        results.add("pgbench load", 128, {"rate": rate / 4, **figures})
    results.add("conversation", 500, {"disk_bytes": 2_500_000, "raw_bytes": 130_000_000})
    return results


# What programs print


def test_h2load():
    assert h2load.rate(H2LOAD.format(failed=0), "http://x") == 28441.5
    assert h2load.requests(H2LOAD.format(failed=0), "http://x") == 113766
    assert h2load.milliseconds("1700000000\t200\t1500\n1700000001\t200\t250\n") == [1.5, 0.25]


@pytest.mark.parametrize("said", [
    "", H2LOAD.format(failed=3), H2LOAD.format(failed=0).replace("28441.50", "0.00"),
])
def test_h2load_that_failed(said):
    with pytest.raises(Failed, match="http://x"):
        h2load.rate(said, "http://x")


def test_pgbench():
    assert pgbench.summary(PGBENCH.format(failed=0), "save") == {"count": 60193, "rate": 15048.269999, "mean_ms": 1.063}
    # The first ended while connections were still being made.
    log = "0 12 850 0 1700000000 123456\n3 1 2150 0 1700000001 123456\n3 1 450 0 1700000002 0\n"
    assert pgbench.milliseconds(log) == [2.15, 0.45]
    assert pgbench.milliseconds("") == []


def test_pgbench_that_failed():
    with pytest.raises(Failed, match="pgbench save"):
        pgbench.summary(PGBENCH.format(failed=1), "save")


def test_flowstate_bench():
    operation = {"rate": 5.0, "mean_ms": 1, "p50_ms": 1, "p90_ms": 1, "p99_ms": 1, "p999_ms": 1, "max_ms": 1, "count": 5}
    assert [point[:2] for point in scenarios.points({"operations": {"load": operation}}, "cold load", 128)] == [("cold load", 128)]
    both = scenarios.points({"operations": {"load": operation, "save": operation}}, "mixed", 256)
    assert [point[:2] for point in both] == [("mixed load", 256), ("mixed save", 256)]
    assert set(both[0][2]) == set(scenarios.FIGURES)


def test_processor_time_a_call():
    operation = {**dict.fromkeys(scenarios.FIGURES, 1.0), "count": 50}
    seconds = {"client_cpu_seconds": 0.001, "server_cpu_seconds": 0.002}
    points = scenarios.points({"operations": {"load": operation, "save": operation}, **seconds}, "mixed", 256)
    assert [(figures["client_us"], figures["server_us"], "postgres_us" in figures) for _, _, figures in points] == [(10, 20, False)] * 2
    assert processor.per_call({"client": 1.0}, 0) == {}


def test_the_kernel_accounts_for_what_has_run():
    clocks = processor.Clocks(server=lambda: processor.own(os.getpid()), tree=lambda: processor.tree(os.getpid()))
    run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"])
    spent = clocks.elapsed()
    # The kernel counts other processes in hundredths of a second.
    assert spent["client"] >= 0.2 and spent["tree"] >= 0.18 and 0 <= spent["server"] <= spent["tree"]


def test_validation():
    depths = {depth: {"median_us": 20.0, "p99_us": 30.0, "max_us": 90.0} for depth in ("minimal", "transition", "complete")}
    points = validation.points({"state_size": 100_000, "depths": depths})
    assert points[-1] == ("validate minimal", 100_000, depths["minimal"]) and len(points) == 3


def test_a_program_that_fails_or_is_missing_is_named():
    with pytest.raises(Failed, match="sh .* ended with 3: why"):
        run(["sh", "-c", "echo why >&2; exit 3"])
    assert run(["sh", "-c", "echo said; exit 1"], allowed=(0, 1)) == b"said\n"
    with pytest.raises(Failed, match="/nonexistent/program cannot be run"):
        run(["/nonexistent/program"])


# Requests by hand


def test_requests_are_what_protobuf_would_encode():
    assert wire.field(1, b"ok") == b"\x0a\x02ok"
    assert wire.field(2, b"x" * 2_048) == b"\x12\x80\x10" + b"x" * 2_048
    assert etcd.put_request(b"k", b"v") == b"\x0a\x01k\x12\x01v"
    assert etcd.range_request(b"k") == b"\x0a\x01k"
    assert wire.frame(b"abc") == b"\0\0\0\0\x03abc"


def test_a_copied_flow_differs_in_its_key_alone():
    server = SimpleNamespace(sql=lambda text: "tenant,flow_id,version,state,base_version")
    text = " ".join(fill.copies(server, "flow_version", 1_000, 1_999).split())
    assert text == (
        "INSERT INTO flowstate.flow_version (tenant, flow_id, version, state, base_version) "
        "SELECT 'bench', 'bench-2048-' || n, row.version, row.state, row.base_version "
        "FROM flowstate.flow_version row, generate_series(1000, 1999) n WHERE row.tenant = 'template'")


# Figures


def test_percentiles():
    ordered = list(range(1, 101))
    assert [percentile(ordered, share) for share in (0.5, 0.99, 0.999, 1)] == [50, 99, 100, 100]
    assert latencies([3.0, 1.0, 2.0]) == {"mean_ms": 2.0, "p50_ms": 2.0, "p99_ms": 3.0, "p999_ms": 3.0, "max_ms": 3.0}
    assert latencies([]) == {}


def test_figures_are_medians_of_rounds():
    results = some_results()
    assert results.median("load", 1, "rate") == 20_000
    assert results.curve("load", "rate") == [(1, 20_000), (128, 2_560_000)]
    assert results.at_path("load/1/rate") == 20_000
    assert results.at_path("load/first/rate") == 20_000 and results.at_path("load/last/rate") == 2_560_000
    assert results.at_path("pgbench load/16,128/rate") == 20_000, "a peer counts at its best"
    assert results.curve("load", "nothing") == results.curve("nothing", "rate") == []


@pytest.mark.parametrize("path", ["load/2/rate", "load/1/nothing", "nothing/1/rate", "nothing/first/rate", "load/1,2/rate"])
def test_a_figure_that_is_missing_is_an_error(path):
    with pytest.raises(Missing, match="was not measured"):
        some_results().at_path(path)


def test_results_outlive_the_run(tmp_path):
    some_results().write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert (again.points, again.about) == (some_results().points, some_results().about)
    assert Results.read(tmp_path / "nothing.json") is None


# Thresholds


@pytest.mark.parametrize("rule, limit, met", [
    ("at_least", 2.0, True), ("at_least", 2.1, False), ("at_most", 2.0, True), ("at_most", 1.9, False),
    ("below", 2.0, False), ("below", 2.1, True),
])
def test_rules(rule, limit, met):
    found = thresholds.verdict("name", {"figure": "load/1/mean_ms", rule: limit, "why": "because"}, some_results())
    assert (found.value, found.met, found.missing) == (2.0, met, None)


def test_ratios():
    threshold = {"figure": "load/1/rate", "divided_by": "pgbench load/128/rate", "at_least": 4, "why": ""}
    found = thresholds.verdict("name", threshold, some_results())
    assert (found.value, found.met, found.rule) == (4, True, "≥ 4")


@pytest.mark.parametrize("threshold", [
    {"figure": "nothing/1/rate", "below": 1e9}, {"figure": "load/1/rate", "divided_by": "nothing/1/rate", "at_least": 0},
])
def test_what_is_missing_meets_nothing(threshold):
    found = thresholds.verdict("name", {**threshold, "why": ""}, some_results())
    assert not found.met and found.value is None and "nothing/1/rate" in found.missing
    assert thresholds.exit_code([found], {}) == 2


def test_exit_codes():
    met, missed = (thresholds.Verdict("name", "", "", 1.0, met=met) for met in (True, False))
    assert thresholds.exit_code([met, met], {}) == 0
    assert thresholds.exit_code([met, missed], {}) == 1
    assert thresholds.exit_code([met], {"etcd": "said no"}) == 2


def working_sets_plan():
    return [measurement for size in (200, 2_048) for measurement in working_sets.everything(size, working_sets.LISTED_FLOWS)]


def test_thresholds_in_files_are_well_formed_and_of_figures_that_are_measured():
    measured = set(report.TITLES) | {
        "conversation", "conversation load_version", "conversation load_latest", "conversation of random words", "soak", "saves beside a clean-up", "recovery"} | {
        f"{kind} {command}{alone}" for kind in ("flows", "active flows", "versions") for command in ("load", "save") for alone in ("", " alone")}
    measured |= {m.name.rpartition(", ")[0].removesuffix(" at half the rate") for m in working_sets_plan()}
    measured |= {f"half {name}" for name in measured}
    names = []
    for _, groups in report.RUNS.values():
        for group in groups:
            for name, threshold in thresholds.read(group).items():
                names.append(name)
                for path in (threshold["figure"], threshold.get("divided_by", threshold["figure"])):
                    assert path.rsplit("/", 2)[0] in measured, path
    assert len(names) == len(set(names))
    assert {path.stem for path in (BENCHMARKS / "Thresholds").iterdir()} == {
        group for _, groups in report.RUNS.values() for group in groups}, "a file that nobody reads"


@pytest.mark.parametrize("threshold", [
    {"figure": "a/1/b", "why": ""}, {"figure": "a/1/b", "below": 1}, {"figure": "a/1/b", "why": "", "above": 1},
    {"figure": "a/1/b", "why": "", "below": 1, "at_least": 0},
])
def test_thresholds_that_make_no_sense_are_refused(tmp_path, threshold):
    (tmp_path / "odd.json").write_text(json.dumps({"name": threshold}))
    with pytest.raises(Failed, match="name has"):
        thresholds.read("odd", tmp_path)


def test_soak_leaves_the_first_fifth_out():
    found = soak.summary([500.0] + [100.0, 101.0] * 2 + [110.0] * 5)
    assert found == {"resident_max_mb": 500.0, "resident_second_fifth_mb": 100.5, "resident_last_fifth_mb": 110.0}
    assert soak.resident_mb("VmHWM:\t  9999 kB\nVmRSS:\t    1000 kB\n") == 1.024
    with pytest.raises(Failed, match="too few"):
        soak.summary([1.0] * 4)


# Rounds


class Bed:
    server = SimpleNamespace()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def settle(self):
        pass


def test_a_failed_measurement_is_left_out_and_the_others_go_on(monkeypatch, capsys):
    def fail(*_):
        raise Failed("etcd said no")

    def half(bed, *_):
        return [("half", 128, {"rate": bed.figures.median("load", 128, "rate") / 2})]

    monkeypatch.setattr(runner.machine, "describe", lambda server: {})
    results = Results()
    rates = iter([100, 300, 200])
    plan = [runner.Measurement("broken", fail),
            runner.Measurement("load", lambda *_: [("load", 128, {"rate": next(rates)})]),
            runner.Measurement("half", half)]
    runner.Runner(results, SimpleNamespace(seconds=1, patience=0)).run(plan, Bed, rounds=3)
    assert results.about["failures"] == {"broken": "etcd said no"}
    assert results.rounds("load", 128, "rate") == [100, 300, 200]
    assert results.rounds("half", 128, "rate") == [50, 150, 100], "half of the same round's rate"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9 and lines[-1].startswith("[9/9, 0 s left] half")
    assert "FAILED: etcd said no" in lines[0] and "failed before" in lines[3]


def test_the_plan_has_each_measurement_once():
    for is_quick in (False, True):
        names = [measurement.name for measurement in scenarios.everything(is_quick)]
        assert len(names) == len(set(names))
    names = [measurement.name for measurement in working_sets_plan()]
    assert len(names) == len(set(names))


# Tables and charts


def test_the_page(tmp_path):
    results = some_results()
    results.about["failures"] = {"etcd put, 1 in flight": "etcd ended\nwith 1"}
    verdicts = {"bench": [
        thresholds.Verdict("fast", "≥ 1.2", "it must", 1.5, met=True), thresholds.Verdict("slow", "< 5", "it must", 7.0),
        thresholds.Verdict("gone", "< 5", "it must", None, "x/1/y was not measured")]}
    text = report.page({"bench": results, "scale": None, "soak": None, "cleanup": None, "working-sets": None}, verdicts, {"load-rate": "Loads a second"}, "## Notes")
    assert "| `fast` | 1.50 | ≥ 1.2 | yes | it must |" in text
    assert "| `gone` | — | < 5 | **no** | x/1/y was not measured |" in text
    assert "1 of 3 are met. Missed: `slow` (7.00, not < 5); `gone` (not measured, not < 5)." in text
    assert "| `flowstate-bench load` | 1 | 20,000 | 10,000, 30,000 |" in text
    assert "| `flowstate-bench load` | 1 | 2.00 | 1.50 | 4.00 | 6.00 | 9.00 |" in text
    assert "| conversation | 500 | 130,000,000 | 2,500,000 | 52.0 | — | — | — | — | — | — | — |" in text
    assert "**failed**: etcd put, 1 in flight: etcd ended with 1" in text
    assert "![Loads a second](charts/load-rate.svg)" in text and text.endswith("## Notes\n")
    assert "`make bench-scale` was not run" in text


def test_gnuplot_gets_the_curves(tmp_path):
    chart = charts.CHARTS["load-rate"]
    curves = [(line, charts.curve(some_results(), line)) for line in chart.lines]
    text = charts.script(chart, curves, tmp_path / "it's.svg")
    assert "$data0 << end\n1 20000.0\n128 2560000.0\nend\n" in text
    assert "$data1 << end\n16 20000.0\n128 5000.0\nend\n" in text
    assert "it''s.svg" in text and "set logscale x" in text
    assert "'128' 128" in text and "'256'" not in text, "marks within the range only"


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="needs gnuplot")
def test_charts_can_be_drawn_again_without_measuring(tmp_path):
    some_results().write(tmp_path / "results.json")
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "flows.svg").write_text("of a run that is gone")
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "compare.py", "--charts-only", "--output", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == ["conversation.svg", "load-latency.svg", "load-rate.svg"]
    assert "<svg" in (tmp_path / "charts" / "load-rate.svg").read_text()
    assert "# Results" in (tmp_path / "RESULTS.md").read_text()


def test_nothing_to_draw(tmp_path):
    with pytest.raises(Failed, match="measure first"):
        report.write(tmp_path)
