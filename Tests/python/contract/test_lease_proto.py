"""lease.proto: one worker at a time on a flow, and tokens that only grow."""

import threading
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flowstate.v1 import errors_pb2

from errors import invalid, not_found, refused
from promises import promise

LOST = (grpc.StatusCode.FAILED_PRECONDITION, "LEASE_LOST")


def duration(seconds):
    return Duration(seconds=int(seconds), nanos=int((seconds - int(seconds)) * 1e9))


def lasts(lease):
    return (lease.expires_at.ToNanoseconds() - lease.acquired_at.ToNanoseconds()) / 1e9


@promise("lease", "Takes the lease when it is free or has run out.",
         "FAILED_PRECONDITION (LEASE_LOST, with the holder) when another worker has it.",
         "A worker that has the lease already gets it extended.", "The lease; not set when it is free.",
         "The worker's name, unique among workers; required.")
@promise("errors", "FAILED_PRECONDITION, reason LEASE_LOST: the fencing token is not the flow's current one.",
         "The current fencing token; 0 when the flow never had a lease.")
def test_one_worker_at_a_time(flows):
    flows.save("f")
    assert not flows.GetLease(flow_id="f").HasField("lease")
    lease = flows.AcquireLease(flow_id="f", holder="one").lease
    assert (lease.flow_id, lease.holder, lease.token) == ("f", "one", 1)
    assert flows.GetLease(flow_id="f").lease == lease
    with refused(*LOST) as refusal:
        flows.AcquireLease(flow_id="f", holder="two")
    lost = refusal.detail(errors_pb2.LeaseLost)
    assert (lost.holder, lost.token) == ("one", 1) and '"one"' in refusal.message
    again = flows.AcquireLease(flow_id="f", holder="one", ttl=duration(60)).lease
    assert (again.token, again.acquired_at) == (1, lease.acquired_at) and lasts(again) > lasts(lease)
    with invalid() as refusal:
        flows.AcquireLease(flow_id="f")
    assert refusal.fields() == ["holder"]


@promise("lease", "Required.", "NOT_FOUND (FLOW_NOT_FOUND) when there is none.")
def test_a_lease_needs_a_flow(flows):
    flows.save("gone")
    flows.DeleteFlow(flow_id="gone")
    for flow_id in ("none", "gone"):
        for call, fields in ((flows.AcquireLease, {"holder": "one"}), (flows.RenewLease, {"token": 1}),
                             (flows.ReleaseLease, {"token": 1}), (flows.GetLease, {})):
            with not_found():
                call(flow_id=flow_id, **fields)


@promise("lease", "How long; not set: 30 seconds.", "1 second to 1 hour.", "How long from now; not set: 30 seconds.")
def test_how_long(flows):
    flows.save("f")
    lease = flows.AcquireLease(flow_id="f", holder="one").lease
    assert lasts(lease) == 30
    for seconds in (1, 3600):
        assert lasts(flows.AcquireLease(flow_id="f", holder="one", ttl=duration(seconds)).lease) >= seconds
        flows.RenewLease(flow_id="f", token=1, ttl=duration(seconds))
    assert lasts(flows.RenewLease(flow_id="f", token=1).lease) >= 30
    for seconds in (0, 0.999, 3600.001, -5, 10 ** 11):
        for call, fields in ((flows.AcquireLease, {"holder": "one"}), (flows.RenewLease, {"token": 1})):
            with invalid() as refusal:
                call(flow_id="f", ttl=duration(seconds), **fields)
            assert refusal.fields() == ["ttl"]


@promise("lease", "The token of the lease; required.",
         "FAILED_PRECONDITION (LEASE_LOST) when the token is not the current one or the lease has run out.",
         "FAILED_PRECONDITION (LEASE_LOST) when the token is not the current one.",
         "The fencing token, 1 or more; send it as `lease_token` with every save.",
         "The fencing token grows with every lease for ever; a save with a token that is not the current one is refused, however late it arrives.")
def test_tokens(flows):
    flows.save("f")
    for call in (flows.RenewLease, flows.ReleaseLease):
        for token in (0, -1, 2 ** 63 - 1):
            with invalid() as refusal:
                call(flow_id="f", token=token)
            assert refusal.fields() == ["token"]
        with refused(*LOST):
            call(flow_id="f", token=1)
    tokens = []
    for turn in range(4):
        tokens.append(flows.AcquireLease(flow_id="f", holder=f"worker {turn % 2}").lease.token)
        flows.save("f", lease_token=tokens[-1])
        flows.ReleaseLease(flow_id="f", token=tokens[-1])
        flows.ReleaseLease(flow_id="f", token=tokens[-1])
    assert tokens == [1, 2, 3, 4]
    current = flows.AcquireLease(flow_id="f", holder="one").lease
    for stale in tokens:
        for call, fields in ((flows.RenewLease, {"token": stale}), (flows.ReleaseLease, {"token": stale}), (flows.save, {"lease_token": stale})):
            with refused(*LOST):
                call(flow_id="f", **fields)
    assert flows.RenewLease(flow_id="f", token=current.token).lease.token == 5


def test_a_lease_runs_out(flows):
    flows.save("f")
    first = flows.AcquireLease(flow_id="f", holder="one", ttl=duration(1)).lease
    second = flows.AcquireLease(flow_id="f", holder="two", wait=duration(20)).lease
    assert second.token == 2 and second.acquired_at.ToNanoseconds() >= first.expires_at.ToNanoseconds()
    for call in (flows.RenewLease, flows.ReleaseLease):
        with refused(*LOST):
            call(flow_id="f", token=first.token)


def test_a_lease_that_ran_out_is_not_extended(flows):
    flows.save("f")
    lease = flows.AcquireLease(flow_id="f", holder="one", ttl=duration(1)).lease
    while flows.GetLease(flow_id="f").HasField("lease"):
        time.sleep(0.05)
    with refused(*LOST) as refusal:
        flows.RenewLease(flow_id="f", token=lease.token)
    assert refusal.detail(errors_pb2.LeaseLost).holder == ""
    assert flows.AcquireLease(flow_id="f", holder="one").lease.token == 2


@promise("lease", "How long to wait for a lease that another worker has; not set: not at all.", "At most the deadline.")
def test_waiting(flows):
    flows.save("f")
    flows.AcquireLease(flow_id="f", holder="one")
    with refused(*LOST):
        flows.AcquireLease(flow_id="f", holder="two", wait=duration(0.1))
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        flows.AcquireLease(flow_id="f", holder="two", wait=duration(100), timeout=0.5)
    with invalid() as refusal:
        flows.AcquireLease(flow_id="f", holder="two", wait=duration(-1))
    assert refusal.fields() == ["wait"]
    taken = []
    waiting = [threading.Thread(target=lambda number=number: taken.append(
        flows.AcquireLease(flow_id="f", holder=f"worker {number}", wait=duration(20)).lease)) for number in range(5)]
    for thread in waiting:
        thread.start()
    flows.ReleaseLease(flow_id="f", token=1)
    for token in range(2, 7):
        while len(taken) < token - 1:
            time.sleep(0.01)
        assert taken[-1].token == token
        flows.ReleaseLease(flow_id="f", token=token)
    for thread in waiting:
        thread.join()
    assert len({lease.holder for lease in taken}) == 5


def test_what_history_says(flows):
    flows.save("f")
    flows.AcquireLease(flow_id="f", holder="one")
    flows.AcquireLease(flow_id="f", holder="one")
    flows.RenewLease(flow_id="f", token=1)
    flows.ReleaseLease(flow_id="f", token=1)
    events = [(entry.event.kind, entry.event.details, entry.actor) for entry in flows.GetHistory(flow_id="f").entries if entry.HasField("event")]
    assert events == [("lease_released", b'{"token": 1, "holder": "one"}', "tester"), ("lease_acquired", b'{"token": 1, "holder": "one"}', "tester")]


def test_another_server_knows_of_a_lease(start_server, postgresql):
    database = postgresql()
    one, other = (start_server(database_url=database.url) for _ in range(2))
    flows = one.flows()
    there = other.flows(flows.tenant)
    flows.save("f")
    token = flows.AcquireLease(flow_id="f", holder="one").lease.token
    with refused(*LOST):
        there.AcquireLease(flow_id="f", holder="two")
    there.save("f", lease_token=token)
    there.ReleaseLease(flow_id="f", token=token)
    with refused(*LOST):
        flows.save("f", lease_token=token)
    assert there.AcquireLease(flow_id="f", holder="two").lease.token == 2


def test_a_server_that_stops_does_not_wait(start_server):
    server = start_server()
    flows = server.flows()
    flows.save("f")
    flows.AcquireLease(flow_id="f", holder="one")
    calls = [flows.stubs["FlowLeaseService"].AcquireLease.future(
        flows.message("AcquireLease", flow_id="f", holder=f"worker {number}", wait=duration(300)), metadata=flows.metadata) for number in range(5)]
    with refused(*LOST):
        flows.AcquireLease(flow_id="f", holder="two", wait=duration(0.2))
    began = time.monotonic()
    server.terminate()
    assert {call.exception().code() for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    assert server.wait() == 0 and time.monotonic() - began < 8, "the whole grace is ten seconds"
    assert "already shut down" not in server.log_tail()
