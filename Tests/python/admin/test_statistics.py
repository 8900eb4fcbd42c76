"""Figures about flows, through stock gRPC and the command line."""

import json
import re

import grpc
import pytest
from flowstate.v1 import admin_pb2
from google.protobuf import duration_pb2

from command_line import INVALID, USAGE, Cli
from errors import invalid, refused
from processes import eventually

ORDER = {
    "flow_type": "order", "paths": {"phase": "/phase", "status": "/status", "completion": "/done"},
    "phases": [{"name": "cart", "complete_on_leave": True}, {"name": "paid", "requires": ["cart"]}, {"name": "sent", "requires": ["paid"]}],
    "statuses": [{"name": "open"}, {"name": "failed", "error": True}, {"name": "closed"}],
    "rules": [{"rule": "required", "path": "/customer"}, {"rule": "deprecated", "path": "/no", "beside": "/customer", "severity": "warning"}],
}


@pytest.fixture(scope="module")
def fresh_server(limited_server):
    """Its figures are never older than the call."""
    return limited_server({"statistics-age-ms": 1})


@pytest.fixture
def flows(fresh_server):
    return fresh_server.flows()


def state(**members):
    return json.dumps({"customer": 7, "phase": "cart", "status": "open", **members}).encode()


@pytest.fixture
def orders(flows):
    """Four orders: one sent after an error, one with an error, one in its first phase, one deleted."""
    flows.PutDefinition(document=json.dumps(ORDER).encode())
    for flow_id in "abcd":
        flows.CreateFlow(flow_id=flow_id, flow_type="order", state=state())
    flows.ReportError(flow_id="a", error_type="Bank", message="no money")
    flows.TransitionPhase(flow_id="a", phase="paid")
    flows.CompletePhase(flow_id="a")
    flows.TransitionPhase(flow_id="a", phase="sent")
    flows.ReportError(flow_id="b", error_type="Bank", message="no money")
    flows.DeleteFlow(flow_id="d")
    flows.save("plain", b"{}")
    return flows


def by(name, records, field="flow_type"):
    return next(record for record in records if getattr(record, field) == name)


def test_what_is_there_and_what_was_done(orders):
    found = orders.GetStatistics()
    assert (found.flows, found.deleted_flows, found.created_flows) == (4, 1, 5)
    assert found.versions == sum(len(orders.versions(flow)) for flow in ["a", "b", "c", "d", "plain"])
    assert found.checkpoints == sum(len(orders.ListCheckpoints(flow_id=flow).checkpoints) for flow in "abc")
    sizes = [version.size_bytes for flow in ["a", "b", "c", "d", "plain"] for version in orders.versions(flow)]
    assert found.state_bytes == found.activity.state_bytes == sum(sizes)
    assert 0 < found.stored_bytes == found.activity.stored_bytes <= sum(sizes) + 100
    assert (found.flow_sample, found.storage_sample, found.activity_sample) == (1, 1, 1)
    assert {count.value: count.flows for count in found.by_status} == {"open": 1, "failed": 2, "": 1}
    assert found.time.seconds - found.since.seconds == 86_400

    order = by("order", found.by_type)
    assert found.by_type[0] == order, "the most frequent comes first"
    assert (order.flows, order.deleted_flows, order.created_flows) == (3, 1, 4)
    done = order.activity
    assert (done.active_flows, done.errors_reported, done.failed_flows, done.recovered_flows) == (4, 2, 2, 1)
    assert (done.failure_rate, done.recovery_rate, done.phases_completed) == (0.5, 0.5, 1)
    assert done.versions_per_second == pytest.approx(done.versions / 86_400)
    assert by("", found.by_type).activity.versions == 1

    cart, paid, sent = (by(phase, order.by_phase, "phase") for phase in ["cart", "paid", "sent"])
    assert [(phase.flows, phase.entries, phase.exits) for phase in [cart, paid, sent]] == [(2, 4, 1), (0, 1, 1), (1, 1, 0)]
    assert cart.HasField("time_in_phase") and not sent.HasField("time_in_phase")
    assert cart.time_in_phase.p50 == cart.time_in_phase.p99, "there is one"
    versions = orders.versions("a")
    stay = versions[2].created_at.ToNanoseconds() - versions[0].created_at.ToNanoseconds()
    assert cart.time_in_phase.p50.ToNanoseconds() == pytest.approx(stay, abs=2_000)
    assert cart.activity.failed_flows == 2 and paid.activity.failed_flows == 0

    only = orders.GetStatistics(flow_type="order")
    assert (only.flows, len(only.by_type), only.by_type[0].by_phase) == (3, 1, order.by_phase)


def test_violations_are_counted_by_rule(orders):
    for _ in range(3):
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "STATE_INVALID"):
            orders.save("c", b'{"phase": "cart"}')
    orders.save("c", state(no=8))

    def failures():
        return [(entry.flow_type, entry.rule, entry.refused, entry.warned)
                for entry in orders.GetStatistics().validation_failures]
    eventually(lambda: failures() == [("order", "required", 3, 0), ("order", "deprecated", 0, 1)], what="counts written down")


def test_counts_survive_the_server(start_server):
    server = start_server(limits={"statistics-age-ms": 1})
    flows = server.flows()
    flows.PutDefinition(document=json.dumps(ORDER).encode())
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "STATE_INVALID"):
        flows.save("c", b"{}", flow_type="order")
    server.stop()
    server.start()
    assert [entry.refused for entry in server.flows(flows.tenant).GetStatistics().validation_failures] == [1]


def test_tenants_see_their_own(flows, fresh_server):
    flows.save("a")
    stranger = fresh_server.flows()
    assert stranger.GetStatistics().flows == 0
    assert flows.GetStatistics(tenant=flows.tenant).flows == 1
    with refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_SUPPORTED"):
        stranger.GetStatistics(tenant=flows.tenant)


@pytest.mark.parametrize("window", [{"seconds": 59}, {"seconds": 31 * 86_400, "nanos": 1}, {"seconds": -60}, {"seconds": 1 << 60}])
def test_windows_have_bounds(flows, window):
    with invalid() as refusal:
        flows.GetStatistics(window=duration_pb2.Duration(**window))
    assert refusal.fields() == ["window"]


def test_figures_are_kept_for_a_minute(server):
    flows = server.flows()
    flows.save("a")
    first = flows.GetStatistics()
    flows.save("b")
    assert flows.GetStatistics() == first
    assert flows.GetStatistics(window=duration_pb2.Duration(seconds=60)).flows == 2


@pytest.fixture
def cli(flowstate_bin, fresh_server, orders):
    cli = Cli(flowstate_bin, fresh_server.endpoint)
    cli.environment["FLOWSTATE_TENANT"] = orders.tenant
    return cli


def test_stats_for_programs(cli, orders):
    shown, found = cli.json("stats", "--since", "1h"), orders.GetStatistics(window=duration_pb2.Duration(seconds=3600))
    assert set(shown) == {field.name for field in admin_pb2.GetStatisticsResponse.DESCRIPTOR.fields}
    assert (shown["flows"], shown["versions"], shown["stored_bytes"]) == (found.flows, found.versions, found.stored_bytes)
    order = next(entry for entry in shown["by_type"] if entry["flow_type"] == "order")
    assert order["activity"]["failure_rate"] == 0.5
    assert order["activity"]["versions_per_second"] == pytest.approx(by("order", found.by_type).activity.versions_per_second)
    cart = next(entry for entry in order["by_phase"] if entry["phase"] == "cart")
    assert 0 < float(cart["time_in_phase"]["p50"].removesuffix("s")) < 60 and cart["exits"] == 1
    only = cli.json("stats", "--type", "order")
    assert [entry["flow_type"] for entry in only["by_type"]] == ["order"]


def test_stats_for_people(cli):
    text = cli.ok("stats", "--output", "table").decode()
    assert re.search(r"^flows +4 \(1 more deleted\)$", text, re.M)
    assert re.search(r"^TYPE +FLOWS +CREATED +VERSIONS +PER_SECOND +COMPLETED +ERRORS +FAILED +RECOVERED$", text, re.M)
    assert re.search(r"^order +3 +4 .* 2 +50 % +50 %$", text, re.M)
    assert re.search(r"^order +cart +2 +4 +1 +\d.* ms ", text, re.M)
    assert "Extrapolated" not in text


@pytest.mark.parametrize("since", ["", "h", "5", "5w", "-1h", "1.5h", "99999999999999999999d"])
def test_stats_refuses_what_is_no_time(cli, since):
    assert cli.run("stats", "--since", since).returncode == USAGE


def test_stats_leaves_bounds_to_the_server(cli):
    assert cli.fails(INVALID, "stats", "--since", "32d")["reason"] == "INVALID_REQUEST"
