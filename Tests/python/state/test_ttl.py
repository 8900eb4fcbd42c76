"""Flows that end by themselves."""

import time

import pytest
from flowstate.v1 import state_pb2, types_pb2
from google.protobuf.duration_pb2 import Duration

from errors import invalid, not_found
from postgresql import session
from processes import eventually


def seconds(flows, flow_id, **fields):
    """From its last change to its end; None: it stays."""
    flow = flows.load(flow_id, **fields).flow
    return (flow.expires_at.ToNanoseconds() - flow.updated_at.ToNanoseconds()) / 1e9 if flow.HasField("expires_at") else None


def test_each_save_renews_it_until_one_says_otherwise(flows):
    flows.save("a", ttl=Duration(seconds=100))
    assert seconds(flows, "a") == 100
    flows.save("a")
    assert seconds(flows, "a") == 100
    flows.SetStatus(flow_id="a", status="s")
    flows.SaveState(flow_id="a", merge_patch=b'{"x":1}', expected_version=3)
    assert seconds(flows, "a") == 100
    flows.SaveState(flow_id="a", merge_patch=b'{"x":2}', ttl=Duration(seconds=7, nanos=500_000_000))
    assert seconds(flows, "a") == 7.5
    flows.save("a", ttl=Duration(seconds=0))
    assert seconds(flows, "a") is None
    flows.save("a")
    assert seconds(flows, "a") is None
    flows.CreateFlow(flow_id="b", state=b"{}", ttl=Duration(seconds=50))
    flows.save("c")
    listed = {flow.flow_id: flow.HasField("expires_at") for flow in flows.ListFlows().flows}
    assert seconds(flows, "b") == 50 and listed == {"a": False, "b": True, "c": False}


def test_of_saves_that_share_a_statement_the_last_counts(flows):
    calls = [flows.stub.SaveState.future(
        state_pb2.SaveStateRequest(flow_id=f"f{number % 3}", state=b"%d" % (number + 1), ttl=Duration(seconds=number + 1)),
        metadata=flows.metadata, timeout=30) for number in range(60)]
    for call in calls:
        call.result()
    for number in range(3):
        # The client need not send its calls in their order.
        assert seconds(flows, f"f{number}") == int(flows.state(f"f{number}"))


def test_in_batches_and_with_keys(flows):
    for mode in (state_pb2.BATCH_MODE_ATOMIC, state_pb2.BATCH_MODE_INDEPENDENT):
        flows.BatchSaveState(mode=mode, saves=[{"flow_id": f"{mode}{n}", "state": b"{}", "ttl": Duration(seconds=n + 1)} for n in range(4)])
        assert [seconds(flows, f"{mode}{n}") for n in range(4)] == [1, 2, 3, 4]
    flows.save("k", idempotency_key="key", ttl=Duration(seconds=9))
    assert flows.save("k", idempotency_key="key", ttl=Duration(seconds=9)).replayed and seconds(flows, "k") == 9
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        flows.save("k", idempotency_key="key", ttl=Duration(seconds=10))


@pytest.mark.parametrize("ttl", [Duration(nanos=999_000_000), Duration(seconds=-1), Duration(seconds=10 * 366 * 86_400, nanos=1_000_000)])
def test_what_it_may_be(flows, ttl):
    for call in (flows.SaveState, flows.CreateFlow):
        with invalid() as refusal:
            call(flow_id="a", state=b"{}", ttl=ttl)
        assert refusal.fields() == ["ttl"]
    flows.save("a", ttl=Duration(seconds=1))
    flows.save("b", ttl=Duration(seconds=10 * 366 * 86_400))


def test_a_load_renews_it_if_asked(server, flows):
    flows.save("a", ttl=Duration(seconds=100))
    with session(server) as database:
        aged = f"UPDATE flowstate.flow SET expires_at = expires_at - interval '60 seconds', checkpoint_epoch = checkpoint_epoch + 1 WHERE tenant = '{flows.tenant}'"
        database.execute(aged)
        assert seconds(flows, "a") == 40
        assert seconds(flows, "a", renew_ttl=True) >= 100
        end = flows.load("a").flow.expires_at
        assert flows.load("a", renew_ttl=True).flow.expires_at == end
        database.execute(aged)
        flows.LoadState(flow_id="a", if_version_not=1, renew_ttl=True)
        assert flows.load("a").flow.expires_at != end and flows.load("a").flow.version == 1
    flows.save("b")
    assert seconds(flows, "b", renew_ttl=True) is None


def test_what_is_renewed_or_leased_while_others_are_deleted_stays(start_server):
    server = start_server(arguments=["--cleanup-interval", "1"])
    flows = server.flows()
    for number in range(24):
        flows.save(f"e{number:02}", ttl=Duration(seconds=2))
    with session(server) as database:
        # The deletion of the first sixteen waits, and that of the others waits behind them.
        database.execute(f"BEGIN; SELECT FROM flowstate.flow WHERE tenant = '{flows.tenant}' AND flow_id < 'e16' FOR UPDATE")
        eventually(lambda: database.execute(
            "SELECT count(*) FROM flowstate.flow WHERE expires_at <= clock_timestamp()") == ["24"], what="the end of all")
        database.wait_for_blocked()
        flows.load("e20", renew_ttl=True)
        lease = flows.AcquireLease(flow_id="e21", holder="h", ttl=Duration(seconds=30)).lease
        database.execute("COMMIT")
    eventually(lambda: len(flows.ListFlows().flows) <= 2, what="the end of the others")
    # e20 has its two seconds from its renewal on.
    last = flows.versions("e20")[-1]
    assert last.version == 1 or last.created_at.ToNanoseconds() >= lease.acquired_at.ToNanoseconds() + 1_500_000_000
    assert flows.load("e21").flow.version == 1


def test_a_restore_renews_it(server, flows):
    flows.save("a", ttl=Duration(seconds=100), checkpoint={"name": "c"})
    flows.RestoreCheckpoint(flow_id="a", checkpoint="c")
    assert seconds(flows, "a") == 100


def test_a_load_that_waits_and_renews_waits_once(flows):
    flows.save("a", ttl=Duration(seconds=100))
    began = time.monotonic()
    assert flows.LoadState(flow_id="a", if_version_not=1, wait=Duration(seconds=1), renew_ttl=True).unchanged
    assert 1 <= time.monotonic() - began < 1.9


def test_what_is_over_is_deleted(start_server):
    server = start_server(arguments=["--cleanup-interval", "1"])
    flows = server.flows()
    for number in range(5):
        flows.save(f"f{number}", ttl=Duration(seconds=1))
    flows.save("renewed", ttl=Duration(seconds=1)), flows.save("stays"), flows.save("leased", ttl=Duration(seconds=1))
    lease = flows.AcquireLease(flow_id="leased", holder="h", ttl=Duration(seconds=60)).lease
    flows.save("renewed", ttl=Duration(seconds=1000))
    eventually(lambda: {flow.flow_id for flow in flows.ListFlows().flows} == {"renewed", "stays", "leased"}, what="the end of five flows")
    with not_found("FLOW_NOT_FOUND"):
        flows.load("f0")
    last = flows.versions("f0")[-1]
    assert (last.event, last.actor, last.version) == (types_pb2.VERSION_EVENT_DELETED, "flowstate", 2)
    flows.ReleaseLease(flow_id="leased", token=lease.token)
    eventually(lambda: {flow.flow_id for flow in flows.ListFlows().flows} == {"renewed", "stays"}, what="the end of the leased flow")
    flows.save("f0", revive=True)
    assert flows.load("f0").flow.version == 3 and seconds(flows, "f0") is None
