"""The load generator: what it reports and how it ends. No figure is judged here, only whether they fit together."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
import uuid

import pytest

from processes import eventually, working_in

SLOW, FAILED, USAGE, INTERRUPTED = 1, 2, 64, 130
PERCENTILES = ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"]
#: No figure of a busy test machine may fail a test.
SHORT = ["--duration", "2", "--warmup", "0.5", "--flows", "50", "--p99-limit", "60000"]


@pytest.fixture
def bench(bench_bin):
    def run(*arguments):
        return subprocess.run([bench_bin, *arguments], capture_output=True, text=True, timeout=120)
    return run


@pytest.fixture
def report(bench, server):
    """Runs against the shared server, with flows of its own; the JSON report of a run that must succeed."""
    tenant = "bench-" + uuid.uuid4().hex

    def run(command, *arguments):
        done = bench(command, "--endpoint", server.endpoint, "--tenant", tenant, *SHORT, *arguments, "--json", "-")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    run.tenant = tenant
    return run


def check(report, *operations):
    assert sorted(report["operations"]) == sorted(operations)
    for operation in report["operations"].values():
        assert (operation["errors"], operation["errors_by_reason"]) == (0, {})
        assert operation["count"] > 0
        assert operation["rate"] == pytest.approx(operation["count"] / report["seconds"])
        percentiles = [operation[name] for name in PERCENTILES]
        assert percentiles == sorted(percentiles) and percentiles[0] > 0
        assert 0 < operation["mean_ms"] <= operation["max_ms"]
    assert report["seconds"] > 0 and report["passed"] and report["exit_code"] == 0
    assert report["client_cpu_seconds"] > 0
    assert ("server_cpu_seconds" in report) == ("postgres_cpu_seconds" in report) == report["server"]["started"]


def test_save(report, server):
    result = report("save")
    check(result, "save")
    assert result["loop"] == "closed"
    assert result["server"] == {"endpoint": server.endpoint, "started": False}
    assert result["configuration"]["in_flight"] == 128 and result["configuration"]["state_size"] == 2048
    flows = server.flows(report.tenant).ListFlows(page_size=100).flows
    assert sum(flow.version for flow in flows) >= result["operations"]["save"]["count"], "fewer versions than saves counted"


def test_load(report, server):
    check(report("load"), "load")
    flows = server.flows(report.tenant)
    assert [flow.version for flow in flows.ListFlows(page_size=100).flows] == [1] * 50, "loads make no versions"
    state = flows.state("bench-2048-7")
    assert len(state) == 2048 and json.loads(state)


def test_mixed(report):
    result = report("mixed", "--loads", "80")
    check(result, "load", "save")
    loads, saves = (result["operations"][name]["count"] for name in ("load", "save"))
    assert loads / (loads + saves) == pytest.approx(0.8, abs=0.05)


def test_hot_saves_one_flow(report, server):
    result = report("hot")
    check(result, "save")
    assert result["configuration"]["flows"] == 1
    (flow,) = server.flows(report.tenant).ListFlows().flows
    assert flow.version >= result["operations"]["save"]["count"]


def test_conflicts_are_no_errors(report, server):
    result = report("conflict", "--flows", "2")
    check(result, "conflict", "save")
    flows = server.flows(report.tenant).ListFlows().flows
    assert len(flows) == 2
    assert sum(flow.version for flow in flows) >= result["operations"]["save"]["count"], "fewer versions than saves that won"


def test_conflicts_use_four_flows_unless_told(bench, server):
    tenant = "bench-" + uuid.uuid4().hex
    done = bench("conflict", "--endpoint", server.endpoint, "--tenant", tenant, "--duration", "0.5", "--p99-limit", "60000")
    assert done.returncode == 0, done.stderr
    assert len(server.flows(tenant).ListFlows().flows) == 4


def test_one_at_a_time_nothing_conflicts(report):
    check(report("conflict", "--connections", "1", "--in-flight", "1", "--flows", "1", "--warmup", "0.5"), "save")


def test_create_makes_new_flows(report, server):
    result = report("create", "--duration", "0.5", "--warmup", "0", "--in-flight", "8")
    check(result, "create")
    flows, token = [], ""
    while not flows or token:
        page = server.flows(report.tenant).ListFlows(page_size=1000, page_token=token)
        flows, token = flows + list(page.flows), page.next_page_token
    assert len(flows) == result["operations"]["create"]["count"]
    assert {flow.version for flow in flows} == {1} and {flow.flow_type for flow in flows} == {"bench"}


def test_checkpoint(report, server):
    result = report("checkpoint", "--flows", "1", "--duration", "0.5", "--warmup", "0", "--in-flight", "8")
    check(result, "checkpoint")
    checkpoints, token = 0, ""
    while checkpoints == 0 or token:
        page = server.flows(report.tenant).ListCheckpoints(flow_id="bench-2048-0", page_size=1000, page_token=token)
        checkpoints, token = checkpoints + len(page.checkpoints), page.next_page_token
    assert checkpoints == result["operations"]["checkpoint"]["count"]


def test_list(report, server):
    check(report("list", "--flows", "120", "--in-flight", "8"), "list")
    flows = server.flows(report.tenant).ListFlows(page_size=1000).flows
    assert len(flows) == 120
    assert {flow.status for flow in flows} == {"running", "waiting", "failed", "completed"}
    assert len({flow.flow_type for flow in flows}) == 5 and len({flow.labels["customer"] for flow in flows}) == 3


def test_versions_prepares_what_is_missing(report, server):
    check(report("versions", "--depth", "2"), "load_version")
    result = report("versions", "--depth", "5")
    check(result, "load_version")
    assert result["configuration"]["depth"] == 5
    flows = server.flows(report.tenant).ListFlows(page_size=100).flows
    assert [flow.version for flow in flows] == [5] * 50


@pytest.mark.parametrize("command", ["load", "mixed", "versions"])
def test_flows_that_are_taken_to_be_there_and_are_not(bench, server, command):
    tenant = "bench-" + uuid.uuid4().hex
    done = bench(command, "--skip-preparation", "--endpoint", server.endpoint, "--tenant", tenant, "--duration", "0.3", "--warmup", "0",
                 "--json", "-")
    assert done.returncode == FAILED
    operations = json.loads(done.stdout)["operations"]
    assert "FLOW_NOT_FOUND" in next(operation for name, operation in operations.items() if name != "save")["errors_by_reason"]


def test_some_flows_are_used_more_than_others(report, server):
    check(report("save", "--distribution", "zipf"), "save")
    versions = sorted(flow.version for flow in server.flows(report.tenant).ListFlows(page_size=100).flows)
    saves = sum(versions)
    deviation = (0.24 * 0.76 / saves) ** 0.5
    assert len(versions) <= 50, "a short run may never pick the rarest"
    assert versions[-1] / saves == pytest.approx(0.24, abs=6 * deviation), "1 of the sum of k^-1.05 for 50 flows"
    assert 0.24 - 6 * deviation > 1 / 50, "far from an equal choice"


def test_the_processor_time_of_a_server_that_runs(bench, server):
    done = bench("save", "--endpoint", server.endpoint, "--server-process", str(server.process.pid), *SHORT, "--json", "-")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["server_cpu_seconds"] > 0 and result["postgres_cpu_seconds"] > 0
    table = bench("save", "--endpoint", server.endpoint, "--server-process", str(server.process.pid), *SHORT).stdout
    assert re.search(r"Processor time a call: this program \d+\.\d\d µs, the server \d+\.\d\d µs, its PostgreSQL \d+\.\d\d µs\.", table)


def test_flows_that_are_there_need_no_preparation(report, server):
    flows = server.flows(report.tenant)
    for flow in range(50):
        flows.save(f"bench-2048-{flow}")
    check(report("load", "--skip-preparation"), "load")
    check(report("mixed", "--skip-preparation"), "load", "save")
    check(report("save", "--skip-preparation"), "save")
    assert len(flows.ListFlows(page_size=100).flows) == 50


def test_conversation_loads_what_it_saved(report, server):
    result = report("conversation", "--turns", "30")
    check(result, "save", "load_version", "load_latest")
    assert {operation["count"] for operation in result["operations"].values()} == {30}
    assert (result["configuration"]["in_flight"], result["configuration"]["turns"], result["loop"]) == (1, 30, "closed")
    conversation = result["conversation"]
    assert conversation["turns"] == 30 and conversation["tenant"] == report.tenant
    flows = server.flows(report.tenant)
    states = [flows.state(conversation["flow_id"], version=turn) for turn in range(1, 31)]
    assert sum(len(state) for state in states) == conversation["raw_bytes"]
    assert [len(json.loads(state)["messages"]) for state in states] == list(range(2, 62, 2))


@pytest.mark.parametrize("command, operation", [("save", "save"), ("load", "load")])
def test_states_larger_than_windows(report, command, operation):
    """A mebibyte fills a stream's window; all calls of a connection together do not fit its own."""
    large = ["--state-size", str(1 << 20), "--flows", "4", "--in-flight", "20", "--connections", "1"]
    check(report(command, *large), operation)


def test_small_changes(report, server):
    """Texts of one pool are equal but for one per cent."""
    check(report("load", "--change", "1", "--state-size", "10000"), "load")
    flows = server.flows(report.tenant)
    first, second = (flows.state(f"bench-10000-{flow}") for flow in (0, 1))
    assert len(first) == len(second) == 10_000
    assert sum(a != b for a, b in zip(first, second)) < 120


def test_open_loop_keeps_to_its_rate(report):
    result = report("load", "--rate", "200", "--connections", "3")
    check(result, "load")
    assert result["loop"] == "open" and result["configuration"]["rate"] == 200
    assert result["operations"]["load"]["count"] + result["unsent"] == pytest.approx(400, abs=3)


def test_open_loop_counts_the_wait_of_calls_that_could_not_be_sent(report):
    """One call in flight, and far more due than one at a time can be: latency is that of the queue, not of the call."""
    result = report("save", "--rate", "100000", "--in-flight", "1", "--connections", "1", "--warmup", "0")
    assert result["unsent"] > 0
    assert result["operations"]["save"]["p50_ms"] > 300


@pytest.mark.parametrize("size", [30, 64, 100_000])
def test_states_are_json_of_the_size_asked_for(report, server, size):
    check(report("load", "--state-size", str(size), "--duration", "1.95"), "load")
    state = server.flows(report.tenant).state(f"bench-{size}-3")
    assert len(state) == size and json.loads(state)


def test_json_file_and_table(bench, server, tmp_path):
    path = tmp_path / "report.json"
    done = bench("load", "--endpoint", server.endpoint, *SHORT, "--json", str(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["command"] == "load"
    assert "p99.9 ms" in done.stdout and "\nload " in done.stdout


def test_the_report_goes_into_a_pipe_that_stays(bench, server, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    done = bench("load", "--endpoint", server.endpoint, *SHORT, "--json", str(pipe))
    told, _ = reader.communicate(timeout=60)
    assert done.returncode == 0 and json.loads(told)["command"] == "load"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_slow_server_is_exit_code_1(bench, server):
    done = bench("load", "--endpoint", server.endpoint, *SHORT, "--p99-limit", "0.0001", "--json", "-")
    assert done.returncode == SLOW
    assert "--p99-limit" in done.stderr
    assert json.loads(done.stdout)["passed"] is False


def test_nobody_listens_is_exit_code_2(bench):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = bench("save", "--endpoint", f"127.0.0.1:{closed.getsockname()[1]}", *SHORT)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "cannot connect" in done.stderr


def test_refused_calls_are_exit_code_2(bench, server):
    done = bench("save", "--endpoint", server.endpoint, "--tenant", "x" * 300, *SHORT, "--json", "-")
    assert done.returncode == FAILED
    save = json.loads(done.stdout)["operations"]["save"]
    assert save["count"] == 0 and save["errors"] == sum(failure["count"] for failure in save["errors_by_reason"].values()) > 0


def test_no_program_to_start_is_exit_code_2(bench):
    done = bench("save", "--server", "/nonexistent/flowstate", *SHORT)
    assert done.returncode == FAILED and "/nonexistent/flowstate" in done.stderr


@pytest.mark.parametrize("command, arguments", [
    *[("mixed", arguments) for arguments in [
        ["--connections", "0"], ["--in-flight", "3"], ["--flows", "0"], ["--state-size", "2"], ["--rate", "-1"],
        ["--duration", "0"], ["--change", "101"], ["--endpoint", "a:b:c"], ["--endpoint", "localhost", "--server", "x"],
        ["--server-process", "1"], ["--server-process", "0", "--endpoint", "localhost"], ["--distribution", "odd"], ["--loads", "101"]]],
    ("versions", ["--depth", "1"]), ("conversation", ["--turns", "0"]),
])
def test_usage(bench, command, arguments):
    done = bench(command, *arguments)
    assert done.returncode == USAGE and arguments[0] in done.stderr


def test_starts_a_server_and_leaves_nothing(bench, flowstate_bin, scratch, monkeypatch):
    directory = scratch()
    monkeypatch.setenv("TMPDIR", str(directory))
    done = bench("mixed", "--server", str(flowstate_bin), *SHORT, "--json", "-")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    check(result, "load", "save")
    assert result["server"]["started"] and result["server"]["version"]
    assert result["server_cpu_seconds"] > 0 and result["postgres_cpu_seconds"] > 0
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_stops_its_server(bench_bin, flowstate_bin, scratch, monkeypatch, number):
    directory = scratch()
    monkeypatch.setenv("TMPDIR", str(directory))
    process = subprocess.Popen(
        [bench_bin, "save", "--server", flowstate_bin, "--duration", "600"], stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: any(directory.glob("*/socket/.s.PGSQL.*")), what="a running PostgreSQL")
        data = next(directory.iterdir())
        process.send_signal(number)
        started = time.monotonic()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == INTERRUPTED, errors
        assert time.monotonic() - started < 30
        eventually(lambda: working_in(data) == [], what="no process of the server")
        assert list(directory.iterdir()) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("message, method", [("save", "SaveState"), ("load", "LoadState"), ("create", "CreateFlow")])
def test_encode_writes_one_framed_request(bench_bin, server, message, method):
    body = subprocess.run([bench_bin, "encode", message], capture_output=True, check=True, timeout=30).stdout
    assert body[0] == 0 and int.from_bytes(body[1:5], "big") == len(body) - 5
    flows = server.flows()
    flows.save("bench-encoded")
    # The bytes as they are, through the stock client: the server must understand them.
    call = server.channel().unary_unary(f"/flowstate.v1.FlowStateService/{method}")
    assert call(body[5:], metadata=flows.metadata, timeout=30)


def test_encode_health_and_sizes(bench_bin):
    def encode(*arguments):
        return subprocess.run([bench_bin, "encode", *arguments], capture_output=True, check=True, timeout=30).stdout

    assert encode("health") == bytes(5)
    small, large = encode("save", "--state-size", "1000"), encode("save", "--state-size", "2000")
    assert len(large) - len(small) == 1000


def test_validate_measures_each_depth(bench_bin, tmp_path):
    def validate(*arguments):
        return subprocess.run([bench_bin, "validate", *arguments], capture_output=True, text=True, timeout=60)

    done = validate("--state-size", "5000", "--runs", "20", "--json", "-")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["flow_type"], report["state_size"], report["runs"]) == ("unified_discovery", 5000, 20)
    assert sorted(report["depths"]) == ["complete", "minimal", "transition"]
    for times in report["depths"].values():
        assert 0 < times["median_us"] <= times["p99_us"] <= times["max_us"]
    assert "minimal" in done.stderr, "the table goes to standard error when JSON goes to standard output"
    assert validate("--state-size", "10").returncode == validate("--runs", "0").returncode == USAGE
